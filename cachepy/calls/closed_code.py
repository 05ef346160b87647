"""Code as it is now, with the functions closed that did not run when a call was stored: see `exact_code`.

Which ones these were, the record of that digest says.
"""

from __future__ import annotations

from cachepy.code.closable import closed_reach
from cachepy.code.closed import closed_in
from cachepy.code.fingerprint import Target
from cachepy.code.source import best_first

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cachepy.calls.state import State
    from cachepy.code.fingerprint import CodeFingerprint
    from cachepy.core.model import Dep

_BUT = " without "


def reaches_of(session: State, dep: Dep, things: Iterable[Any]) -> list[CodeFingerprint]:
    """What these reach now, with the functions closed that were so when a run had this dep."""
    closed = closed_when(session, dep)
    if not closed:
        return []
    return [closed_reach(session.reader, each, closed) for each in things if isinstance(each, Target)]


def with_closed(session: State, dep: Dep) -> str:
    """The name of code as it is asked for elsewhere, with the functions that are closed."""
    return f"{dep.name}{_BUT}{_BUT.join(sorted(closed_when(session, dep)))}"


def plain_name(name: str) -> str:
    """The name of code alone."""
    return name.partition(_BUT)[0]


def asked_for(session: State, name: str, things: Iterable[Any]) -> list[CodeFingerprint]:
    """What objects reach that stand under a name, or under such a one."""
    closed = frozenset(name.split(_BUT)[1:])
    if not closed:
        return [session.reader.reach(each) for each in things]
    return [closed_reach(session.reader, each, closed) for each in things if isinstance(each, Target)]


def closed_when(session: State, dep: Dep) -> frozenset[str]:
    """The functions that were closed, as the record of that code says; none if nobody has it any more."""
    datas = [data for store in session.stores for data in store.codes(dep.digest or "")]
    rows: list[Any] = next((rows for rows, _ in best_first(datas, dep.name.partition("@")[0])), [])
    return closed_in([piece for piece, _ in rows])
