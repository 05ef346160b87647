"""What the public functions return. Read by mypy and pyright (`make lint`), never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from matplotlib.figure import Figure

import cachepy
from cachepy import Checked, Plan, PlannedCall, Problem, Reason, Refreshed, Repaired, Session, Verdict, cache_file


@cache_file
def step(x: int) -> str:
    return str(x)


def the_graph() -> None:
    assert_type(cachepy.cache_tree_nodes(), dict[str, dict[str, Any]])
    assert_type(cachepy.cache_tree_for_file("a.csv"), dict[str, dict[str, Any]])
    assert_type(cachepy.cache_tree_files(), dict[str, list[str]])
    assert_type(cachepy.cache_tree_summary(), dict[str, Any])
    cachepy.cache_tree_save(Path("graph.pkl"))
    cachepy.cache_tree_load(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def what_is_stale() -> None:
    assert_type(cachepy.cache_tree_changed_files(), dict[str, dict[str, Any]])
    assert_type(cachepy.cache_tree_stale(import_code=True), dict[str, dict[str, Any]])
    plan = cachepy.cache_tree_plan()
    assert_type(plan, Plan)
    assert_type(plan.running, tuple[PlannedCall, ...])
    assert_type(plan.seconds, float)
    done = cachepy.cache_tree_refresh()
    assert_type(done, Refreshed)
    assert_type(done.failed, dict[str, BaseException])


def why() -> None:
    verdict = step.explain(1)
    assert_type(verdict, Verdict)
    assert_type(verdict.reasons, tuple[Reason, ...])
    assert_type(verdict.reasons[0].old, str | None)
    verdict.state = "fresh"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def the_forms() -> None:
    assert_type(cachepy.cache_tree_to_json(), str)
    assert_type(cachepy.cache_tree_to_dot(highlight_stale=True), str)
    assert_type(cachepy.cache_tree_to_mermaid("a.mmd"), str)
    assert_type(cachepy.cache_tree_to_html(Path("a.html"), title="a"), str)
    assert_type(cachepy.cache_tree_to_prov(), str)
    assert_type(cachepy.plot_cache_graph(labels=["path"]), Figure)
    cachepy.cache_tree_to_rocrate("a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def the_directory() -> None:
    checked = cachepy.cache_verify("cache", rerun=3)
    assert_type(checked, Checked)
    assert_type(checked.problems, tuple[Problem, ...])
    assert_type(cachepy.cache_repair(dry_run=True), Repaired)
    assert_type(cachepy.cache_prune("cache", days_old=0.5), list[Path])
    assert_type(cachepy.cache_list(), list[dict[str, Any]])
    assert_type(cachepy.cache_stats(), dict[str, Any])
    assert_type(cachepy.cache_default_dir(), str)
    assert_type(cachepy.track_file("a.csv"), Path)
    with cachepy.use_session(Session()) as session:
        assert_type(session, Session)
