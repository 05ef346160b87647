"""The commands that ask what is stale, why, and what would run: status, explain, plan.

Nothing runs and nothing is changed.
"""

from __future__ import annotations

from collections import Counter

import click

from cachepy.cli import completing, words
from cachepy.cli.causes import causes, folded, sentence, telling
from cachepy.cli.console import Tell, complain
from cachepy.cli.exit_codes import ERROR, STALE
from cachepy.cli.opening import Opened, opened
from cachepy.cli.options import command, everything, history, limit, looks_at_code
from cachepy.core.kinds import ACCEPTANCE
from cachepy.core.marks import accepted_in, unseen_in
from cachepy.store.codec import has_any, signs_of
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from cachepy.core.reasons import Reason
    from cachepy.staleness.imported_code import Imported
    from cachepy.staleness.plan import Plan, PlannedCall
    from cachepy.staleness.survey import Finding, Survey
    from cachepy.store.codec import Row

_MOST_WHO = 3  # people, and days, that a sum names
NOT_FRESH = "stale", "missing", "unknown"
PAST = "history: its program no longer makes it"


def look(cache: Opened, tell: Tell, code: str, roots: Iterable[str] = (), *, history: bool = False) -> Survey:
    """What is not fresh; says which code could not be looked at.

    code: how it is looked at, see `looks_at_code`; roots: the calls that are asked for, if not all are: only what they
    need is imported.
    """
    from cachepy.staleness.survey import survey

    each = iter if tell.quiet else _watched
    import_code, shown = code == "import", history or bool(roots)  # who names a call is told about it
    calls = cache.below(roots) if import_code and roots else None
    found = survey(
        cache.session, import_code=import_code, calls=calls, each=each, look_at_code=code != "none", history=shown
    )
    say_left_out(tell, len(found.history))
    if found.world.imports is not None:
        _complain_of(cache, found.world.imports.found)
    if any("ModuleNotFoundError" in why for why in cache.unimported.values()):
        tell.say(
            "run this in the folder where your program runs; if a module no longer exists, ask only about the rest: "
            "status --root NAME, plan NAME"
        )
    if code == "none":
        tell.say("code was not checked (--no-code), and counts as unchanged")
    elif code == "source" and found.unseen:
        tell.say("source files do not tell all: --import looks at the rest, by importing modules in another process")
    return found


def say_left_out(tell: Tell, number: int) -> None:
    """Say how many calls are history."""
    if number == 1:
        tell.say("1 call that its program no longer makes is left out; --history shows it")
    elif number:
        tell.say(f"{number:,} calls that their programs no longer make are left out; --history shows them")


def _complain_of(cache: Opened, imported: Imported) -> None:
    """Of modules that could not be imported, with the last lines that they printed."""
    cache.unimported = dict(sorted(imported.failed.items()))
    for name, why in cache.unimported.items():
        complain(f"cachepy: error: code of {name} could not be checked: {why}")
        for line in imported.printed.get(name, ()):
            complain(f"  | {words.clean(line)}")


def seen(cache: Opened, survey: Survey) -> dict[str, Any]:
    """For JSON: the modules whose code was not looked at, and those of them that could not be imported."""
    return {"unseen": list(survey.unseen), "unimported": cache.unimported}


def code_of(cache: Opened, states: Iterable[str] = (), is_stale: bool = False) -> int:
    """The exit code: what could not be looked at must not pass for fresh."""
    found = set(states) - {"fresh", "hit"}
    if is_stale or found - {"unknown"}:
        return STALE
    return ERROR if cache.unimported or found else 0


def _watched(calls: list[str]) -> Iterable[str]:
    from cachepy.core.progress import watched

    return watched("looking at calls")(calls)


def _plain(cache: Opened, tell: Tell, asked: Iterable[str]) -> int:
    """How many of the calls take what may be a result, and nobody can know; says so."""
    from cachepy.staleness.unplaced import takers_of_plain

    if tell.is_silent:
        return 0
    number = len(takers_of_plain(cache.session).intersection(asked))
    if number == 1:
        tell.say("1 call takes a value that may be the result of another call; cachepy cannot tell")
    elif number:
        tell.say(f"{number:,} calls take values that may be results of other calls; cachepy cannot tell")
    return number


def _as_dict(cache: Opened, call: str, state: str, reasons: Iterable[Reason]) -> dict[str, Any]:
    return {"id": call, "label": cache.label(call), "state": state, "reasons": [r.as_dict() for r in reasons]}


# ---------------------------------------------------------------- status


@command(
    "status",
    "cachepy status\ncachepy status -q --root report || sbatch job.sh",
    "state counts causes calls history unended unknown plain sources accepted unseen unimported",
)
@click.option(
    "--root", "roots", metavar="CALL", multiple=True, shell_complete=completing.calls,
    help="Only this call or function, and what it needs.",
)  # fmt: skip
@click.option("--remote", metavar="ADDRESS", help=(
    "Results that are stored there count too, as for a program with remote=ADDRESS (or CACHEPY_REMOTE)."
))  # fmt: skip
@click.option("--unseen", "lists_unseen", is_flag=True, help="List what calls depend on and cannot be compared.")
@limit
@everything
@history
@looks_at_code
def status(
    tell: Tell, cache_dir: str | None, *, roots: tuple[str, ...], remote: str | None, lists_unseen: bool, limit: int,
    show_all: bool, code: str, history: bool,
) -> int:  # fmt: skip
    """Say what is stale or missing, and why.

    Stale: something that the call depended on has changed (a file, code, a variable, a package, a call below).
    Missing: the stored value is not on disk. Unknown: something that the call depended on could not be checked.

    First come the causes, with the number of calls that each makes stale, then the calls. Code is checked by its
    source files and is not imported; with --import, modules are imported whose source files do not tell enough. Calls
    that a program made before, and not in its last whole run, are left out without --history.

    Exits with 0 only if all calls are fresh. 1: a call is stale or missing, or a topmost call began and left no result,
    or nothing is recorded yet. 2: there is no cache, so a job script that asks first submits its first job too. 3: no
    call is stale or missing, but one is unknown.

    Status knows only calls that were made before. A program with new arguments has nothing stale: start it, or ask
    f.is_cached(...).
    """
    from cachepy.staleness.plan import current_of

    with opened(cache_dir, tell.say) as cache:
        _reach(cache, remote)
        meant = {name: cache.meant(name) for name in roots}
        unknown = [name for name, calls in meant.items() if not calls]
        tops = [call for calls in meant.values() for call in calls]
        survey = look(cache, tell, code, tops, history=history)
        broken = _unended(cache, survey, roots)
        tops = tops if history else current_of(tops, survey.past)
        asked = cache.below(tops) if roots else cache.session.graph.rows().keys()
        past = set() if tops and survey.past.issuperset(tops) else survey.past.intersection(asked)
        asked = asked if history else asked - past
        found = {i: f for i, f in survey.found.items() if i in asked}
        plain = _plain(cache, tell, asked)
        accepted = {} if tell.is_silent and not tell.as_json else _accepted(cache, asked, found)
        sources = _sources(cache, asked) if lists_unseen or tell.as_json else {}
        if tell.as_json:
            fields = _status_fields(cache, len(asked), found, is_open=bool(broken or unknown))
            more = {"unended": broken, "unknown": unknown, "plain": plain, "sources": sources, "accepted": accepted}
            tell.document(**fields, history=sorted(past), **more, **seen(cache, survey))
        elif not tell.is_silent:
            _tell_open(tell, cache, broken, unknown)
            if asked or not (broken or unknown):
                _tell_status(tell, cache, len(asked), found, None if show_all else limit, accepted)
            if lists_unseen:
                _tell_sources(tell, cache, sources, None if show_all else limit)
    is_open = bool(broken or unknown) or not cache.session.graph
    return code_of(cache, (f.state for f in found.values()), is_open)


def _reach(cache: Opened, remote: str | None) -> None:
    """Results at an address count as stored."""
    if remote is not None:
        from cachepy.store.remote import UPLOADS, check_trusted, urls_of

        urls = urls_of("--remote", remote)
        check_trusted(urls)
        cache.session.reach(cache.root, urls, trusts=True, upload=UPLOADS[0])


def _sources(cache: Opened, asked: Iterable[str]) -> dict[str, list[str]]:
    """What calls depend on and nobody can compare: hosts, the clock."""
    found = {call: list(unseen_in(cache.events[call].trace)) for call in asked}
    return {call: names for call, names in found.items() if names}


def _tell_sources(tell: Tell, cache: Opened, sources: dict[str, list[str]], most: int | None) -> None:
    order = sorted(sources, key=lambda i: (sources[i], cache.label(i)))
    names = tell.names(order[:most], cache.ids)
    rows = [(names[i], cache.label(i), ", ".join(sources[i])) for i in order[:most]]
    if rows:
        tell.table(("id", "call", "depends on"), rows, fixed="id", same="depends on")
        _say_more(tell, len(order), most, "call")
    else:
        tell.line("no call depends on what cannot be compared")


def _unended(cache: Opened, survey: Survey, roots: Sequence[str]) -> dict[str, float]:
    """The calls that began and did not end; of some functions only, if they are named."""
    from cachepy.staleness.interrupted import unended

    names = {name.partition(":")[0].partition("(")[0] for name in roots}
    found = unended(cache.root, survey.world.listing(cache.root))
    return {call: when for call, when in found.items() if not roots or call.rpartition(":")[0] in names}


def _tell_open(tell: Tell, cache: Opened, broken: Mapping[str, float], unknown: Sequence[str]) -> None:
    for call, when in broken.items():
        text = f"{call}  began and left no result, last seen {words.moment(when)}"
        tell.parts(("unended", "stale"), ("  ", ""), (text, ""))
    for name in unknown:
        tell.line(f"no call {words.clean(name)!r} is recorded yet{cache.near(name)}", "head")


def _counts(number: int, found: Mapping[str, Finding]) -> dict[str, int]:
    states = [f.state for f in found.values()]
    return {"calls": number, "fresh": number - len(states)} | {s: states.count(s) for s in NOT_FRESH}


def _status_fields(cache: Opened, number: int, found: dict[str, Finding], *, is_open: bool) -> dict[str, Any]:
    states = {f.state for f in found.values()}
    state = "unknown" if states or cache.unimported else "fresh" if cache.events else "empty"
    return {
        "cache_dir": cache.root,
        "state": "stale" if states - {"unknown"} else "unended" if is_open else state,
        "counts": _counts(number, found),
        "causes": [c.as_dict() for c in causes({i: f.reasons for i, f in found.items()})],
        "calls": [_as_dict(cache, i, f.state, f.reasons) for i, f in found.items()],
    }


def _accepted(cache: Opened, asked: Iterable[str], found: Mapping[str, Finding]) -> dict[str, str]:
    """Who says that calls are fresh, of those that are so because somebody does."""
    rows, signs = cache.session.graph.rows(), signs_of(ACCEPTANCE)
    near = (call for call in asked if call not in found and _may_have(rows[call], signs))  # few of very many
    told = {call: accepted_in(cache.events[call].trace) for call in near}
    return {call: who for call, who in told.items() if who}


def _may_have(row: Row, signs: tuple[bytes, ...]) -> bool:
    return not isinstance(row, bytes) or has_any(row, signs)


def _of_these(accepted: Mapping[str, str]) -> str:
    """How many are fresh because somebody says so, and who that is."""
    who = Counter(each.partition(", from")[0] for each in accepted.values()).most_common()
    texts = [f"{number:,} accepted {name}" for name, number in who[:_MOST_WHO]]
    left = sum(number for _, number in who[_MOST_WHO:])
    texts += [f"{left:,} by others"] if left else []
    return f" ({', '.join(texts)})" if texts else ""


def _tell_status(
    tell: Tell, cache: Opened, number: int, found: dict[str, Finding], most: int | None, accepted: Mapping[str, str]
) -> None:  # fmt: skip
    if not number:
        tell.line(f"no calls recorded in {words.near(cache.root)}")
        return
    if not found:
        text = f"all {humanize.count(number, 'call')} are fresh" if number > 1 else "the only call is fresh"
        tell.line(f"{text}{_of_these(accepted)}", "fresh")
        return
    counts = _counts(number, found)
    states = ", ".join(f"{counts[s]:,} {s}" for s in (*NOT_FRESH, "fresh") if counts[s])
    tell.line(f"{humanize.count(number, 'call')}: {states}{_of_these(accepted)}", "head")
    grouped = folded(causes({i: f.reasons for i, f in found.items()}), most)
    for cause in grouped[:most]:
        in_all = humanize.count(len(cause.direct) + len(cause.above), "call")
        tell.fitted(("cause  ", ""), cause.text, f": {cause.reach}", f": {in_all}")
    _say_more(tell, len(grouped), most, "cause")
    _tell_calls(tell, cache, found, most)


def _tell_calls(tell: Tell, cache: Opened, found: dict[str, Finding], most: int | None) -> None:
    """The calls with causes of their own first, those of one cause together."""
    order = sorted(found, key=lambda i: (is_reached(found[i].reasons), cache.events[i].created, i))
    whys = {i: (short_reason if tell.is_terminal else first_reason)(found[i].reasons) for i in order}
    place = {why: at for at, why in enumerate(dict.fromkeys(whys.values()))}
    shown = sorted(order, key=lambda i: place[whys[i]])[:most]
    names = tell.names(shown, cache.ids)
    rows = [(found[i].state, names[i], cache.label(i), whys[i]) for i in shown]
    if tell.table(("state", "id", "call", "cause"), rows, fixed="state id", same="cause"):
        say_more_of(tell, names[shown[0]])
    _say_more(tell, len(order), most, "call")


def say_more_of(tell: Tell, name: str) -> None:
    """Where to read what a table has cut."""
    tell.say(f"`cachepy explain {name}` shows a whole line")


def is_reached(reasons: Sequence[Reason]) -> bool:
    """Whether the first cause lies in another call."""
    return bool(reasons and reasons[0].link)


def first_reason(reasons: Iterable[Reason]) -> str:
    """The root cause as a sentence; empty if none is known."""
    return next(map(sentence, reasons), "")


def short_reason(reasons: Iterable[Reason]) -> str:
    """The same for a table: of a call below, or of an input, only the cause, which many calls share."""
    first = next(iter(reasons), None)
    if first is None or not first.link:
        return "" if first is None else sentence(first)
    return f"{first.link}: {sentence(first.replace(call='', link=''))}"


def _say_more(tell: Tell, number: int, most: int | None, noun: str) -> None:
    if most is not None and number > most:
        tell.say(f"and {humanize.count(number - most, f'more {noun}')}: --all lists them, --limit N lists N")


# ---------------------------------------------------------------- explain


@command(
    "explain",
    "cachepy explain report\ncachepy explain load:59c1f00d",
    "calls history unseen unimported",
)
@click.argument("call", shell_complete=completing.calls)
@limit
@everything
@looks_at_code
def explain(tell: Tell, cache_dir: str | None, *, call: str, limit: int, show_all: bool, code: str) -> int:
    """Say why a call would run, or not.

    Shows whether CALL is fresh, stale, missing or unknown, with every reason. CALL is an id, its first digits (at least
    4), or the name of a function: then all its calls are shown. Of changed code you see the file, the line and, if it
    is known, what changed. Exits with 1 if one of the calls would run, with 3 if one is unknown.
    """
    from cachepy.staleness.plan import current_of

    with opened(cache_dir, tell.say) as cache:
        calls = cache.find(call)
        survey = look(cache, tell, code, calls)
        known = {i: survey.found.get(i) for i in calls}
        states = {i: (f.state, f.reasons) if f is not None else ("fresh", ()) for i, f in known.items()}
        if tell.as_json:
            body = [_as_dict(cache, i, *states[i]) for i in calls]
            past = sorted(survey.past.intersection(calls))
            tell.document(cache_dir=cache.root, calls=body, history=past, **seen(cache, survey))
        elif not tell.is_silent:
            most = None if show_all else limit
            for each in sorted(calls, key=lambda i: (states[i][0] == "fresh", cache.label(i)))[:most]:
                _tell_reasons(tell, cache, each, *states[each], is_past=each in survey.past)
            _say_more(tell, len(calls), most, "call")
    return code_of(cache, (states[i][0] for i in current_of(calls, survey.past)))


def _tell_reasons(
    tell: Tell, cache: Opened, call: str, state: str, reasons: Iterable[Reason], *, is_past: bool
) -> None:  # fmt: skip
    name = tell.names([call], cache.ids)[call]
    tell.parts((f"{tell.mark(state)} {state}  ", state), (cache.label(call), "head"), (f"  {name}", "faint"))
    if is_past:
        tell.line(PAST, indent=4)
    who = accepted_in(cache.events[call].trace)
    if who and state == "fresh":
        tell.line(f"accepted {who}", indent=4)
    for reason in telling(reasons):
        tell.line(sentence(reason), indent=4)
        tell.diff(reason.diff, 8)


# ---------------------------------------------------------------- plan


@command(
    "plan",
    "cachepy plan\ncachepy plan report --json",
    "calls counts certain possible seconds saved text history plain unseen unimported",
)
@click.argument("roots", nargs=-1, metavar="[CALL]...", shell_complete=completing.calls)
@limit
@click.option("--all", "show_all", is_flag=True, help="List all of them, and also the calls that would be hits.")
@history
@looks_at_code
def plan(
    tell: Tell, cache_dir: str | None, *, roots: tuple[str, ...], limit: int, show_all: bool, code: str, history: bool
) -> int:
    """List what would run, in order.

    Shows what would run if you started the program again, and how long each call took last time. With CALLs (ids, their
    first digits, functions) only these and what they need.

    The last line says how many calls run for certain, and how many at most. Whether the others run depends on results
    that may change, or on what a changed call above them does. Exits with 1 if anything may run, with 3 if that is only
    because something could not be checked.
    """
    from cachepy.staleness.plan import current_of, plan_of

    with opened(cache_dir, tell.say) as cache:
        tops = [i for name in roots for i in cache.find(name)]
        survey = look(cache, tell, code, tops, history=history)
        tops = tops if history else current_of(tops, survey.past)
        made = plan_of(survey, tops if roots else None, history=True)
        plain = _plain(cache, tell, [c.id for c in made.calls])
        if tell.as_json:
            more = {"history": sorted(survey.past), "plain": plain, "unimported": cache.unimported}
            tell.document(cache_dir=cache.root, **made.as_dict(), **more)
        elif not tell.is_silent:
            most = None if show_all else limit
            tell_plan(tell, cache, made, [c for c in made.calls if show_all or c.state != "hit"], most)
    return code_of(cache, (c.state for c in made.calls))


def tell_plan(tell: Tell, cache: Opened, made: Plan, calls: list[PlannedCall], most: int | None) -> None:
    """Some calls of a plan, and the sum of all."""
    names = tell.names([c.id for c in calls[:most]], cache.ids)
    why = short_reason if tell.is_terminal else first_reason
    rows = [(c.state, humanize.span(c.own), names[c.id], c.label, why(c.reasons) or c.doubt) for c in calls[:most]]
    if tell.table(
        ("state", "time", "id", "call", "cause"), rows, right="time", fixed="state id", spare="time", same="cause"
    ):
        say_more_of(tell, names[calls[0].id])
    _say_more(tell, len(calls), most, "call")
    tell.line(str(made), "head")

