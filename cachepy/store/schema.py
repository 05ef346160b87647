"""What a record that was read from a file has to be, before anybody relies on its parts."""

from __future__ import annotations

from itertools import product

from cachepy.core.kinds import CALLS, RECORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FAR = 1e15  # s; farther away are nan, the infinities, and what no clock can show
AWAY = frozenset("/\\\0")  # in the name of a file: of another folder, or of none
HEX = "0123456789abcdef"

_TEXT_OR_NONE, _NUMBER = (str, type(None)), (int, float)
_TRACE = tuple, tuple, str
_DEPS = frozenset(product((str,), (str,), _TEXT_OR_NONE))
_EVENTS = frozenset(
    product(*[(str,)] * 6, (tuple,), (dict,), (dict,), (str,), _TEXT_OR_NONE, (str,), *[_NUMBER] * 3, (str,))
)


def is_key(text: str) -> bool:
    """Whether this is a digest, as keys are and the names of entries end with."""
    return len(text) == 32 and not text.strip(HEX)


def is_dep(record: Any) -> bool:
    """Whether a record has the parts of a dep; what names a file of ours cannot lead out of the cache directory.

    >>> is_dep(("file", "x", None)), is_dep(("file", "x")), is_dep(("call", "f:../x", "1"))
    (True, False, False)
    """
    if type(record) is not tuple or tuple(map(type, record)) not in _DEPS:
        return False
    kind, name, digest = record
    if kind in CALLS:
        return is_key(name.rpartition(":")[2])
    return kind not in RECORDS or digest is None or digest.isalnum()


def is_event(record: Any) -> bool:
    """Whether a record has the parts of an event; any other could break a query of the graph later."""
    if type(record) is not tuple or tuple(map(type, record)) not in _EVENTS:
        return False
    trace, args, label = record[6:9]
    if tuple(map(type, trace)) != _TRACE or not all(map(is_dep, trace[0] + trace[1])):
        return False
    if not all(type(text) is str for part in (args, label) for item in part.items() for text in item):
        return False
    return _is_placed(record) and all(-FAR < number < FAR for number in record[12:15])


def _is_placed(event: tuple[Any, ...]) -> bool:
    """Whether the id is made of name and key, and the entry is where the key says."""
    call, fname, key, outfile = event[0], event[1], event[4], event[10]
    if call != f"{fname}:{key}" or not is_key(key):
        return False
    if outfile is None:
        return True
    start, end = f"entries/{key[:2]}/", f"-{key}.entry"
    return outfile.startswith(start) and outfile.endswith(end) and not AWAY.intersection(outfile[len(start) :])
