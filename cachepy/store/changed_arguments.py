"""A result together with the state of the arguments that the body changed: stored as one value, put back at a hit.

The objects themselves are in neither: where the result or a state refers to one of them, only its number is written,
and the object of whoever asks is put there.  `Changed` stands in stored pickles under this module's name: who
moves it says so in `addresses`.
"""

from __future__ import annotations

import copyreg
from _pickle import dumps
from io import BytesIO
from pickle import PickleBuffer

from cachepy.store.addresses import Unpickler, load
from cachepy.store.payload import PROTOCOL, Payload, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    Part = tuple[tuple[str, ...], Any]  # the names of the arguments that are one object, and the object

NAME = __name__  # by which it is known without being loaded


class UnfitError(Exception):
    """The objects of this call are not what the state can be put into."""


class Kind:
    """How objects of a kind are changed in place.

    made: what is needed for an empty one, and `make` makes it; take: its state, which is not the object; put: a state
    into an object; fits: whether that can be done.
    """

    def make(self, cls: Any, *args: Any) -> Any:
        return cls(*args)

    def made(self, obj: Any) -> tuple[Any, ...]:
        return (type(obj),)

    def take(self, obj: Any) -> Any:
        raise NotImplementedError

    def put(self, obj: Any, state: Any) -> None:
        raise NotImplementedError

    def fits(self, obj: Any, state: Any) -> bool:
        return True


class _Items(Kind):
    """What consists of its items."""

    def made(self, obj: Any) -> tuple[Any, ...]:
        more = {"defaultdict": "default_factory"}.get(type(obj).__name__)
        if type(obj).__name__ == "deque":
            return type(obj), (), obj.maxlen
        return (type(obj),) if more is None else (type(obj), getattr(obj, more))

    def take(self, obj: Any) -> Any:
        return dict(obj) if isinstance(obj, dict) else bytes(obj) if type(obj) is bytearray else list(obj)

    def put(self, obj: Any, state: Any) -> None:
        obj.clear()
        if hasattr(obj, "update"):
            obj.update(state)
        else:
            obj.extend(state)


class _Array(Kind):
    def made(self, obj: Any) -> tuple[Any, ...]:
        return obj.shape, obj.dtype

    def make(self, cls: Any, *args: Any) -> Any:
        import numpy as np

        return np.empty(cls, *args)

    def take(self, obj: Any) -> Any:
        return obj.view()

    def put(self, obj: Any, state: Any) -> None:
        obj[...] = state

    def fits(self, obj: Any, state: Any) -> bool:
        return bool(obj.flags.writeable and obj.shape == state.shape and obj.dtype == state.dtype)


class _Frame(Kind):
    """As pandas does it for ``inplace=True``."""

    def take(self, obj: Any) -> Any:
        return obj.copy(deep=False)

    def put(self, obj: Any, state: Any) -> None:
        obj._update_inplace(state)
        obj.attrs = state.attrs
        obj.flags.allows_duplicate_labels = state.flags.allows_duplicate_labels
        if hasattr(state, "name") and not hasattr(state, "columns"):
            obj.name = state.name


class _Random(Kind):
    def take(self, obj: Any) -> Any:
        return obj.getstate() if hasattr(obj, "getstate") else obj.get_state(legacy=False)

    def put(self, obj: Any, state: Any) -> None:
        getattr(obj, "setstate" if hasattr(obj, "setstate") else "set_state")(state)


class _Generator(Kind):
    def made(self, obj: Any) -> tuple[Any, ...]:
        return type(obj), type(obj.bit_generator)

    def make(self, cls: Any, *args: Any) -> Any:
        return cls(args[0]())

    def take(self, obj: Any) -> Any:
        return obj.bit_generator.state

    def put(self, obj: Any, state: Any) -> None:
        obj.bit_generator.state = state


class _Instance(Kind):
    """As pickle takes and gives the state, after all that is there was dropped."""

    def make(self, cls: Any, *args: Any) -> Any:
        return cls.__new__(cls, *args)

    def take(self, obj: Any) -> Any:
        return obj.__reduce_ex__(4)[2]

    def put(self, obj: Any, state: Any) -> None:
        getattr(obj, "__dict__", {}).clear()
        for name in copyreg._slotnames(type(obj)):  # type: ignore[attr-defined]  # what pickle itself asks
            if hasattr(obj, name):
                object.__delattr__(obj, name)
        if state is not None and hasattr(obj, "__setstate__"):
            obj.__setstate__(state)
            return
        attributes, slots = state if type(state) is tuple else (state, None)
        if attributes:
            obj.__dict__.update(attributes)
        for name, value in (slots or {}).items():
            object.__setattr__(obj, name, value)


_KINDS = {
    "items": _Items(), "array": _Array(), "frame": _Frame(), "random": _Random(), "generator": _Generator(),
    "instance": _Instance(),
}  # fmt: skip
_BY_NAME = {
    ("builtins", "list"): "items",
    ("builtins", "dict"): "items",
    ("builtins", "set"): "items",
    ("builtins", "bytearray"): "items",
    ("collections", "deque"): "items",
    ("collections", "OrderedDict"): "items",
    ("collections", "defaultdict"): "items",
    ("collections", "Counter"): "items",
    ("numpy", "ndarray"): "array",
    ("pandas", "DataFrame"): "frame",
    ("pandas", "Series"): "frame",
    ("pandas.core.frame", "DataFrame"): "frame",
    ("pandas.core.series", "Series"): "frame",
    ("random", "Random"): "random",
    ("numpy.random.mtrand", "RandomState"): "random",
    ("numpy.random._generator", "Generator"): "generator",
}
_MADE_WITH = "__getnewargs__", "__getnewargs_ex__"


def kind_of(obj: Any) -> str | None:
    """How a state can be put into an object; None if it cannot."""
    cls = type(obj)
    kind = _BY_NAME.get((cls.__module__, cls.__name__))
    if kind == "array":
        return kind if obj.flags.writeable else None
    if kind == "frame" and not hasattr(obj, "_update_inplace"):  # what pandas calls its own
        return None
    if kind == "generator":  # what it gave to others is not in its state
        return None if getattr(obj.bit_generator.seed_seq, "n_children_spawned", 1) else kind
    return kind or ("instance" if _is_instance(obj) else None)


def _is_instance(obj: Any) -> bool:
    """Whether all that counts of an object lies in what pickle takes as its state."""
    cls: Any = type(obj)
    if (
        cls.__reduce_ex__ is not object.__reduce_ex__
        or cls.__reduce__ is not object.__reduce__
        or cls in copyreg.dispatch_table
        or issubclass(cls, type)
        or any(hasattr(cls, name) for name in _MADE_WITH)
    ):
        return False
    try:
        made = obj.__reduce_ex__(4)
    except Exception:  # it keeps state outside of Python, or its own code fails
        return False
    is_plain = made[0] is copyreg.__newobj__ and made[1] == (cls,) and not any(made[3:])  # type: ignore[attr-defined]  # pickle's own
    return is_plain and (made[2] is not None or bool(cls.__dictoffset__ or copyreg._slotnames(cls)))  # type: ignore[attr-defined]  # as above


class Changed:
    """What is stored for such a call.

    names: of each object the arguments that it was given as; data: the states and the result; table: how to make
    the objects where there are none; main: the number of the object that the digest of the result is of, -1 if of
    the result.
    """

    __slots__ = ("buffers", "data", "main", "names", "table")

    def __init__(
        self, names: Sequence[tuple[str, ...]], table: bytes, data: bytes, buffers: Sequence[Any], main: int
    ) -> None:
        self.names, self.table, self.data, self.buffers, self.main = names, table, data, buffers, main

    def __reduce__(self) -> tuple[Any, ...]:
        buffers = [PickleBuffer(each) for each in self.buffers]
        return Changed, (self.names, self.table, self.data, buffers, self.main)

    def put_back(self, given: Mapping[str, Any]) -> tuple[Any, Callable[[], None]]:
        """The result, and what changes the arguments of this call as the body did it; UnfitError if they differ.

        To be called last: if anything else fails, the body runs, and must find them as they were.
        """
        objects = [given.get(names[0]) for names in self.names]
        for obj, names in zip(objects, self.names, strict=True):
            if tuple(name for name, value in given.items() if value is obj) != names:
                raise UnfitError
        return self._loaded(objects)

    def alone(self) -> Any:
        """The result, for whoever has no arguments."""
        result, fill = self._loaded(self._made())
        fill()
        return result

    def meant(self) -> Any:
        """What the digest of the result is of."""
        objects = self._made()
        result, fill = self._loaded(objects)
        fill()
        return result if self.main < 0 else objects[self.main]

    def _made(self) -> list[Any]:
        return [_KINDS[kind].make(*args) for kind, args in load(self.table)]

    def _loaded(self, objects: list[Any]) -> tuple[Any, Callable[[], None]]:
        kinds = [_KINDS[kind] for kind, _ in load(self.table)]
        loader = _Loader(BytesIO(self.data), buffers=self.buffers)
        loader.objects = objects
        states, result = loader.load()
        rows = list(zip(kinds, objects, states, strict=True))
        if not all(kind.fits(obj, state) for kind, obj, state in rows):
            raise UnfitError

        def fill() -> None:
            for kind, obj, state in rows:
                kind.put(obj, state)

        return result, fill


class _Loader(Unpickler):
    objects: list[Any]

    def persistent_load(self, pid: Any) -> Any:
        return self.objects[pid]


def alone(value: Any) -> Any:
    """A stored value as whoever has no arguments sees it."""
    return value.alone() if type(value) is Changed else value


def meant(value: Any) -> Any:
    """What the digest in the trace of a stored value is of."""
    return value.meant() if type(value) is Changed else value


def pack_changed(result: Any, parts: Sequence[Part], main: int) -> Payload:
    """Pickle a result and the states of the objects that the body changed."""
    objects = [obj for _, obj in parts]
    kinds = [kind_of(obj) or "" for obj in objects]
    states = [_KINDS[kind].take(obj) for kind, obj in zip(kinds, objects, strict=True)]
    table = pack([(kind, _KINDS[kind].made(obj)) for kind, obj in zip(kinds, objects, strict=True)])
    inner = pack((states, result), {id(obj): at for at, obj in enumerate(objects)})
    buffers: list[PickleBuffer] = []
    changed = Changed([names for names, _ in parts], table.pickle, inner.pickle, inner.buffers, main)
    data = dumps(changed, PROTOCOL, buffer_callback=buffers.append)
    return Payload(data, [each.raw() for each in buffers])
