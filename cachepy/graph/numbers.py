"""Numbers of an argument that are results of other calls, though none by itself tells where it is from.

A run notes the digests of all numbers in a list, tuple, dict or array as one text among those of its arguments.  They
are results if a single function gave all of them, before.  Times would tell the order, but differ on a cluster, so they
do not count.
"""

from __future__ import annotations

from cachepy.graph.handed import handed_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


NUMBERS_OF = "[*]"  # behind the name of an argument
_BETWEEN, _OR = "\x1e", "|"


def joined(numbers: Iterable[tuple[Any, Iterable[str]]]) -> str:
    """The text for places and the digests that each number there may have."""
    return _BETWEEN.join(part for place, digests in numbers for part in (repr(place), _OR.join(sorted(digests))))


def numbers_of(args: Mapping[str, str]) -> list[dict[str, list[str]]]:
    """Of each argument with such numbers: name of a part -> the digests that it may have."""
    found = []
    for name, text in args.items():
        if name.endswith(NUMBERS_OF):
            parts, base = text.split(_BETWEEN), name.removesuffix(NUMBERS_OF)
            found.append({f"{base}[{p}]": d.split(_OR) for p, d in zip(parts[::2], parts[1::2], strict=False)})
    return found


def digests_of(args: Mapping[str, str], name: str) -> list[str]:
    """The digests that a part of an argument may have."""
    handed = [digest for part, _, digest in handed_in(args) if part == name]
    return handed or ([args[name]] if name in args else next(n[name] for n in numbers_of(args) if name in n))


def givers(numbers: dict[str, list[str]], earlier: Callable[[str], list[str]]) -> dict[str, str]:
    """Which call gave each of the numbers; none at all if it is not sure.

    earlier: the calls that gave a digest before.
    """
    found: dict[str, list[str]] = {}
    for name, digests in numbers.items():
        found[name] = sorted({call for digest in digests for call in earlier(digest)})
        if not found[name]:
            return {}
    functions = set.intersection(*({call.rpartition(":")[0] for call in calls} for calls in found.values()))
    if len(functions) != 1:
        return {}
    function = functions.pop()
    taken: set[str] = set()
    made: dict[str, str] = {}
    for name, calls in found.items():
        left = [call for call in calls if call.rpartition(":")[0] == function and call not in taken]
        if not left:
            return {}
        made[name] = left[0]
        taken.add(left[0])
    return made
