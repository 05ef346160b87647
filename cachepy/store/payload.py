"""Values as bytes: a pickle and large buffers beside it; code of scripts by the script's name.

`by_name` stands in stored pickles under this module's name: who moves it says so in `addresses`.
"""

from __future__ import annotations

import sys
from _pickle import Pickler, PicklingError, dumps
from io import BytesIO

from cachepy.values.modules import MAIN, canonical, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pickle import PickleBuffer
    from typing import Any

_OUT_OF_BAND = 1 << 15  # bytes; smaller buffers are copied into the pickle
PROTOCOL = 5
_DASK, _FUTURE = b"distributed.client", b"\x8c\x06Future\x94"  # as a pickle names a class


class Payload:
    """A value as it will be stored: its pickle and its large buffers (not copied)."""

    __slots__ = ("buffers", "pickle")

    def __init__(self, pickle: bytes, buffers: Sequence[memoryview]) -> None:
        self.pickle = pickle
        self.buffers = buffers

    @property
    def size(self) -> int:
        return len(self.pickle) + sum(b.nbytes for b in self.buffers)


def pack_flat(value: object) -> Payload:
    """Pickle a value that holds numbers and texts only."""
    return Payload(dumps(value, PROTOCOL), ())


def pack(value: object, known: Mapping[int, Any] | None = None) -> Payload:
    """Pickle a value; with cloudpickle if it holds code that has no importable name.

    known: id of an object -> what is written in its place.
    """
    buffers: list[memoryview] = []

    def keep(buffer: PickleBuffer) -> bool:
        view = buffer.raw()
        if view.nbytes < _OUT_OF_BAND:
            return True
        buffers.append(view)
        return False

    file = BytesIO()
    try:
        _dump(Pickler(file, PROTOCOL, buffer_callback=keep), value, known)
        data = file.getvalue()
        if b"__main__" in data or b"__mp_main__" in data:
            file = BytesIO()
            buffers.clear()
            _dump(_MainPickler(file, PROTOCOL, buffer_callback=keep), value, known)
    except (PicklingError, AttributeError, TypeError):
        file = BytesIO()
        buffers.clear()
        _dump(_by_value(file, keep), value, known)
    data = file.getvalue()
    if _FUTURE in data and _DASK in data:
        raise PicklingError("it holds a future of Dask, which no other program can read: compute() it first")
    return Payload(data, buffers)


def _dump(pickler: Any, value: object, known: Mapping[int, Any] | None) -> None:
    if known is not None:
        pickler.persistent_id = lambda obj: known.get(id(obj))
    if "torch" in sys.modules:
        from cachepy.store.packed_tensors import table_for

        pickler.dispatch_table = table_for(pickler)
    pickler.dump(value)


class _MainPickler(Pickler):
    """Writes code of ``__main__`` under the script's name, so that importing it finds it too."""

    def reducer_override(self, obj: Any) -> Any:
        return main_by_name(obj)


def main_by_name(obj: Any) -> Any:
    """What a ``reducer_override`` gives for code of ``__main__``."""
    if not _is_of_main(obj):
        return NotImplemented
    if not _has_name(obj):
        raise PicklingError(f"{obj.__qualname__} is local")
    return by_name, (canonical(obj.__module__), obj.__qualname__)


def _by_value(file: BytesIO, keep: Callable[[PickleBuffer], bool]) -> Any:
    """A pickler for code that has no importable name; what has one still goes by it, or ``isinstance`` would fail."""
    import cloudpickle

    class ByValue(cloudpickle.CloudPickler):  # type: ignore[misc]  # cloudpickle is untyped
        def reducer_override(self, obj: Any) -> Any:
            if _is_of_main(obj) and _has_name(obj):
                return by_name, (canonical(obj.__module__), obj.__qualname__)
            return super().reducer_override(obj)

    return ByValue(file, PROTOCOL, buffer_callback=keep)


def _is_of_main(obj: Any) -> bool:
    return callable(obj) and getattr(obj, "__module__", None) in MAIN and hasattr(obj, "__qualname__")


def _has_name(obj: Any) -> bool:
    """Whether the name of the code means this code, and not another that was defined since."""
    try:
        return "<" not in obj.__qualname__ and by_name(canonical(obj.__module__), obj.__qualname__) is obj
    except (AttributeError, ImportError):
        return False


def by_name(module: str, qualname: str) -> Any:
    """Find code of a script by the script's name, run or imported."""
    obj: Any = find(module)
    if obj is None:
        from importlib import import_module

        obj = import_module(module)
    for part in qualname.split("."):
        obj = getattr(obj, part)
    return obj
