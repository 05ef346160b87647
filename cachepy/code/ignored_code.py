"""Code that does not count, by its name: `ignore_code=["helper", "plots.*"]`."""

from __future__ import annotations

from cachepy.values.digest import name_of
from cachepy.values.modules import module_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MODULE = type(__import__("sys"))


class Ignored(frozenset[str]):
    """Names of globals that do not count; `codes` are those of code.

    Examples
    --------
    >>> ignored = Ignored.of(frozenset(), ["draw", "plots.*"])
    >>> ignored.has("shop", "draw"), ignored.has("plots.maps", "f"), ignored.has("shop", "redraw")
    (True, True, False)
    """

    codes: tuple[str, ...]

    @classmethod
    def of(cls, names: frozenset[str], codes: tuple[str, ...] | list[str]) -> Ignored:
        """These names, and this code."""
        made = cls(names)
        made.codes = tuple(codes)
        return made

    def has(self, module: str, qualname: str) -> bool:
        """Whether code of that name, or code around it, is left out."""
        full = f"{module}.{qualname}"
        return any(_fits(code, qualname, full) for code in self.codes)

    def skips(self, obj: Any) -> bool:
        """Whether a function, a class or a module is."""
        if isinstance(obj, _MODULE):
            return self.has(module_name(obj), "")
        return (isinstance(obj, type) or hasattr(obj, "__code__")) and self.has(*name_of(obj))


def _fits(code: str, qualname: str, full: str) -> bool:
    code = code.replace(":", ".")
    if code.endswith(".*"):
        return full.startswith(code[:-1])
    return f"{qualname}.".startswith(f"{code}.") or f"{full}.".startswith(f"{code}.")
