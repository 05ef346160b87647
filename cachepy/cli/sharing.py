"""The commands that move results between caches: directories, and addresses of remote ones."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial

import click

from cachepy.cli import words
from cachepy.cli.consent import dry_run_option, may, yes_option
from cachepy.cli.console import Tell, WrongUse, complain
from cachepy.cli.exit_codes import ERROR
from cachepy.cli.finding import place
from cachepy.cli.opening import Opened, opened, session_at
from cachepy.cli.options import Typed, command
from cachepy.errors import UsageError
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from cachepy.maintain.transfer import Merged

_KEYS = "moved there size troubles dry_run"
_SHOWN = 5


def _moving(command_of: Callable[..., Any]) -> Callable[..., Any]:
    """What the three commands have in common."""
    for option in (
        click.option("--root", "roots", multiple=True, metavar="CALL", help="Only this call, and all below it."),
        click.option("--since", type=Typed("since", words.parse_since), metavar="TIME", help=(
            "Only what ran since then: 30min, 2h, 7d ago, or a date."
        )),
        click.option("--trust", is_flag=True, help=(
            "Take what an address has without a signature: loading it can run the code of who stored it."
        )),
        yes_option, dry_run_option,
    ):  # fmt: skip
        command_of = option(command_of)
    return command_of


@command("push", "cachepy push s3://bucket/team\ncachepy push s3://bucket/team --root report --dry-run", _KEYS)
@click.argument("target", metavar="ADDRESS")
@_moving
def push(tell: Tell, cache_dir: str | None, *, target: str, **options: Any) -> int:
    """Send stored results to a remote cache.

    ADDRESS may be another cache directory too. What is there already is not sent again, so that an interrupted push
    goes on where it was. A function with remote=ADDRESS sends its results by itself; this is for those of before.

    Exits with 0, or with 3 if something could not be sent.
    """
    return _move(tell, place(cache_dir, tell.say), target, **options)


@command("pull", "cachepy pull s3://bucket/team\ncachepy pull s3://bucket/team --since 7d", _KEYS)
@click.argument("source", metavar="ADDRESS")
@_moving
def pull(tell: Tell, cache_dir: str | None, *, source: str, **options: Any) -> int:
    """Fetch the results of a remote cache.

    They are checked, and those that are here already are left. A function with remote=ADDRESS fetches what it needs
    by itself; this is for working without a network. An address needs CACHEPY_SIGNING_KEY, or --trust.

    Exits with 0, or with 3 if something could not be fetched.
    """
    return _move(tell, source, _target(tell, cache_dir), **options)


@command("merge", "cachepy merge ../other/.cachepy\ncachepy merge s3://bucket/ci s3://bucket/team --trust", _KEYS)
@click.argument("source")
@click.argument("target", required=False)
@_moving
def merge(tell: Tell, cache_dir: str | None, *, source: str, target: str | None, **options: Any) -> int:
    """Add the results of another cache.

    They go to this cache, or to TARGET. Each of the two is a directory or an address. Of a call that both have, the
    runs of both are kept, the newest first. The other cache stays as it is.

    Exits with 0, or with 3 if something could not be moved.
    """
    return _move(tell, source, target or _target(tell, cache_dir), **options)


def _target(tell: Tell, cache_dir: str | None) -> str:
    """The cache directory, which may not be there yet if it is named."""
    if cache_dir is not None and not os.path.exists(cache_dir):
        return os.path.abspath(cache_dir)
    return place(cache_dir, tell.say)


def _move(
    tell: Tell, source: str, target: str, *, roots: tuple[str, ...], since: float | None, trust: bool, yes: bool,
    dry_run: bool,
) -> int:  # fmt: skip
    from cachepy.maintain.transfer import cache_merge

    try:
        with _session(source, target):
            merged = partial(
                cache_merge, source, target, calls=_calls(tell, source, roots), since=since, trust_remote=trust
            )
            plan = merged(dry_run=True)
            done = plan if plan.moved else plan.replace(dry_run=dry_run)
            if not dry_run and plan.moved and may(tell, f"{_question(plan)} in {target}?", yes):
                done = merged(progress=_progress(tell))
    except UsageError as error:
        raise WrongUse(f"{error}; here --trust says so" if "trust_remote" in str(error) else str(error)) from None
    _tell(tell, source, target, plan, done)
    return _troubled(done)


@contextmanager
def _session(source: str, target: str) -> Iterator[None]:
    ends = [each for each in (source, target) if "://" not in each]
    with session_at(os.path.abspath(ends[0]) if ends else os.getcwd(), writes=True):
        yield


def _calls(tell: Tell, source: str, roots: tuple[str, ...]) -> list[str]:
    """The ids of calls that are named as people do."""
    if not roots:
        return []
    if "://" not in source:
        with opened(source, tell.say) as cache:
            return [call for name in roots for call in cache.find(name)]
    from cachepy.calls.state import current_session
    from cachepy.graph.far_graph import merge_far

    session = current_session()
    try:
        merge_far(session.graph, source, session.store(os.getcwd()))
    except OSError as error:
        raise WrongUse(str(error)) from None
    cache = Opened(source, session)
    return [call for name in roots for call in cache.find(name)]


def _progress(tell: Tell) -> Callable[[int, int], None] | None:
    if tell.quiet or tell.as_json:
        return None
    return lambda done, of: tell.say(f"{done:,} of {humanize.count(of, 'result')}")


def _question(plan: Merged) -> str:
    return f"Store {humanize.count(plan.moved, 'result')} ({humanize.size(plan.size)})"


def _tell(tell: Tell, source: str, target: str, plan: Merged, done: Merged) -> None:
    if tell.as_json:
        shown = {name: getattr(done, name) for name in _KEYS.split()}
        tell.document(source=source, target=target, **shown | {"troubles": list(done.troubles)})
        return
    from cachepy.maintain.transfer import line_of, there_of

    tell.say(line_of(done, target) if plan.moved else f"nothing to store in {target}{there_of(done)}")


def _troubled(done: Merged) -> int:
    for trouble in done.troubles[:_SHOWN]:
        complain(f"cachepy: error: {trouble}")
    if len(done.troubles) > _SHOWN:
        complain(f"cachepy: error: and {len(done.troubles) - _SHOWN:,} more could not be moved")
    return ERROR if done.troubles else 0
