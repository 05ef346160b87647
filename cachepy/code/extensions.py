"""Compiled modules of the user's own: there is no code to look at, so the file that was loaded counts."""

from __future__ import annotations

import os
import sys

from cachepy.code.members import MODULE
from cachepy.values.modules import USER, scope_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.code.walking import Walk

_COMPILED = (".so", ".pyd", ".dll", ".dylib")


def extension(walk: Walk, module: Any) -> str:
    """What a compiled module of the user's counts by; nothing for any other."""
    file = scope_of(module).get("__file__") if isinstance(module, MODULE) else None
    if type(file) is not str or not file.endswith(_COMPILED) or walk.origins.of_module(module) != USER:
        return ""
    return f" compiled {walk.loaded(file)}"


def extension_of(walk: Walk, obj: Any) -> str:
    """The same of what such a module holds: a function, a class, or an object of one."""
    home = getattr(obj, "__self__", None)
    if not isinstance(home, MODULE):
        name = getattr(obj if isinstance(obj, type) or callable(obj) else type(obj), "__module__", None)
        home = sys.modules.get(name) if isinstance(name, str) else None
    return extension(walk, home) if home is not None else ""


def library(walk: Walk, obj: Any) -> str | None:
    """What a library counts by that was loaded with ctypes, which keeps in it what was called; None for other values.

    One of the system goes by its name.
    """
    if not any(each.__module__ == "ctypes" and each.__name__ == "CDLL" for each in type(obj).__mro__):
        return None
    name = getattr(obj, "_name", None)
    return f"library {walk.loaded(name) if isinstance(name, str) and os.path.isfile(name) else name}"


class Loaded:
    """Digests of files that were loaded into this process: they do not change in it, whatever becomes of the file."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def digest(self, file: str, now: Any) -> str:
        """The digest of a file when it was looked at first, or what no other process has if that is not what runs."""
        path = os.path.abspath(file)
        known = self._known.get(path)
        if known is None:
            known = f"replaced {os.urandom(16).hex()}" if _is_replaced(path) else now(path) or "gone"
            self._known[path] = known
        return known


def _is_replaced(path: str) -> bool:
    """Whether what is in memory came from a file that is gone, and another has its name."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            lines = {line.split(None, 5)[-1].rstrip("\n") for line in maps}
    except OSError:
        return False
    real = os.path.realpath(path)
    return real not in lines and f"{real} (deleted)" in lines
