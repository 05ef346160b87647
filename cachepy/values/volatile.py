"""What in a value looks as if it were made anew each time: random, a moment of now, the number of a process.

That alone proves nothing: only what was another one in each program is blamed (see `never_reused`).  So it may look too
closely rather than too little, but at few parts.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_DAY = 86_400  # seconds from now that are not by chance
_DEPTH = 4
_PARTS = 200  # that are looked at in one argument
_LARGE = 1 << 40  # ids, hashes and nanoseconds are; amounts and seeds that people write hardly ever
_BYTES = range(8, 65)
_DIGITS = frozenset("0123456789")
_LONGEST = 4096  # text of which is looked at
_SHORTEST = 12  # text that may be random
_TEXTS = (
    r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[14][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    r"|(?<![0-9a-f])[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}(?![0-9a-f])"
    r"|(?<![0-9a-f])(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{16,31}(?![0-9a-f])"  # digests are longer
    r"|tmp[a-z0-9_]{8}(?![a-z0-9_])| at 0x[0-9a-f]{6,}"
)
_OWN = ("__cachepy_digest__", "__dask_tokenize__")  # what these say counts


def fresh_in(name: str, value: Any) -> tuple[str, str]:
    """Where the first such part of an argument is, as ``self.run_id``, and what it looks like there.

    Of a text that is the bit that looks random, of what has no text it is empty; no name if there seems to be none.
    """
    cls = type(value)
    try:
        if cls is int or cls is float or cls is str or cls is bytes:  # most arguments
            is_counted = cls is int and abs(value) < _LARGE and "pid" not in name  # it may be this process by chance
            text = None if is_counted else _fresh(value, cls)
            return ("", "") if text is None else (name, text)
        return next(_found(name, value), ("", ""))
    except Exception:  # looking at an object of the user's runs its code
        return "", ""


def _found(name: str, value: Any) -> Iterator[tuple[str, str]]:
    todo, seen, left = [(name, value, 0)], set[int](), _PARTS
    while todo and left:
        name, value, depth = todo.pop(0)
        left -= 1
        text = _fresh(value, type(value))
        if text is not None:
            yield name, text
        elif depth < _DEPTH and id(value) not in seen:
            seen.add(id(value))
            todo += [(part, item, depth + 1) for part, item in _parts(name, value)]


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    cls = type(value)
    if cls is dict:
        yield from ((f"{name}[{key!r}]", item) for key, item in _first(value.items()) if type(key) in (str, int))
    elif cls is list or cls is tuple:
        yield from ((f"{name}[{at}]", item) for at, item in _first(enumerate(value)))
    elif not isinstance(value, type) and not any(hasattr(cls, name) for name in _OWN):
        yield from ((f"{name}.{key}", item) for key, item in _first(_state_of(value, cls).items()))


def _first(items: Any) -> Iterator[Any]:
    for at, item in enumerate(items):
        if at == _PARTS:
            return
        yield item


def _state_of(value: Any, cls: type) -> dict[str, Any]:
    """The attributes that count."""
    custom = next((k.__dict__["__getstate__"] for k in cls.__mro__[:-1] if "__getstate__" in k.__dict__), None)
    if custom is not None:
        state = value.__getstate__()
        return state if type(state) is dict else {}
    state = dict(getattr(value, "__dict__", ()))
    for k in cls.__mro__:
        slots = k.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if slot not in ("__dict__", "__weakref__") and hasattr(value, slot):
                state[slot] = getattr(value, slot)
    return state


def _fresh(value: Any, cls: type) -> str | None:
    """What looks made anew in a value; None if nothing does."""
    if cls is str:
        return _random_text(value) if len(value) >= _SHORTEST else None
    if cls is int or cls is float or cls is bytes:
        return repr(value) if _IS_FRESH[cls](value) else None
    kind = cls.__module__, cls.__name__
    if kind == ("uuid", "UUID"):
        return str(value) if value.version in (1, 4) else None
    if kind == ("datetime", "datetime"):
        return str(value) if value.microsecond and abs(value.timestamp() - time.time()) < _DAY else None
    return "" if kind[0] == "random" or kind[0].startswith("numpy.random") else None


_IS_FRESH: dict[type, Callable[[Any], bool]] = {
    int: lambda value: value >= _LARGE or value <= -_LARGE or value == os.getpid() > 1,
    float: lambda value: not value.is_integer() and abs(value - time.time()) < _DAY,
    bytes: lambda value: len(value) in _BYTES and not value.isascii(),
}


def _random_text(text: str) -> str | None:
    """The bits of a text that look random, or the moment of today that it names."""
    text = text[:_LONGEST]
    if "tmp" not in text and (text.isalpha() or _DIGITS.isdisjoint(text)):
        return None
    import re

    found = re.findall(_TEXTS, text)
    if found:
        return " ".join(found)
    moment = re.search(r"\d{4}-?\d\d-?\d\d[T _-]?\d\d[:-]?\d\d", text)
    is_today = moment is not None and re.sub(r"\D", "", moment[0])[:8] in _days()
    return text[moment.start() :] if moment is not None and is_today else None


def _days() -> set[str]:
    now = time.time()
    return {time.strftime("%Y%m%d", kind(now)) for kind in (time.localtime, time.gmtime)}
