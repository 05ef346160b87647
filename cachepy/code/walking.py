"""What the steps of a walk through code see of the walk: they stand below it, and it calls them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cachepy.code.guard import Guard
    from cachepy.code.pieces import Piece
    from cachepy.code.routes import Steps
    from cachepy.values.modules import Origins

    Chains = Iterable[tuple[str, ...]]


class Walk(Protocol):
    """One walk: see `walk`."""

    lines: list[str]
    pieces: list[Piece]
    guard: Guard
    steps: Steps
    origins: Origins
    loose: Any
    readers: Any

    @property
    def loaded(self) -> Callable[[str], str]: ...

    def number(self, obj: Any) -> str: ...

    def is_new(self, obj: Any, most: int) -> bool: ...

    def package(self, obj: Any) -> str: ...

    def package_named(self, name: str) -> str: ...

    def file(self, label: str, path: str) -> None: ...

    def registered(self, cls: type) -> str: ...

    def bind(self, label: str, obj: Any, chains: Chains = ...) -> None: ...
