"""What a call leaves behind besides its result: files that it wrote and tracked, itself or below it.

A caller may read such a file without naming it, going by the call's promise that it tracked it.  So
two runs stand for each other only if they gave the same result *and* left the same files: the effect of
a trace.  A file counts as left behind if the result names it, or if it was written while the call ran,
which is seen by its stat before and after: no clock is trusted.

Who wrote a file that others read is a weaker question: it only tells what to look at, and in which order.  There the
clock is asked too, of files that the body found by itself.
"""

from __future__ import annotations

import os
import stat
import time

from cachepy.core.kinds import FILES, LEFT, WROTE
from cachepy.core.model import OUTPUT, WRITTEN, Dep
from cachepy.store.files import YOUNG, identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cachepy.core.model import Event, Trace
    from cachepy.store.files import Files, Identity


_COARSE = 5  # CLOCK_REALTIME_COARSE, which Python does not name: what Linux writes into the times of files
_TICK = 20_000_000 if os.name == "nt" else 0  # ns by which the clock of files may be behind where there is none
_SECOND = 1_000_000_000
_MEMBERS = 1000  # of a folder, whose times are looked at


class Outputs:
    """Made before a call runs, asked for marks afterwards.

    older: the stored runs of the call; cwd: where relative names are looked up; files: digests folders; known: what
    its arguments name.
    """

    def __init__(self, older: Sequence[Event], cwd: str, files: Files, known: Iterable[str] = ()) -> None:
        self.older = [event.trace for event in older]
        self._cwd = cwd
        self._files = files
        self._marked = {d.name for t in self.older for d in t.deps if d.kind in LEFT}
        self._written = {d for t in self.older for d in t.deps if d.kind in WROTE}
        named = {d.name for t in self.older for d in t.deps if d.kind in FILES}
        self._before = {name: self._state(name) for name in named}
        self._stats = {name: self._identity(name) for name in known}
        self._tick, self._began = _file_clocks()

    def _stat(self, name: str) -> os.stat_result | None:
        try:
            return self._files.mounts.stat(os.path.join(self._cwd, name))
        except (OSError, ValueError):
            return None

    def _identity(self, name: str) -> Identity | None:
        st = self._stat(name)
        return None if st is None else identity_of(st)

    def _state(self, name: str) -> Identity | str | None:
        """What differs afterwards if the run wrote there."""
        st = self._stat(name)
        if st is None:
            return None
        # a folder's own stat does not tell of what is deep inside
        path = os.path.join(self._cwd, name)
        return self._files.digest(path) if stat.S_ISDIR(st.st_mode) else identity_of(st)

    def marks(
        self, deps: Iterable[Dep], calls: Iterable[Dep], result: str, named: set[str], seen: Iterable[str] = ()
    ) -> list[Dep]:
        """The deps that say what this run left behind, and wrote.

        named: the paths in its result; seen: of files that it was seen to write.
        """
        surely = frozenset(seen)
        left = {c.name: c.digest for c in calls if "+" in (c.digest or "")}
        written = []
        for dep in deps:
            if dep.kind not in FILES:
                continue
            is_written = dep.name in surely or self._is_written(dep)
            if dep.name in named or dep.name in self._marked or is_written:
                left[dep.name] = dep.digest
            if is_written or self._may_be_written(dep):
                written.append(Dep(WRITTEN, dep.name, dep.digest))
        return [*self._left(left, result), *written]

    def _left(self, left: dict[str, str | None], result: str) -> list[Dep]:
        if not left:
            return []
        for old in self.older:
            if old.result == result and _leaves(old, left):
                return [d for d in old.deps if d.kind in LEFT]
        return [Dep(OUTPUT, name, digest) for name, digest in left.items()]

    def _is_written(self, dep: Dep) -> bool:
        """Whether it surely was, by its state before."""
        if dep.name in self._before:
            return self._before[dep.name] != self._state(dep.name)
        if dep.name not in self._stats or dep.digest is None or dep.digest[:4] == "dir:":
            return False
        return self._stats[dep.name] != self._identity(dep.name)

    def _may_be_written(self, dep: Dep) -> bool:
        """Whether it may have been, by the clock, or was by an older run that found it as it is."""
        if dep.digest is None or Dep(WRITTEN, dep.name, dep.digest) in self._written:
            return dep.digest is not None
        is_folder = dep.digest[:4] == "dir:"
        if dep.name in self._before or (dep.name in self._stats and not is_folder):
            return False
        path = os.path.join(self._cwd, dep.name)
        return self._is_late(path) or (is_folder and any(map(self._is_late, _members(path))))

    def _is_late(self, path: str) -> bool:
        """Whether a file changed since the run began; in doubt, yes.

        A local system of files that goes by ticks writes the very time of the tick; another one an exact time.
        """
        st = self._stat(path)
        if st is None:
            return False
        last = st.st_mtime_ns if os.name == "nt" else st.st_ctime_ns  # which nobody can set
        if last >= self._began or last == self._tick:  # the same tick: nobody can tell
            return True
        is_exact = last % _SECOND and self._files.mounts.is_local(st.st_dev, path)
        return not is_exact and last >= self._began - YOUNG


def _file_clocks() -> tuple[int, int]:
    """What a file that is written now has as its time, where those go by ticks, and at the earliest elsewhere."""
    try:
        return time.clock_gettime_ns(_COARSE), time.time_ns()
    except (AttributeError, OSError):
        return 0, time.time_ns() - _TICK


def _members(path: str) -> Iterator[str]:
    """What is below a folder, not all of it if that is very much."""
    left = _MEMBERS
    for folder, folders, names in os.walk(path):
        for name in (*folders, *names):
            left -= 1
            if left < 0:
                return
            yield os.path.join(folder, name)


def _leaves(old: Trace, left: dict[str, str | None]) -> bool:
    """Whether an older run left exactly this."""
    marked = {d.name: d.digest for d in old.deps if d.kind in LEFT}
    known = {d.name: d.digest for d in (*old.deps, *old.calls) if d.kind not in LEFT} | marked
    return marked.keys() <= left.keys() and all(n in known and known[n] == digest for n, digest in left.items())
