"""A progress bar on stderr, if stderr is a terminal and it takes more than a second."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Self, TypeVar

    T = TypeVar("T")

_DELAY = 1.0  # s without a bar
_CHECK = 256  # items between two looks at the clock


class Bar:
    """A bar whose owner tells how far it is; only on a terminal, and not before a second has passed.

    >>> with Bar("counting") as bar:
    ...     bar.tell(1, 2)
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def tell(self, done: int, total: int) -> None:
        """Show it."""
        if self._bar is None:
            if sys.stderr is None or not sys.stderr.isatty() or time.monotonic() - self._began < _DELAY:
                return
            self._bar = _rich_bar()
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=total)
        self._bar.update(self._task, completed=done, total=total)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _rich_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=Console(stderr=True), transient=True)


def watched(what: str) -> Callable[[list[T]], Iterable[T]]:
    """A function that wraps a list, and shows how far its reader is.

    >>> list(watched("counting")([1, 2]))
    [1, 2]
    """

    def watch(items: list[T]) -> Iterator[T]:
        with Bar(what) as bar:
            for at, item in enumerate(items):
                if at % _CHECK == 0:
                    bar.tell(at, len(items))
                yield item

    return watch
