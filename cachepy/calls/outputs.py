"""What a call leaves behind besides its result: files that it wrote and tracked, itself or below it.

A caller may read such a file without naming it, going by the call's promise that it tracked it.  So
two runs stand for each other only if they gave the same result *and* left the same files: the effect of
a trace.  A file counts as left behind if the result names it, or if it was written while the call ran
again, which is seen by its stat before and after: no clock is trusted.  Imports files, model.
"""

from __future__ import annotations

import os
import stat

from cachepy.disk.files import identity_of
from cachepy.model import FILE, OUTPUT, Dep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cachepy.disk.files import Files, Identity
    from cachepy.model import Event, Trace


class Outputs:
    """Made before a call runs again, asked for marks afterwards.

    older: the stored runs of the call; cwd: where relative names are looked up; files: digests folders.
    """

    def __init__(self, older: Sequence[Event], cwd: str, files: Files) -> None:
        self.older = [event.trace for event in older]
        self._cwd = cwd
        self._files = files
        self._marked = {d.name for t in self.older for d in t.deps if d.kind == OUTPUT}
        named = {d.name for t in self.older for d in t.deps if d.kind == FILE}
        self._before = {name: self._state(name) for name in named}

    def _state(self, name: str) -> Identity | str | None:
        """What differs afterwards if the run wrote there."""
        path = os.path.join(self._cwd, name)
        try:
            st = self._files.mounts.stat(path)
        except (OSError, ValueError):
            return None
        # a folder's own stat does not tell of what is deep inside
        return self._files.digest(path) if stat.S_ISDIR(st.st_mode) else identity_of(st)

    def marks(self, deps: Iterable[Dep], calls: Iterable[Dep], result: str, named: set[str]) -> list[Dep]:
        """The deps that say what this run left behind; named: the paths in its result."""
        left = {c.name: c.digest for c in calls if "+" in (c.digest or "")}
        for dep in deps:
            if dep.kind == FILE and (dep.name in named or dep.name in self._marked or self._is_written(dep)):
                left[dep.name] = dep.digest
        if not left:
            return []
        for old in self.older:
            if old.result == result and _leaves(old, left):
                return [d for d in old.deps if d.kind == OUTPUT]
        return [Dep(OUTPUT, name, digest) for name, digest in left.items()]

    def _is_written(self, dep: Dep) -> bool:
        return dep.name in self._before and self._before[dep.name] != self._state(dep.name)


def _leaves(old: Trace, left: dict[str, str | None]) -> bool:
    """Whether an older run left exactly this."""
    marked = {d.name: d.digest for d in old.deps if d.kind == OUTPUT}
    known = {d.name: d.digest for d in (*old.deps, *old.calls) if d.kind != OUTPUT} | marked
    return marked.keys() <= left.keys() and all(n in known and known[n] == digest for n, digest in left.items())
