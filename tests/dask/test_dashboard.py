"""The data of the page `/cachepy` while a job runs, and our part of `/metrics`."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pipeline_module as pm
import pytest
from dashboards import CHROMIUM, HOSTILE, address, data_of, event, read, until, wait_for
from distributed import Client, LocalCluster
from prometheus_client.parser import text_string_to_metric_families

from cachepy import cache_file, cache_tree_nodes
from cachepy.session import current_session
from dask_plugin import connect, delayed
from dask_plugin import scheduler as scheduler_module
from dask_plugin.dashboard import Live
from dask_plugin.metrics import exposition
from dask_plugin.records import event_record
from dask_plugin.scheduler import Ledger

pytestmark = pytest.mark.dask
ROOT = Path(__file__).parents[2]


@pytest.fixture
def local(session):
    """A client of a cluster inside this process, connected."""
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as made:
        with Client(made) as client, connect(client):
            yield client


def functions(client):
    return {row["label"]: row for row in data_of(client)["functions"]}


def links(client):
    found = data_of(client)
    names = [row["label"] for row in found["functions"]]
    return {(names[a], names[b], kind): n for a, b, kind, n in found["edges"]}


def metrics(client):
    """(metric, function) -> value, of ours only; the whole text has to be valid."""
    families = list(text_string_to_metric_families(read(client, "/metrics")))
    assert len({f.name for f in families}) == len(families), "a metric is there twice"
    samples = [(f, s) for f in families for s in f.samples if s.name.startswith("cachepy_")]
    for family, sample in samples:
        assert family.documentation and family.type == ("counter" if sample.name.endswith("_total") else "gauge")
    return {(s.name, s.labels.get("function", "").rpartition(".")[2]): s.value for _, s in samples}


# -- while a job runs


def test_page_and_metrics_while_a_job_runs(local, tmp_path):
    begun, gate = str(tmp_path / "begun"), str(tmp_path / "gate")

    @cache_file(tmp_path / "cache")
    def quick(n):
        return ["quick", n]

    @cache_file(tmp_path / "cache")
    def slow(n):
        first = quick(n)
        open(begun, "w").close()
        wait_for(gate)
        return ["slow", first]

    future = local.submit(slow, 1)
    wait_for(begun)
    for _ in range(100):  # what a running task made is sent five times a second
        if "quick" in functions(local):
            break
        time.sleep(0.05)
    assert functions(local)["quick"]["runs"] == 1
    assert metrics(local)["cachepy_runs_total", "quick"] == 1
    assert "slow" not in functions(local)
    assert "<title>cachepy" in read(local, "/cachepy")
    Path(gate).touch()
    future.result()
    assert functions(local)["slow"]["runs"] == 1
    assert metrics(local)["cachepy_runs_total", "slow"] == 1
    assert links(local) == {("slow", "quick", "call"): 1}


def test_counts_of_runs_and_hits(local, tmp_path):
    @cache_file(tmp_path / "cache")
    def load(path):
        return Path(path).read_text().split() * 50

    @cache_file(tmp_path / "cache")
    def count(words):
        return {"words": len(words)}

    files = [tmp_path / f"{n}.txt" for n in range(3)]
    for n, path in enumerate(files):
        path.write_text(f"some words {n}")
    for _ in range(3):  # not pure: Dask itself must not answer
        [delayed(count, pure=False)(delayed(load, pure=False)(str(p))).compute() for p in files]
    shown = functions(local)
    took = sum(node["elapsed"] for node in cache_tree_nodes().values() if node["fname"] == "load")
    size = sum(node["outfile"].stat().st_size for node in cache_tree_nodes().values() if node["fname"] == "load")
    row = shown["load"]
    assert (row["calls"], row["runs"], row["hits"], row["failures"], row["files"]) == (3, 3, 6, 0, 3)
    assert row["saved_seconds"] == pytest.approx(2 * took)
    assert row["run_seconds"] == pytest.approx(took)
    assert row["bytes"] == size > 0
    assert row["last"] == max(n["created"] for n in cache_tree_nodes().values() if n["fname"] == "load")
    assert links(local) == {("count", "load", "flow"): 3}
    totals = data_of(local)["totals"]
    assert (totals["runs"], totals["hits"], totals["bytes"]) == (6, 12, size + shown["count"]["bytes"])
    ours = metrics(local)
    assert ours["cachepy_hits_total", "load"] == 6
    assert ours["cachepy_written_bytes_total", "load"] == size
    assert ours["cachepy_saved_seconds_total", "load"] == pytest.approx(2 * took)
    assert ours["cachepy_last_run_timestamp_seconds", "load"] == row["last"]
    assert ours["cachepy_graph_calls", ""] == 6


def test_a_hit_stands_for_all_below_it_once(local, tmp_path):
    @cache_file(tmp_path / "cache")
    def inner(n):
        return ["inner", n]

    @cache_file(tmp_path / "cache")
    def outer(n):
        return ["outer", inner(n), inner(n + 1)]

    for _ in range(2):
        local.submit(outer, 1, pure=False).result()
    shown = functions(local)
    assert (shown["outer"]["hits"], shown["inner"]["hits"]) == (1, 0)
    assert shown["inner"]["saved_seconds"] == 0
    assert shown["outer"]["saved_seconds"] == shown["outer"]["run_seconds"] >= shown["inner"]["run_seconds"]


def test_calls_that_a_caller_sent_to_workers_are_no_hits(client, data):
    client.submit(pm.orchestrate, "get_client", [str(p) for p in data.paths]).result()
    shown = functions(client)
    assert shown["orchestrate"]["runs"] == 1
    assert sum(row["hits"] for row in shown.values()) == 0


def test_failures_are_counted(local, tmp_path):
    @cache_file(tmp_path / "cache")
    def bad(n):
        raise OSError(f"no network {n}")

    @cache_file(tmp_path / "cache")
    def brave(n):
        try:
            return bad(n)
        except OSError:
            return ["went on", n]

    assert local.submit(brave, 1).result() == ["went on", 1]
    assert isinstance(local.submit(bad, 2).exception(), OSError)
    shown = functions(local)
    assert (shown["bad"]["failures"], shown["bad"]["runs"], shown["bad"]["calls"]) == (2, 0, 0)
    assert (shown["brave"]["failures"], shown["brave"]["runs"]) == (0, 1)
    assert shown["bad"]["last"] is None
    ours = metrics(local)
    assert ours["cachepy_failures_total", "bad"] == 2
    assert ("cachepy_last_run_timestamp_seconds", "bad") not in ours


def test_waits_are_counted(local, tmp_path):
    begun, gate = str(tmp_path / "begun"), str(tmp_path / "gate")

    @cache_file(tmp_path / "cache")
    def slow(n):
        open(begun, "w").close()
        wait_for(gate)
        return ["slow", n]

    first = local.submit(slow, 1, pure=False)
    wait_for(begun)
    second = local.submit(slow, 1, pure=False)
    until(lambda: current_session().waiting)
    time.sleep(0.1)
    Path(gate).touch()
    assert first.result() == second.result()
    row = functions(local)["slow"]
    assert (row["runs"], row["hits"], row["waits"]) == (1, 1, 1)
    assert 0.05 < row["wait_seconds"] < 30
    assert metrics(local)["cachepy_waits_total", "slow"] == 1


# -- the scheduler's own part


def test_the_own_metrics_of_the_scheduler_stay(local):
    text = read(local, "/metrics")
    assert "dask_scheduler_workers" in text and "# TYPE cachepy_hits_total counter" in text
    with urlopen(address(local) + "/metrics") as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_a_link_leads_to_the_page(local):
    assert connect(local).page == address(local) + "/cachepy"
    assert 'href="cachepy"' in read(local, "/status")


def test_connecting_again_adds_nothing_and_closing_takes_it_away(session):
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        rules = cluster.scheduler.http_application.default_router.rules
        before = list(rules)
        with Client(cluster) as client:
            connect(client)
            once = list(rules)
            with Client(cluster, set_as_default=False) as other:
                connect(client)
                connect(other)
                assert rules == once and len(once) == len(before) + 1
                assert read(client, "/status").count('href="cachepy"') == 1
            part = cluster.scheduler.plugins["cachepy-scheduler"]
            client.sync(part.close)
            assert rules == before
            assert 'href="cachepy"' not in read(client, "/status")
            assert "cachepy_" not in read(client, "/metrics") and "dask_scheduler" in read(client, "/metrics")
            with pytest.raises(HTTPError, match="404"):
                read(client, "/cachepy")
            client.sync(part.close)


def test_two_schedulers_in_one_process_show_their_own(local, tmp_path):
    @cache_file(tmp_path / "cache")
    def here(n):
        return ["here", n]

    local.submit(here, 1).result()
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as other:
        with Client(other, set_as_default=False) as client, connect(client):
            assert metrics(client)["cachepy_graph_calls", ""] == 0
            assert metrics(local)["cachepy_graph_calls", ""] == 1


def test_a_late_client_and_a_restart(client, data):
    client.submit(pm.leaf, str(data.paths[0]), 1).result()
    before = functions(client)["leaf"]
    with Client(client.cluster, set_as_default=False) as late, connect(late):
        assert functions(late)["leaf"] == before
        client.restart()
        assert functions(client)["leaf"] == before
        client.submit(pm.leaf, str(data.paths[0]), 1, pure=False).result()
        row = functions(late)["leaf"]
        assert (row["calls"], row["runs"]) == (before["calls"], before["runs"])
        assert row["hits"] == before["hits"] + 1


def test_behind_a_prefix(session):
    options = {"http_prefix": "/some/where"}
    with LocalCluster(
        n_workers=1, processes=False, dashboard_address=":0", scheduler_kwargs=options
    ) as cluster:
        port = cluster.scheduler.http_server.port
        with Client(cluster) as client, connect(client):
            base = f"http://127.0.0.1:{port}/some/where"
            for path, sign in [("cachepy", "<title>"), ("cachepy/graph.json", '"functions"'), ("metrics", "cachepy_")]:
                assert sign in urlopen(f"{base}/{path}").read().decode()
            with pytest.raises(HTTPError, match="404"):
                urlopen(f"http://127.0.0.1:{port}/cachepy")


def test_without_bokeh_and_prometheus_client(tmp_path):
    script = tmp_path / "plain.py"
    script.write_text(textwrap.dedent("""
        import sys
        sys.modules["bokeh"] = sys.modules["prometheus_client"] = None
        from urllib.request import urlopen
        from distributed import Client, LocalCluster
        from dask_plugin import connect
        if __name__ == "__main__":
            with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster, Client(cluster) as client:
                connect(client)
                base = f"http://127.0.0.1:{cluster.scheduler.http_server.port}"
                for path in ("/cachepy", "/cachepy/graph.json", "/metrics"):
                    print(urlopen(base + path).read().decode())
    """))
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "<title>cachepy" in done.stdout and '"functions": []' in done.stdout
    assert "metrics are not available" in done.stdout, "the scheduler's own answer comes first"
    assert "\n# TYPE cachepy_runs_total counter\n" in done.stdout


def test_a_page_that_cannot_be_shown_costs_nothing_else(session, monkeypatch, tmp_path, caplog):
    def fail(*_):
        raise RuntimeError("another HTTP server")

    monkeypatch.setattr(scheduler_module, "Dashboard", fail)

    @cache_file(tmp_path / "cache")
    def work(n):
        return ["work", n]

    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        with Client(cluster) as client, connect(client):
            client.submit(work, 1).result()
            assert [n["fname"] for n in cache_tree_nodes().values()] == ["work"]
            assert "could not be added" in caplog.text
            part = cluster.scheduler.plugins["cachepy-scheduler"]
            client.sync(part.close)


# -- what names may contain


def hostile_ledger():
    ledger = Ledger()
    for i, name in enumerate(HOSTILE):
        ledger.add(event_record(event(f"f{i}", qualname=name, module="m<&>")))
        ledger.tally.add(f"m<&>.{name}".encode("utf-8", "backslashreplace").decode(), {"hits": 1})
    return ledger


def test_hostile_names_in_metrics():
    ledger = hostile_ledger()
    text = exposition(ledger.tally, len(ledger)).encode().decode()
    names = {s.labels["function"] for f in text_string_to_metric_families(text) for s in f.samples if s.labels}
    assert names == set(ledger.tally.rows)


def test_hostile_names_in_the_data():
    ledger = hostile_ledger()
    shown = json.loads(asyncio.run(Live(ledger).json()))
    assert {row["name"] for row in shown["functions"]} == set(ledger.tally.rows)
    assert all(row["hits"] == row["calls"] == 1 for row in shown["functions"])


def test_hostile_names_travel(local, tmp_path):
    def make(name):
        def body(n):
            return ["body", n]

        body.__qualname__ = body.__name__ = name
        return cache_file(tmp_path)(body)

    named = [name for name in HOSTILE if name.isprintable() and len(name) < 100]
    for name in named:
        local.submit(make(name), 1, pure=False).result()
    assert set(functions(local)) == set(named)
    read(local, "/metrics")


@pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CACHEPY_NEEDS_BROWSER"), reason="needs Chromium (Debian: chromium)"
)
def test_hostile_names_in_the_browser(local, tmp_path):
    part = local.cluster.scheduler.plugins["cachepy-scheduler"]
    part.ledger = part.dashboard.live.records = hostile_ledger()
    assert CHROMIUM is not None, "CACHEPY_NEEDS_BROWSER is set, and there is no Chromium"
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    command = [CHROMIUM, *options, "--virtual-time-budget=4000", "--dump-dom", f"{address(local)}/cachepy"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    dom = done.stdout
    assert "<title>" in dom, done.stderr
    assert "<title>cachepy on this cluster</title>" in dom, "a name was run as code"
    assert dom.count("<script") == 1 and "<img" not in dom
    body = dom.partition("<tbody>")[2].partition("</tbody>")[0]
    assert body.count("<tr") == len(HOSTILE)
    assert "title=\"m&lt;&amp;&gt;.&lt;/script&gt;&lt;script&gt;document.title='run'&lt;/script&gt;\"" in body
    assert dom.count('class="box ') == len(HOSTILE)
