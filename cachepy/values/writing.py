"""What rules see of whoever writes a value: rules stand below the pickler that asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.values.modules import Origins
    from cachepy.values.references import References

    Rule = Callable[[Any, "ValuePickler"], Any]


class Digester(Protocol):
    """Digests values with the rules of one session."""

    origins: Origins
    code_of: Callable[[Any], str | None]
    place: Callable[[str, str], tuple[str, str]] | None
    kept: dict[int, tuple[Any, ...]]

    @property
    def writer(self) -> Any: ...

    def digest(self, value: object, found: References | None = None) -> str: ...

    def stream(self, value: object, found: References | None = None) -> bytes: ...

    def rule_for(self, cls: type) -> tuple[Rule | None, str | None, bool]: ...

    def kind_of(self, cls: type) -> str: ...


class ValuePickler(Protocol):
    """Writes one value, and notes what it came across."""

    digester: Digester
    found: References
    renamed: list[tuple[str, str]]
