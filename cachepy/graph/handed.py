"""Results that tasks of a cluster handed on: whoever runs the tasks knows whose they are, so numbers have edges too.

A run notes for each such part of its arguments which call gave it, and the digest of that result, as one text for each
argument.  Where tasks without a cached call lie between, the result is no argument: it has a name of its own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Part = tuple[str, str, str]  # place in the argument ("": the whole), call that gave it, digest of what it gave

HANDED = "[<]"  # behind the name of an argument
BETWEEN = "tasks between"  # in place of an argument
PASSED = (BETWEEN + HANDED).encode()
_NEXT = "\x1e"


def joined(parts: Iterable[Part]) -> str:
    """The text for parts of one argument."""
    return _NEXT.join(text for part in parts for text in part)


def handed_in(args: Mapping[str, str]) -> Iterator[Part]:
    """Name of each part that was handed on, the call that gave it, the digest of what it gave."""
    for name, text in args.items():
        if name.endswith(HANDED):
            base, texts = name.removesuffix(HANDED), text.split(_NEXT)
            for place, call, digest in zip(texts[::3], texts[1::3], texts[2::3], strict=False):
                yield f"{base}[{place}]" if place else base, call, digest


def is_between(name: str) -> bool:
    """Whether a name is of no argument: tasks without a cached call made another value of that result."""
    return name.startswith(BETWEEN)


def passed_on(args: Mapping[str, str]) -> dict[str, str]:
    """Of tasks that lie between: the calls behind them, and what these gave."""
    return {call: digest for name, call, digest in handed_in(args) if is_between(name)}


def taken_in(args: Mapping[str, str]) -> set[str]:
    """The digests of all arguments that are, or may be, results of other calls."""
    found = set(args.values())
    if any(name.endswith(HANDED) for name in args):
        found.update(digest for name, _, digest in handed_in(args) if not is_between(name))
    return found
