"""How two values differ, in a few lines for people: rows and cells of frames, elements of arrays, lines of texts.

Libraries are not imported: who has a frame at hand has loaded them.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

LINES = 30  # of all, and of a text its changed ones
_DEEP = 4  # containers in containers
_NAMES = 8  # keys, columns and places that are listed
_TEXT = 60  # characters of one value
_EQUAL = "equal"


def differences(old: object, new: object) -> tuple[str, ...]:
    """Lines that say how they differ; one if they are equal, as far as can be told.

    >>> differences({"a": 1, "b": 2}, {"a": 1, "b": 5})
    ('dict: 1 of 2 values differs', "  ['b']: 2 -> 5 (+3)")
    >>> differences([1.5], [1.5])
    ('equal',)
    """
    lines = list(_lines(old, new, _DEEP)) or [_EQUAL]
    more = [f"and {len(lines) - LINES:,} more lines"] if len(lines) > LINES else []
    return (*lines[:LINES], *more)


def _lines(old: Any, new: Any, deep: int) -> Iterator[str]:
    if type(old) is not type(new):
        yield f"{_kind(old)} -> {_kind(new)}: {_short(old)} -> {_short(new)}"
    elif _is_a(old, "pandas", "DataFrame"):
        yield from _frames(old, new)
    elif _is_a(old, "pandas", "Series"):
        yield from _frames(old.to_frame("values"), new.to_frame("values"))
    elif _is_a(old, "numpy", "ndarray"):
        yield from _arrays(old, new)
    elif isinstance(old, str):
        yield from _texts(old, new)
    elif isinstance(old, dict):
        yield from _dicts(old, new, deep)
    elif isinstance(old, (list, tuple)):
        yield from _sequences(old, new, deep)
    elif isinstance(old, (set, frozenset)):
        yield from _sets(old, new)
    elif not _same(old, new):
        yield _plain(old, new)


def _plain(old: Any, new: Any) -> str:
    by = ""
    if isinstance(old, (int, float)) and not isinstance(old, bool):
        by = f" ({new - old:+.6g})"
    texts = _short(old), _short(new)
    return f"{texts[0]} -> {texts[1]}{by}" if texts[0] != texts[1] else f"not equal: {_kind(old)}"


def _is_a(value: object, module: str, name: str) -> bool:
    cls = getattr(sys.modules.get(module), name, None)
    return cls is not None and isinstance(value, cls)


def _kind(value: object) -> str:
    return type(value).__qualname__


def _short(value: object) -> str:
    import reprlib

    limits = reprlib.Repr()
    limits.maxstring = limits.maxother = limits.maxlong = _TEXT
    try:
        return " ".join(limits.repr(value).split())
    except Exception:  # a repr of the user's own
        return f"<{_kind(value)}>"


def _same(old: Any, new: Any) -> bool:
    """Whether they are equal; nan is nan."""
    if old is new:
        return True
    if type(old) is not type(new):
        return False
    try:
        if _is_a(old, "numpy", "ndarray"):
            return not next(_arrays(old, new), "")
        if hasattr(old, "equals"):  # frames of all libraries
            return bool(old.equals(new))
        return bool(old == new) or bool(old != old and new != new)  # nan alone differs from itself
    except Exception:  # some compare by elements, or not at all
        return not next(_lines(old, new, 1), "") if isinstance(old, (dict, list, tuple)) else False


def _listed(names: Iterable[object]) -> str:
    found = list(names)
    shown = ", ".join(map(_short, found[:_NAMES]))
    return f"{shown} and {len(found) - _NAMES:,} more" if len(found) > _NAMES else shown


def _of(number: int, whole: int, noun: str) -> str:
    return f"{number:,} of {whole:,} {noun} {'differs' if number == 1 else 'differ'}"


# ---------------------------------------------------------------- containers


def _dicts(old: Mapping[Any, Any], new: Mapping[Any, Any], deep: int) -> Iterator[str]:
    lost, came = [k for k in old if k not in new], [k for k in new if k not in old]
    common = [k for k in old if k in new]
    changed = [k for k in common if not _same(old[k], new[k])]
    if lost:
        yield f"{_kind(old)}: without {_listed(lost)}"
    if came:
        yield f"{_kind(old)}: with {_listed(came)}"
    if changed:
        yield f"{_kind(old)}: {_of(len(changed), len(common), 'values')}"
        yield from _inside([(k, old[k], new[k]) for k in changed], deep)
    elif not (lost or came) and list(old) != list(new):
        yield f"{_kind(old)}: the keys have another order"


def _sequences(old: Sequence[Any], new: Sequence[Any], deep: int) -> Iterator[str]:
    if len(old) != len(new):
        yield f"{_kind(old)}: length {len(old):,} -> {len(new):,}"
    pairs = list(zip(old, new, strict=False))
    changed = [(at, a, b) for at, (a, b) in enumerate(pairs) if not _same(a, b)]
    if changed:
        yield f"{_kind(old)}: {_of(len(changed), len(pairs), 'items')}"
        yield from _inside(changed, deep)


def _inside(changed: list[tuple[Any, Any, Any]], deep: int) -> Iterator[str]:
    """The differing items of a container, each at its place."""
    for place, before, after in changed[: _NAMES if deep else 0]:
        lines = list(_lines(before, after, deep - 1)) or ["not equal"]
        yield f"  [{_short(place)}]: {lines[0]}"
        yield from (f"  {line}" for line in lines[1:])
    if deep and len(changed) > _NAMES:
        yield f"  and {len(changed) - _NAMES:,} more"


def _sets(old: set[Hashable] | frozenset[Hashable], new: set[Hashable] | frozenset[Hashable]) -> Iterator[str]:
    for which, items in (("without", old - new), ("with", new - old)):
        if items:
            yield f"{_kind(old)}: {which} {_listed(sorted(items, key=repr))}"


def _texts(old: str, new: str) -> Iterator[str]:
    if old == new:
        return
    before, after = old.splitlines(), new.splitlines()
    if max(len(before), len(after)) < 2:
        yield f"{_short(old)} -> {_short(new)}"
        return
    import difflib

    found = [line for line in difflib.unified_diff(before, after, lineterm="", n=0) if line[:2] != "@@"][2:]
    more, less = sum(line[:1] == "+" for line in found), sum(line[:1] == "-" for line in found)
    yield f"text: {more:,} lines added, {less:,} removed, {len(before):,} -> {len(after):,} lines"
    yield from (f"  {line[: 2 * _TEXT]}" for line in found[: LINES // 2])


# ---------------------------------------------------------------- arrays and frames


def _arrays(old: Any, new: Any) -> Iterator[str]:
    import numpy as np

    if old.dtype != new.dtype:
        yield f"array: dtype {old.dtype} -> {new.dtype}"
    if old.shape != new.shape:
        yield f"array: shape {old.shape} -> {new.shape}"
        return
    differs = _differing(np, old, new)
    number = int(differs.sum())
    if number:
        yield f"array: {_of(number, differs.size, 'elements')}{_how_far(np, old[differs], new[differs])}"


def _differing(np: Any, old: Any, new: Any) -> Any:
    """Where two arrays differ: nan equals nan."""
    try:
        differs = np.asarray(old != new, dtype=bool)
        return differs & ~(np.asarray(old != old, dtype=bool) & np.asarray(new != new, dtype=bool))
    except (TypeError, ValueError):  # objects that compare in ways of their own, records
        flat = [not _same(a, b) for a, b in zip(old.ravel().tolist(), new.ravel().tolist(), strict=True)]
        return np.array(flat, dtype=bool).reshape(old.shape)


def _how_far(np: Any, old: Any, new: Any) -> str:
    """The largest difference of numbers."""
    if old.dtype.kind not in "iuf" or new.dtype.kind not in "iuf":
        return ""
    with np.errstate(all="ignore"):
        far = np.abs(new.astype(float) - old.astype(float))
    known = far[~np.isnan(far)]
    return f", at most by {known.max():.6g}" if known.size else ""


def _frames(old: Any, new: Any) -> Iterator[str]:
    if len(old) != len(new):
        yield f"frame: rows {len(old):,} -> {len(new):,}"
    lost, came = [c for c in old.columns if c not in new], [c for c in new.columns if c not in old]
    if lost:
        yield f"frame: without column {_listed(lost)}"
    if came:
        yield f"frame: with column {_listed(came)}"
    common = [c for c in old.columns if c in new]
    before, after, how = _aligned(old, new)
    yield from how
    if before is None or not (old.columns.is_unique and new.columns.is_unique):
        return
    changed = {c: lines for c in common if (lines := list(_columns(before[c], after[c])))}
    if changed:
        yield f"frame: {_of(len(changed), len(common), 'columns')}"
        for name, lines in list(changed.items())[:_NAMES]:
            yield f"  {_short(name)}: {'; '.join(lines)}"
    elif not lost and not came and list(old.columns) != list(new.columns):
        yield "frame: the columns have another order"


def _aligned(old: Any, new: Any) -> tuple[Any, Any, list[str]]:
    """The rows to compare: those of the same label, else those at the same place; None if neither can be told."""
    if old.index.equals(new.index):
        return old, new, []
    if old.index.is_unique and new.index.is_unique:
        both = old.index.intersection(new.index)
        counts = len(old) - len(both), len(new) - len(both)
        told = [f"frame: {n:,} row labels {word}" for n, word in zip(counts, ("gone", "new"), strict=True) if n]
        return old.loc[both], new.loc[both], told or ["frame: the rows have another order"]
    if len(old) == len(new):
        return old.reset_index(drop=True), new.reset_index(drop=True), ["frame: the index differs"]
    return None, None, ["frame: the index differs"]


def _columns(old: Any, new: Any) -> Iterator[str]:
    import numpy as np

    if str(old.dtype) != str(new.dtype):
        yield f"dtype {old.dtype} -> {new.dtype}"
    empty = np.asarray(old.isna()) & np.asarray(new.isna())
    try:
        equal = np.asarray((old == new).fillna(value=False), dtype=bool)
    except (TypeError, ValueError):  # categories that are others
        equal = np.array([_same(a, b) for a, b in zip(old, new, strict=True)], dtype=bool)
    differs = ~(equal | empty)
    number = int(differs.sum())
    if number:
        a, b = old[differs].to_numpy(), new[differs].to_numpy()
        yield f"{_of(number, len(differs), 'cells')}{_how_far(np, a, b)}"
