"""Work that was sent to other processes from top level, where no call waits for it."""

from __future__ import annotations

import os

from cachepy.core.kinds import CALLS, ROOTS
from cachepy.core.model import Dep
from cachepy.store import journal
from cachepy.store.schema import is_dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.graph.recorder import LazyGraph
    from cachepy.store.stores import Stores


class Outbox:
    """What ran there is told through mailboxes; `drain` brings it into the graph when somebody looks."""

    def __init__(self, stores: Stores, nodes: LazyGraph) -> None:
        self._stores = stores
        self._nodes = nodes
        self._id = os.urandom(8).hex()
        self._read: dict[str, int] = {}

    @property
    def run(self) -> str:
        """What stands for the caller; another one in a forked child."""
        return f"outbox-{os.getpid()}-{self._id}"

    def mailbox(self, root: str) -> str:
        path = os.path.join(root, "runs", self.run)
        self._stores.at(root)  # what ran there is looked for here
        self._read.setdefault(path, 0)
        return path

    def drain(self) -> None:
        """Fold in the calls that were made elsewhere since the last time."""
        for path, seen in list(self._read.items()):
            try:
                records, _ = journal.read(path)
            except OSError:
                continue
            self._read[path] = len(records)
            for record in filter(is_dep, records[seen:]):
                self._fold(Dep(*record))

    def _fold(self, dep: Dep) -> None:
        if dep.kind in ROOTS:
            self._stores.at(dep.name)
        elif dep.kind in CALLS and not self._nodes.knows(dep.name):
            self._nodes.show(dep.name)

    def close(self) -> None:
        self.drain()
        for path in [p for p in self._read if p.endswith(self.run)]:
            try:
                os.unlink(path)
            except OSError:
                continue
        self._read.clear()
