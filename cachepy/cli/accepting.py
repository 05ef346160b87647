"""The command that accepts a change: shows what differs first, asks, and keeps the stored results. Nothing runs."""

from __future__ import annotations

import os

import click

from cachepy.cli import completing
from cachepy.cli.ask import look
from cachepy.cli.causes import causes, sentence
from cachepy.cli.consent import dry_run_option, is_shown, may, yes_option
from cachepy.cli.console import Tell, WrongUse, complain
from cachepy.cli.exit_codes import STALE
from cachepy.cli.importing import importing
from cachepy.cli.opening import Opened, opened
from cachepy.cli.options import command, everything, history, limit
from cachepy.errors import UsageValueError
from cachepy.staleness.api import hidden_now
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cachepy.calls.acceptance import Accepted
    from cachepy.calls.renames import Renames
    from cachepy.staleness.accept import Accepting
    from cachepy.staleness.survey import Survey


@command(
    "accept",
    "cachepy accept\ncachepy accept report --yes\ncachepy accept --package pandas\ncachepy accept --undo report",
    "planned accepted left renamed undo dry_run unimported",
)
@click.argument("roots", nargs=-1, metavar="[CALL]...", shell_complete=completing.calls)
@click.option("--files", is_flag=True, help="Also accept results whose files changed.")
@click.option("--package", metavar="NAME", help=(
    "Only accept another version of this package, of calls that are stale by nothing else; python: of Python."
))  # fmt: skip
@click.option("--renamed", nargs=2, multiple=True, metavar="OLD NEW", help=(
    "A function, class or module has another name: keep its results. Names as module:function, or module."
))  # fmt: skip
@click.option("--parameter", multiple=True, metavar="F.OLD=F.NEW", help=(
    "A parameter has another name; F.NEW alone: it is new, and its default means what was done before."
))  # fmt: skip
@click.option("--undo", is_flag=True, help="Take back what was accepted: the calls are stale again.")
@limit
@everything
@yes_option
@dry_run_option
@history
def accept(
    tell: Tell, cache_dir: str | None, *, roots: tuple[str, ...], files: bool, package: str | None,
    renamed: tuple[tuple[str, str], ...], parameter: tuple[str, ...], undo: bool, limit: int, show_all: bool, yes: bool,
    dry_run: bool, history: bool,
) -> int:  # fmt: skip
    """Say that a change does not matter: keep the stored results.

    Shows what changed, and asks; without a terminal, add --yes. Then the calls are fresh, and nothing has run. With
    CALLs (ids, their first digits, functions) only these and what they need, else all that are stale. Results whose
    files changed are left alone without --files.

    Who accepted a result, and when, stands in the graph and in `show`. A further change counts as ever. The modules of
    the functions are imported, in the folder where they ran; cached calls do not run.

    Exits with 0, or with 1 if calls were left that cannot be accepted.
    """
    if undo and (files or package):
        raise WrongUse("--undo takes back all that was accepted: leave out --files and --package")
    if (renamed or parameter) and (undo or package):
        raise WrongUse("--renamed and --parameter go with neither --undo nor --package")
    before = os.getcwd()
    try:
        with opened(cache_dir, tell.say, writes=not dry_run) as cache:
            if cache.session.is_quiet:
                raise WrongUse(f"CACHEPY={cache.session.mode} lets nothing be written, so nothing can be accepted")
            tops = [call for name in roots for call in cache.find(name)]
            job = _Job(tell, cache, None if show_all else limit, yes=yes, dry_run=dry_run)
            if undo:
                return job.take_back(tops, history=history)
            renames = _renames(renamed, parameter) if renamed or parameter else None
            return job.accept(tops, history=history, files=files, package=package or "", renames=renames)
    finally:
        os.chdir(before)


def _renames(renamed: Iterable[tuple[str, str]], parameter: Iterable[str]) -> Renames:
    from cachepy.calls.renames import Renames

    try:
        return Renames(dict(renamed), parameter)
    except UsageValueError as error:
        raise WrongUse(str(error)) from None


class _Job:
    """One use of the command: plan, show, ask, do, tell."""

    def __init__(self, tell: Tell, cache: Opened, most: int | None, *, yes: bool, dry_run: bool) -> None:
        self.tell = tell
        self.cache = cache
        self.most = most
        self.yes = yes
        self.dry_run = dry_run
        self.unimported: dict[str, str] = {}
        self.before: dict[str, str] = {}  # calls of functions that have another name now, as they were

    def accept(
        self, tops: list[str], *, history: bool, files: bool, package: str, renames: Renames | None
    ) -> int:  # fmt: skip
        from cachepy.staleness.accept import needed
        from cachepy.staleness.plan import current_of

        seen = look(self.cache, self.tell, "source", tops, history=history)
        tops = tops if history else current_of(tops, seen.past)
        asked = needed(self.cache.session, tops) if tops else None
        self._go_where_they_ran(seen.found if asked is None else asked)
        with importing():
            accepting = self._planned(seen, asked, files=files, package=package, renames=renames)
        for module, why in accepting.failed.items():
            complain(f"cachepy: error: code of {module} could not be imported: {why}")
        self.unimported = accepting.failed
        plan = accepting.plan.planned()
        self.before = plan.renamed
        if self._is_shown:
            self._tell_changes(plan)
            self._tell_left(plan.left)
        done = None
        if plan.accepted and not self.dry_run:
            if not may(self.tell, f"Accept {_calls(plan.accepted)}, with their results as they are?", self.yes):
                return STALE
            done = accepting.store()
        return self._tell_done(plan, done, "accepted", undo=False)

    def _planned(self, seen: Survey, asked: list[str] | None, **how: Any) -> Accepting:
        from cachepy.staleness.accept import Accepting

        try:
            return Accepting(self.cache.session, seen, asked, **how)
        except UsageValueError as error:
            raise WrongUse(str(error)) from None

    def _label(self, call: str) -> str:
        """The call; of a function that has another name now, with that."""
        if call not in self.before:
            return self.cache.label(call)
        return f"{self.cache.label(self.before[call])} -> {call.rpartition(':')[0]}"

    def take_back(self, tops: list[str], *, history: bool) -> int:
        from cachepy.staleness.accept import accepted_in, needed, taken_back

        session = self.cache.session
        past = hidden_now(history=history)
        asked = needed(session, tops) if tops else [call for call in self.cache.ids if call not in past]
        calls = accepted_in(session, asked)
        plan = taken_back(session, calls, dry_run=True)
        if self._is_shown:
            self._tell_calls(plan.accepted)
        done = None
        if plan.accepted and not self.dry_run:
            if not may(self.tell, f"Take back {_calls(plan.accepted)}?", self.yes):
                return STALE
            done = taken_back(session, calls, dry_run=False)
        return self._tell_done(plan, done, "taken back", undo=True)

    @property
    def _is_shown(self) -> bool:
        return is_shown(self.tell, yes=self.yes, dry_run=self.dry_run)

    def _go_where_they_ran(self, calls: Iterable[str]) -> None:
        from cachepy.cli.refreshing import folder_of

        os.chdir(folder_of(self.cache, list(calls), os.getcwd()))

    # -- telling

    def _tell_changes(self, plan: Accepted) -> None:
        """Each change once, with its lines, and the calls whose results stay."""
        for cause in causes(plan.accepted)[: self.most]:
            self.tell.fitted(("changed  ", ""), cause.text, f": {cause.reach}", "")
            diffs = (r.diff for each in plan.accepted.values() for r in each if sentence(r) == cause.text)
            self.tell.diff(next(filter(None, diffs), ""), 8)
        self._tell_calls(plan.accepted)

    def _tell_calls(self, calls: Iterable[str]) -> None:
        order = sorted(calls, key=self._label)
        names = self.tell.names(order[: self.most], self.cache.ids)
        self.tell.table(("id", "call"), [(names[i], self._label(i)) for i in order[: self.most]], fixed="id")
        if self.most is not None and len(order) > self.most:
            self.tell.say(f"and {humanize.count(len(order) - self.most, 'more call')}: --all lists them")

    def _tell_left(self, left: dict[str, str]) -> None:
        order = sorted(left, key=self._label)[: self.most]
        names = self.tell.names(order, self.cache.ids)
        rows = [("left", names[i], self._label(i), left[i]) for i in order]
        self.tell.table(("", "id", "call", "why"), rows, fixed="id", same="why")
        if self.most is not None and len(left) > self.most:
            self.tell.say(f"and {humanize.count(len(left) - self.most, 'more call')} left: --all lists them")

    def _tell_done(self, plan: Accepted, done: Accepted | None, word: str, *, undo: bool) -> int:
        result = done or plan
        if self.tell.as_json:
            accepted = list(done.accepted) if done else []
            more: dict[str, Any] = {"undo": undo, "dry_run": self.dry_run, "unimported": self.unimported}
            planned = {call: [r.as_dict() for r in reasons] for call, reasons in plan.accepted.items()}
            self.tell.document(
                cache_dir=self.cache.root, planned=planned, accepted=accepted, left=result.left, renamed=result.renamed,
                **more,
            )
        elif not self.tell.is_silent:
            if done is not None:
                self._tell_left({call: why for call, why in done.left.items() if call not in plan.left})
            would = "would be " if self.dry_run else ""
            text = f"{_calls(result.accepted)} {would}{word}" if result.accepted else "nothing to accept"
            text = "nothing was accepted" if undo and not result.accepted else text
            left = f"; {_calls(result.left)} left" if result.left else ""
            self.tell.line(f"{text}{left}", "head" if result.left else "fresh")
        return STALE if result.left and not self.dry_run else 0


def _calls(calls: Any) -> str:
    return humanize.count(len(calls), "call")
