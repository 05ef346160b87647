"""A progress bar on stderr, if stderr is a terminal and it takes more than a second.  Imports nothing of cachepy."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    T = TypeVar("T")

_DELAY = 1.0  # s without a bar
_CHECK = 256  # items between two looks at the clock


def watched(what: str) -> Callable[[list[T]], Iterable[T]]:
    """A function that wraps a list, and shows how far its reader is.

    >>> list(watched("counting")([1, 2]))
    [1, 2]
    """

    def watch(items: list[T]) -> Iterable[T]:
        return _shown(what, items) if sys.stderr is not None and sys.stderr.isatty() else items

    return watch


def _shown(what: str, items: list[T]) -> Iterator[T]:
    began = time.monotonic()
    for at, item in enumerate(items):
        if at % _CHECK == 0 and time.monotonic() - began > _DELAY:
            yield from _with_bar(what, items, at)
            return
        yield item


def _with_bar(what: str, items: list[T], at: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=len(items), completed=at)
        for count, item in enumerate(items[at:], at):
            if count % _CHECK == 0:
                bar.update(task, completed=count)
            yield item
