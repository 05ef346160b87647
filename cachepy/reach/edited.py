"""When the source files behind some code were last edited, as far as this process runs what stands in them.

Imports modules, pieces.
"""

from __future__ import annotations

import os
import sys

from cachepy.values.modules import MAIN, STARTED, scope_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cachepy.reach.pieces import Piece


class Edits:
    """Looks at each file once, since this process has read them all."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def newest(self, pieces: Iterable[Piece]) -> int:
        """When one of the files was last edited (ns); 0 if that was after this process began: it runs another text."""
        times = [self._time(file) for file in {*_files(pieces)}]
        newest = max(times, default=0)
        return newest if newest < STARTED else 0

    def _time(self, file: str) -> int:
        if file not in self._times:
            try:
                st = os.stat(file)
            except (OSError, ValueError):
                self._times[file] = 0
            else:
                self._times[file] = max(st.st_mtime_ns, st.st_ctime_ns)
        return self._times[file]


def _files(pieces: Iterable[Piece]) -> Iterator[str]:
    modules = {MAIN[0]}  # which may change what others hold
    for piece in pieces:
        if piece.cue == "code" and piece.where[:1] not in ("", "<"):
            yield piece.where.rpartition(":")[0]
        elif piece.cue == "global":
            modules.add(_module_of(piece.name))
    for module in modules:
        file = scope_of(sys.modules.get(module)).get("__file__")
        if type(file) is str:
            yield file


def _module_of(label: str) -> str:
    """The module that holds what a label names; empty if none does."""
    name = label.partition(":")[0]
    while name and name not in sys.modules:
        name = name.rpartition(".")[0]
    return name
