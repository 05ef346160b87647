"""An unpickler that knows no names: no code runs, whatever the data says."""

from __future__ import annotations

import io
from _pickle import Unpickler, UnpicklingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _BuiltinsOnly(Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise UnpicklingError(f"refused to load {module}.{name} from a file that holds plain data only")

    def persistent_load(self, pid: object) -> Any:
        raise UnpicklingError(f"refused to load the persistent object {pid!r}")


def load(data: bytes) -> Any:
    """The value of a pickle of plain data; it may raise almost anything."""
    return _BuiltinsOnly(io.BytesIO(data)).load()
