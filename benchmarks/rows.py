"""A row of the table: the work, the contestants that do it, and what is asked for."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import modules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SETTLED = 2.1  # s; younger files are digested again each time, since their times do not tell of a change yet


@dataclass(frozen=True)
class Line:
    """One line of the table: two contestants compared, and the ratio that is asked for (None: for information)."""

    title: str
    most: float | None = None  # ours at most so many times the floor
    least: float | None = None  # ours at least so many times faster than the peer
    ours: str = "cachepy"
    base: str = "floor"
    peer: str = "joblib"


@dataclass(frozen=True)
class Row:
    """Contestants that take turns in one process, and the lines that their samples fill."""

    name: str
    make: Callable[[Place], Iterator[Contest]]
    lines: tuple[Line, ...]
    seconds: float = 3.0  # of sampling
    stat: str = "least"  # or "median", where rare costs such as garbage collection are part of the work
    unit: str = "s"  # or "bytes"


@dataclass
class Contest:
    """The contestants of a row by name, and what else there is to say when they are done."""

    contestants: dict
    notes: list[str] = field(default_factory=list)
    rounds: int = 10_000


class Place:
    """The folder of one row, and modules of the program under test in it."""

    def __init__(self, folder, *, is_quick=False):
        self.root = Path(folder)
        self.is_quick = is_quick

    def shared(self, name, make):
        """Data that several rows read, made by the first and old enough to be trusted: the path."""
        path = self.root.parent / "shared" / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            make(path, self.is_quick)
        time.sleep(max(0, path.stat().st_ctime + SETTLED - time.time()))
        return path

    def folder(self, name):
        """A new folder, as text that ends in a separator."""
        path = self.root / name
        path.mkdir()
        return f"{path}{os.sep}"

    def program(self, tool, body, name="program", **names):
        """The program under test for one tool, imported."""
        return modules.load(self.written(tool, body, name, **names))

    def written(self, tool, body, name="program", **names):
        return modules.write(self.root / f"{name}_{tool.replace(' ', '_')}.py", tool, body, **names)
