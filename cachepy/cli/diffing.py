"""The command that tells why one run of a call gave another result than another one: diff."""

from __future__ import annotations

import click

from cachepy.cli import completing, words
from cachepy.cli.causes import sentence
from cachepy.cli.console import Tell, WrongUse
from cachepy.cli.exit_codes import STALE
from cachepy.cli.finding import place
from cachepy.cli.opening import opened
from cachepy.cli.options import command
from cachepy.errors import UsageValueError
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.staleness.diff import Difference


@command(
    "diff",
    "cachepy diff report\ncachepy diff load:59c1f00d --runs 3 1 --values\ncachepy diff report --other old/.cachepy",
    "first second equal causes values",
)
@click.argument("call", shell_complete=completing.calls)
@click.argument("other_call", metavar="[CALL]", required=False, shell_complete=completing.calls)
@click.option(
    "--runs", nargs=2, metavar="A B",
    help="Which runs: 1 is the newest, 2 the one before it; or the first digits of a run.  [default: 2 1]",
)  # fmt: skip
@click.option(
    "--other", metavar="DIR", shell_complete=completing.folders, help="Compare with the same call in this cache."
)
@click.option("--values", "with_values", is_flag=True, help="Load both values and say how they differ.")
def diff(
    tell: Tell, cache_dir: str | None, *, call: str, other_call: str | None, runs: tuple[str, str] | None,
    other: str | None, with_values: bool,
) -> int:  # fmt: skip
    """Say why two runs of a call gave different results.

    Compares the newest two stored runs of CALL, or two calls of one function. Shows the causes down the tree of calls,
    each once: files, code with its changed lines, versions, variables, arguments. Behind each stands the way from CALL
    to the call that has it.

    --values loads both values, which imports the modules that they need. Exits with 1 if the results differ.
    """
    from cachepy.staleness.diff import Comparison

    with opened(cache_dir, tell.say) as cache:
        one = cache.find_one(call)
        second = one if other_call is None else cache.find_one(other_call)
        place_of_other = None if other is None else place(other, tell.say)
        try:
            comparison = Comparison(cache.session, one, second, other_dir=place_of_other, near=sentence)
            found = _difference(comparison, runs, with_values=with_values)
        except UsageValueError as error:
            raise WrongUse(str(error)) from error
        if tell.as_json:
            tell.document(cache_dir=cache.root, **found.as_dict())
        elif not tell.is_silent:
            _tell_difference(tell, found)
    return 0 if found.is_equal else STALE


def _difference(comparison: Any, runs: tuple[str, str] | None, *, with_values: bool) -> Difference:
    from cachepy.cli.importing import importing

    chosen = runs and [int(each) if each.isdecimal() and len(each) < _DIGITS else each for each in runs]
    with importing(with_values):
        found: Difference = comparison.difference(chosen, values=with_values)
    return found


_DIGITS = 5  # a longer number is the start of a run


def _tell_difference(tell: Tell, found: Difference) -> None:
    tell.line(found.head, "head")
    runs: dict[str, Any] = {"first": found.first, "second": found.second}
    for which, run in runs.items():
        gone = "" if run["path"] else ", value no longer stored"
        text = f"{run['label']}, run {run['number']}, {words.moment(run['created'])}, {humanize.span(run['elapsed'])}"
        tell.parts((f"{which:<7} ", "faint"), (f"{text}, in {words.near(run['cache_dir'])}{gone}", ""))
    for cause in found.causes:
        more = f" and {cause.calls - 1:,} more" if cause.calls > 1 else ""
        tell.parts(("cause   ", "faint"), (cause.text, ""))
        tell.line(f"in {cause.way}{more}", "faint", 8)
        tell.diff(cause.diff, 12)
    for line in found.values:
        tell.parts(("value   ", "faint"), (line, ""))
