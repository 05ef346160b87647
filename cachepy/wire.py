"""Pickles of builtins only: written by the C pickler, read without ever running code.

What cannot be trusted to be ours (graph files, headers of entries, mailboxes) is read by `loads`,
which refuses every global name.  Imports errors.
"""

from __future__ import annotations

import io
from _pickle import Unpickler, UnpicklingError
from _pickle import dumps as _dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTOCOL = 5


class _BuiltinsOnly(Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise UnpicklingError(f"refused to load {module}.{name} from a file that holds plain data only")

    def persistent_load(self, pid: object) -> Any:
        raise UnpicklingError(f"refused to load the persistent object {pid!r}")


def dumps(value: object) -> bytes:
    """Pickle nested tuples, lists, dicts and scalars."""
    return _dumps(value, PROTOCOL)


def loads(data: bytes | memoryview) -> Any:
    """Load what `dumps` wrote; any failure is a ValueError.

    >>> loads(dumps({"a": (1, None)}))
    {'a': (1, None)}
    """
    try:
        return _BuiltinsOnly(io.BytesIO(data)).load()
    except Exception as error:  # damaged pickles raise almost anything
        raise ValueError(f"not a pickle of plain data: {error}") from error
