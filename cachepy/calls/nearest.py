"""What is stored of a function, seen from a call that is not: the nearest one and what differs, what is never the same.

Asked only where somebody asks why, or where an argument looks made anew.
"""

from __future__ import annotations

import os
import time

from cachepy.calls.flows import flowing
from cachepy.calls.state import MODE, REFRESH
from cachepy.core.kinds import CODES, KINDS
from cachepy.core.model import RENEWED, Dep
from cachepy.core.reasons import Reason
from cachepy.errors import EntryError, NeverReusedWarning
from cachepy.graph.handed import HANDED
from cachepy.graph.never_reused import ENOUGH, arguments_of, is_evident, likeness, marks_of, programs_of
from cachepy.graph.numbers import NUMBERS_OF
from cachepy.store.layout import ENTRY, call_named
from cachepy.values.digest import digest_bytes
from cachepy.values.hidden import HIDDEN
from cachepy.values.label import label_for
from cachepy.values.volatile import fresh_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachepy.calls.request import Request
    from cachepy.core.call import Flags
    from cachepy.core.model import Event
    from cachepy.core.world import World

_LISTED = 50_000  # names of entries that are looked at
_READ = 200  # entries of one function that are read
_TOLD = 3  # arguments that differ

_IMPORTED = time.time()


def differences(request: Request) -> tuple[Reason, ...]:
    """What tells a call that is not stored from the nearest that is."""
    labels = {name: label_for(name, value) for name, value in request.function.binder.named(request.values)}
    args = _digests(request)
    nearest = min(_stored(request), key=lambda e: len(_differing(e, labels, args)), default=None)
    if nearest is None:
        return ()
    names = _differing(nearest, labels, args)[:_TOLD]
    return tuple(Reason("argument", n, nearest.label.get(n), labels.get(n), call=nearest.title) for n in names)


def _differing(event: Event, labels: dict[str, str], args: dict[str, str]) -> list[str]:
    names = dict.fromkeys((*labels, *event.label))
    more = NUMBERS_OF, HANDED  # these say nothing that the others do not
    stored = {item for item in event.args.items() if not item[0].endswith(more)}
    others = arguments_of(part for part, _ in args.items() ^ stored)
    found = [n for n in names if labels.get(n) != event.label.get(n) or arguments_of([n]) <= others]
    return found or [n for n in names if labels.get(n) == HIDDEN]  # of short texts nothing but the label is known


def _digests(request: Request) -> dict[str, str]:
    digest = request.digester.digest
    named = request.function.binder.named(request.values)
    return {part: digest(item, request.found) for name, value in named for part, item in flowing(name, value)}


def _stored(request: Request) -> Iterator[Event]:
    """The latest calls of a function that are stored, as far as can be seen in short time."""
    target, paths = request.function.target, list(_paths(request))
    for path in sorted(paths, key=_changed, reverse=True)[:_READ]:
        try:
            stored = request.store.look(call_named(path.removesuffix(ENTRY)), path)
        except (EntryError, OSError):
            continue
        event = stored.events[0] if stored is not None else None
        if event is not None and (event.module, event.qualname) == (target.module, target.qualname):
            yield event


def _paths(request: Request) -> Iterator[str]:
    left, start = _LISTED, f"{request.function.safe_name}-"
    try:
        folders = os.listdir(request.store.entries)
        for folder in folders:
            names = os.listdir(os.path.join(request.store.entries, folder))
            left -= len(names)
            for name in names:
                if name.startswith(start) and name.endswith(ENTRY):
                    yield os.path.join(request.store.entries, folder, name)
            if left < 0:
                return
    except OSError:  # it is gone meanwhile
        return


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def marks(request: Request) -> list[Dep]:
    """What of the arguments of a run looks made anew, when this process began, and a digest of how it looks."""
    parts = [fresh_in(name, value) for name, value in request.function.binder.named(request.values)]
    return [Dep(RENEWED, part, f"{_began(request):.2f} {_short(text)}") for part, text in parts if part]


def _short(text: str) -> str:
    return digest_bytes(text.encode("utf-8", "surrogatepass"))[:8] if text else ""


def _began(request: Request) -> float:
    """When this process began, in seconds since the epoch."""
    try:
        ticks = int(request.session.claims.owner().start or "")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (AttributeError, OSError, ValueError):
        return _IMPORTED
    return min(_IMPORTED, time.time() - age) if age > 0 else _IMPORTED


def warn_renewed(request: Request, event: Event) -> None:
    """Say it once if earlier programs made the same call, each with another key; the first question in a process."""
    if not request.session.is_first(NeverReusedWarning, request.function.target.identity, "looked"):
        return
    without = arguments_of(marks_of(event))
    like = likeness(event, without)
    group = [e for e in _stored(request) if e.id != event.id and marks_of(e) and likeness(e, without) == like]
    programs = programs_of([*group, event])
    if len(programs) <= ENOUGH or not is_evident(programs):
        return
    parts = ", ".join(marks_of(event))
    request.session.warn(
        NeverReusedWarning,
        f"{event.title} was called in {len(programs)} programs, and {parts} had a different value in each, so no "
        f"result is ever reused. If it does not matter, leave it out with "
        f"ignore_args=[{', '.join(map(repr, sorted(without)))}], or with __cachepy_digest__ of its class. "
        f"Otherwise pass the same value each time",
        request.function.target.identity,
    )


def cause(request: Request, flags: Flags) -> str:
    """Why a call runs. Where nobody has asked yet, no calls below are looked at once more for it."""
    function, session = request.function, request.session
    is_told = bool(function.options.verbose or function.told is not None or session.listeners)
    if session.mode_here() == REFRESH:
        return f"{MODE}={REFRESH}"
    if not flags.may_hit:
        return "_force=True" if flags.force else "_load=False" if not flags.load else "_skip_save=True"
    stored = request.look() if is_told else request.stored
    if stored is None:
        return f"not run before{_told_once(request) if function.options.verbose else ''}"
    verifier = request.verifier()
    if is_told:
        return "; ".join(map(str, verifier.why_not(stored.events))) or "its value could not be loaded"
    trace = verifier.world.last_valid(stored.events).trace
    return "; ".join(_briefly(dep, verifier.world) for dep in verifier.own_broken(trace)) or "a call below it changed"


def _briefly(dep: Dep, world: World) -> str:
    """Why a dep does not hold; what of code changed is not looked up, since that lists all code that is kept."""
    if dep.kind in CODES:
        return f"code of {dep.name.partition('@')[0]}, or a global that it reads, changed"
    return "; ".join(map(str, KINDS[dep.kind].why(dep, world)))


def _told_once(request: Request) -> str:
    """What differs from the nearest call that is stored; not told of each of many."""
    if not request.session.is_first("nearest", request.function.target.identity):
        return ""
    return "".join(f"; {reason}" for reason in differences(request))
