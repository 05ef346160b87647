"""The arguments of a call, kept beside its result, so that the call can be made again by itself.

Small arguments are pickled whole.  Of larger ones, those that may be results of other calls are kept
by their digests only: those calls hold them already.  What is larger still, or cannot be pickled by
name, is not kept; then its caller has to run.
"""

from __future__ import annotations

from _pickle import Pickler, dumps
from io import BytesIO

from cachepy.store.addresses import Unpickler
from cachepy.store.payload import main_by_name
from cachepy.store.safe_pickle import PROTOCOL
from cachepy.values.modules import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pickle import PickleBuffer
    from typing import Any

    Arguments = tuple[tuple[Any, ...], dict[str, Any]]

LIMIT = 1 << 18  # bytes of pickled arguments that an entry keeps
_MAIN = tuple(name.encode() for name in MAIN)


class _TooLargeError(Exception):
    """More than `LIMIT`: nothing more is to be copied."""


class _Bounded(BytesIO):
    def write(self, data: Any) -> int:
        if self.tell() + len(data) > LIMIT:
            raise _TooLargeError
        return super().write(data)


class _Keeper(Pickler):
    """Puts digests for the values that are found in other entries; finds code of ``__main__`` by the script's name."""

    flows: dict[int, str]

    def persistent_id(self, obj: Any) -> str | None:
        return self.flows.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        return main_by_name(obj)


def keep(
    args: tuple[Any, ...], kwargs: dict[str, Any], flows: dict[int, str], *, is_flat: bool = False
) -> bytes | None:
    """The arguments as bytes, None if they are too large or cannot be pickled.

    flows: id of a value -> its digest, for the values that may be results of other calls; is_flat: they are numbers
    and short texts only.

    >>> load(keep((1, [2]), {"a": None}, {}), {}.__getitem__)
    ((1, [2]), {'a': None})
    """
    if is_flat:
        data = dumps((args, kwargs), PROTOCOL)
        return data if len(data) <= LIMIT else None
    for known in ({}, flows) if flows else ({},):
        try:
            return _dumped((args, kwargs), known)
        except _TooLargeError:
            continue
        except Exception:  # pickling runs code of any class
            return None
    return None


def _dumped(arguments: Arguments, flows: dict[int, str]) -> bytes:
    data = b"" if flows else _pickled(Pickler, arguments, {})
    if flows or any(name in data for name in _MAIN):
        data = _pickled(_Keeper, arguments, flows)
    return data


def _pickled(kind: type[Pickler], arguments: Arguments, flows: dict[int, str]) -> bytes:
    file = _Bounded()
    pickler = kind(file, PROTOCOL, buffer_callback=_is_small)
    if isinstance(pickler, _Keeper):
        pickler.flows = flows
    pickler.dump(arguments)
    return file.getvalue()


def _is_small(buffer: PickleBuffer) -> bool:
    """Whether an array goes into the pickle; before it is copied."""
    if buffer.raw().nbytes > LIMIT:
        raise _TooLargeError
    return True


def load(
    data: bytes, find: Callable[[str], Any], place: Callable[[str, str], tuple[str, str]] | None = None
) -> Arguments:
    """The arguments again, fresh objects.

    find: gives the value of a digest, for those that were kept by it; place: where code that was renamed is now.
    """

    class Loader(Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            return find(pid)

        def find_class(self, module: str, name: str) -> Any:
            return super().find_class(*((module, name) if place is None else place(module, name)))

    args, kwargs = Loader(BytesIO(data)).load()
    return args, kwargs
