"""A cache directory as a command sees it: opened without changing anything, and calls found by what people type.

Each command works in a State of its own.  Graph and session are loaded when a
directory is opened: `cachepy --help` needs neither.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from functools import cached_property

from cachepy.cli import words
from cachepy.cli.console import WrongUse
from cachepy.cli.finding import place
from cachepy.cli.mistakes import similar
from cachepy.staleness.named_calls import DIGITS, by_digest, exact
from cachepy.store.files import Files
from cachepy.store.stat_cache import ReadMemo
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cachepy.calls.state import State
    from cachepy.core.model import Event

_SHOWN = 8  # calls that a message about an ambiguous name lists


class Opened:
    """A cache directory and the session that looks at it."""

    def __init__(self, root: str, session: State) -> None:
        self.root = root
        self.session = session
        self.unimported: dict[str, str] = {}  # module -> why it could not be imported

    @cached_property
    def events(self) -> Mapping[str, Event]:
        """What the graph holds, by id; not every command asks."""
        from cachepy.graph.graph import Unpacked

        return Unpacked(self.session.graph.rows())

    @property
    def ids(self) -> Iterable[str]:
        """The ids of all calls."""
        return self.session.graph.rows().keys()

    def find(self, name: str) -> list[str]:
        """The calls that a name means; a usage error if there is none."""
        found = self.meant(name)
        if not found:
            raise WrongUse(self._unknown(name))
        return found

    def meant(self, name: str) -> list[str]:
        """The calls that a name means: an id, the start of a digest, a function's name or a label; maybe none."""
        return exact(self.events, name) or self._by_digest(name)

    def find_one(self, name: str) -> str:
        """The call that a name means; a usage error lists them if they are several."""
        found = self.find(name)
        if len(found) > 1:
            number = humanize.count(len(found), "call")
            raise WrongUse(f"{name!r} has {number}; name one of them:{self._list(found)}")
        return found[0]

    def label(self, call: str) -> str:
        event = self.events.get(call)
        return call if event is None else event.title

    def _by_digest(self, name: str) -> list[str]:
        found = by_digest(self.events, name)
        if len(found) > 1:
            number = humanize.count(len(found), "call")
            raise WrongUse(f"{name!r} is ambiguous: {number} start with it:{self._list(found)}")
        return found

    def near(self, name: str) -> str:
        """A question after functions of similar names; empty if there are none."""
        return similar(name, {e.fname for e in self.events.values()})

    def _unknown(self, name: str) -> str:
        hint = self.near(name) if self.events else ": no calls are recorded there"
        way = f"Name a call by its id, by the first digits of its id (at least {DIGITS}), or by its function."
        return f"no call {name!r} in {self.root}{hint}\n{way}"

    def _list(self, calls: list[str]) -> str:
        lines = [f"\n  {call}  {words.clean(self.label(call))}" for call in calls[:_SHOWN]]
        return "".join(lines) + (f"\n  and {len(calls) - _SHOWN:,} more" if len(calls) > _SHOWN else "")

    def below(self, roots: Iterable[str]) -> set[str]:
        """These calls and all that they depend on: calls below, and those whose results they take."""
        graph, todo, seen = self.session.graph, list(roots), set[str]()
        while todo:
            call = todo.pop()
            node = None if call in seen else graph.node(call)
            seen.add(call)
            if node is not None:
                todo += [*node["children"], *node["inputs"].values()]
        return seen & self.events.keys()


@contextmanager
def session_at(root: str, *, writes: bool = False) -> Iterator[State]:
    """A session of its own for one directory, which writes nothing unless it is told that calls will run."""
    from cachepy.calls.state import use_session
    from cachepy.session import Session

    session = Session()
    if not writes:
        session.files = Files(ReadMemo())
    session.files.memo_file = session.store(root).memo_file
    with use_session(session):
        yield session


@contextmanager
def opened(cache_dir: str | None, say: Callable[[str], None], *, writes: bool = False) -> Iterator[Opened]:
    """The graph of a cache directory in memory; `say` is told what was not as it should be."""
    root = place(cache_dir, say)
    with session_at(root, writes=writes) as session:
        cache = Opened(root, session)
        gc.disable()  # while very many records are made that all stay
        try:
            _read(session, root, say)
        finally:
            gc.freeze()
            gc.enable()
        yield cache


def _read(session: State, root: str, say: Callable[[str], None]) -> None:
    """Into the graph: what its file records, and what the entries record besides: it may be gone, cut, or damaged."""
    from cachepy.graph.missing_records import read_graph

    read = read_graph(session.graph, session.store(root))
    calls = humanize.count(read.lacking, "call")
    way = "they were added to it" if read.added else "`cachepy repair` adds them"
    if read.whole is not None and read.damaged:
        whole = humanize.count(read.whole, "whole record")
        say(f"warning: {root}: graph.pkl is damaged; {whole} and the entries were read: `cachepy repair` rebuilds it")
    elif read.whole is None and read.lacking:
        say(
            f"warning: {root}: there is no graph.pkl; the calls were read from the entries"
            f"{' and added to a new one' if read.added else ''}: `cachepy repair` rebuilds it"
        )
    elif read.lacking:
        say(
            f"warning: {root}: graph.pkl lacked {calls}, which were read from the entries; {way} "
            f"(`cachepy repair` rebuilds the whole file)"
        )
