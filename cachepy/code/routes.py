"""The ways on which code comes to cached functions: which of them a run may have used without calling them.

Behind something that remembers (`functools.lru_cache`, a library's memo, an object that does not show its state) only
the first caller calls them; what a body hands to a thread, a queue or a process, others call for it.  The walk notes
each step; `Routes` is what follows from them.
"""

from __future__ import annotations

from cachepy.code.members import FUNCTION, MODULE
from cachepy.code.names_used import HANDS, PUTS, TAKES
from cachepy.values.bound_methods import info_of
from cachepy.values.modules import USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType
    from typing import Any, Protocol

    from cachepy.code.names_used import CodeFacts
    from cachepy.values.modules import Origins

    class Found(Protocol):
        """What digesting a value came across (see `builtin_normalizers`)."""

        calls: set[str]
        memos: list[Any]
        packages: set[str]
        kinds: set[type]

        @property
        def code(self) -> list[Any]: ...

COUNTED, HIDDEN, LIBRARY = "counted", "hidden", "library"
_TAKES_WORK = (
    "submit", "put", "put_nowait", "apply_async", "call_soon_threadsafe", "run_in_executor", "notify_all", "sendall",
    "send_bytes",
)  # fmt: skip
_PIPE = frozenset({"os.write", "os.read"})
_HAND_ON = ({HANDS}, {PUTS, TAKES}, _PIPE)  # what code does that asks a thread by way of plain data
_SIGNALS = frozenset({"Event", "Barrier"})
_ELSEWHERE = frozenset({
    "multiprocessing", "concurrent", "subprocess", "joblib", "loky", "multiprocess", "billiard", "pathos", "mpi4py",
    "ray", "dask", "distributed", "dask_plugin", "sklearn",
})  # fmt: skip
_KEEPS = frozenset({("_thread", "_local"), ("weakref", "WeakValueDictionary"), ("weakref", "WeakKeyDictionary")})


class Memo:
    """Something that remembers, with the cached functions and the code behind it.

    kind: COUNTED tells by `count` whether it gave what it remembered; HIDDEN holds what this process gave it;
    LIBRARY may keep it on disk.
    """

    __slots__ = ("calls", "codes", "count", "kind")

    def __init__(
        self, kind: str, count: Callable[[], Any] | None, calls: frozenset[str], codes: frozenset[CodeType]
    ) -> None:
        self.kind = kind
        self.count = count
        self.calls = calls
        self.codes = codes


class Routes:
    """What the steps of a walk come to.

    calls: the cached functions that are reached; codes: all code; takes_work: whether there is an object that takes
    work; puts: whether something is put where a thread may take it; elsewhere: whether work may go to other processes.
    """

    __slots__ = ("calls", "codes", "elsewhere", "memos", "puts", "takes_work")

    def __init__(
        self,
        calls: frozenset[str] = frozenset(),
        memos: tuple[Memo, ...] = (),
        codes: frozenset[CodeType] = frozenset(),
        *,
        takes_work: bool = False,
        puts: bool = False,
        elsewhere: bool = False,
    ) -> None:
        self.calls = calls
        self.memos = memos
        self.codes = codes
        self.takes_work = takes_work
        self.puts = puts
        self.elsewhere = elsewhere

    @property
    def hands_on(self) -> bool:
        """Whether a thread that was there before may get work from here."""
        return self.takes_work or self.puts

    def plus(self, others: Iterable[Routes]) -> Routes:
        """All of them as one."""
        every = [self, *others]
        return Routes(
            frozenset([call for each in every for call in each.calls]),
            tuple([memo for each in every for memo in each.memos]),
            frozenset([code for each in every for code in each.codes]),
            takes_work=any(each.takes_work for each in every),
            puts=any(each.puts for each in every),
            elsewhere=any(each.elsewhere for each in every),
        )


NONE = Routes()


class Steps:
    """The steps of one walk, from what is visited to what it refers to; a text is a cached function."""

    def __init__(self) -> None:
        self.at: object = None
        self.takes_work = self.elsewhere = False
        self._uses: set[str] = set()  # of what lives longer than a body
        self.aside: list[type] = []  # classes of objects that do not count, and so are not walked
        self._next: dict[object, list[object]] = {}
        self._codes: dict[object, CodeType] = {}
        self._memos: dict[object, tuple[str, Callable[[], Any] | None]] = {}
        self._calls: set[str] = set()

    def to(self, node: object) -> None:
        """From what is visited to an object, by its id."""
        self._next.setdefault(self.at, []).append(node)

    def call(self, identity: str) -> None:
        """To a cached function."""
        self._calls.add(identity)
        self.to(identity)

    def visit(self, node: object, code: CodeType | None) -> None:
        """What comes next are steps from here."""
        self.at = node
        if code is not None:
            self._codes[node] = code

    def enter(self, node: object, kind: str, count: Callable[[], Any] | None = None) -> object:
        """Into something that remembers, which lies where the walk is; returns where that was."""
        before, self.at = self.at, ("memo", node)
        self._next.setdefault(before, []).append(self.at)
        self._memos[self.at] = kind, count
        return before

    def found(self, obj: object, found: Found) -> object:
        """To the code that a value refers to: what follows are steps from there; returns where the walk was."""
        self.leads_out(type(obj).__module__)
        self.takes_work = self.takes_work or any(map(_takes_work, (type(obj), *found.kinds)))
        is_library = found.packages and (found.code or found.calls)
        before = self.enter(id(obj), LIBRARY) if is_library else self.at
        for identity in found.calls:
            self.call(identity)
        for memo in found.memos:
            at, inner = self.enter(id(memo), COUNTED, info_of(memo)), memo.__wrapped__
            mark = vars(inner).get("__cachepy__") if hasattr(inner, "__dict__") else None
            self.to(id(inner) if mark is None else mark.target.identity)
            self.at = at
        return before

    def remembers(self, kind: str) -> None:
        """What is visited may itself hold what it was given before."""
        self._memos.setdefault(self.at, (kind, None))

    def hidden(self, obj: object) -> None:
        """An object whose state is not looked at."""
        cls = type(obj)
        self.leads_out(cls.__module__)
        self.takes_work = self.takes_work or _takes_work(cls)
        if cls.__module__.partition(".")[0] not in _QUIET or (cls.__module__, cls.__name__) in _KEEPS:
            self.remembers(HIDDEN)

    def use(self, fn: Any, facts: CodeFacts, origins: Origins) -> None:
        """Note what code puts where a thread that was there may take it, and what it takes out of such a place.

        A module of a library has functions of the names that say so, as in ``np.append``.
        """
        scope, cells = fn.__globals__, fn.__code__.co_freevars
        for name, uses in facts.uses.items():
            obj = scope.get(name)
            is_library = isinstance(obj, (type, FUNCTION, MODULE)) and origins.of(obj) != USER
            if name in cells or (name in facts.names and not is_library):
                self._uses |= uses
        self._uses |= _PIPE.intersection([f"os.{chain[0]}" for chain in facts.global_chains.get("os", ()) if chain])

    def leads_out(self, module: str | None) -> None:
        """Code of a module that is not the user's."""
        if (module or "").partition(".")[0] in _ELSEWHERE:
            self.elsewhere = True

    def routes(self, aside: Iterable[Routes]) -> Routes:
        """What follows from all steps; aside: what is reached from the classes that were left aside."""
        memos = [self._memo(node, *found) for node, found in self._memos.items()]
        memos += [Memo(HIDDEN, None, each.calls, each.codes) for each in aside]
        return Routes(
            frozenset(self._calls),
            tuple([memo for memo in memos if memo.calls or memo.codes]),
            frozenset(self._codes.values()),
            takes_work=self.takes_work,
            puts=any(self._uses.issuperset(each) for each in _HAND_ON),
            elsewhere=self.elsewhere,
        )

    def codes_from(self, starts: Iterable[object]) -> frozenset[CodeType]:
        """The code of these nodes, of what remembers, and of all that is reached from there."""
        seen = self._seen([*starts, *self._memos])
        return frozenset([self._codes[node] for node in seen if node in self._codes])

    def _seen(self, starts: Iterable[object]) -> set[object]:
        todo = list(starts)
        seen = set(todo)
        while todo:
            new = [node for node in self._next.get(todo.pop(), ()) if node not in seen]
            seen.update(new)
            todo += new
        return seen

    def _memo(self, start: object, kind: str, count: Callable[[], Any] | None) -> Memo:
        seen = self._seen([start])
        calls = frozenset([node for node in seen if type(node) is str])
        return Memo(kind, count, calls, frozenset([self._codes[node] for node in seen if node in self._codes]))


def _takes_work(cls: type) -> bool:
    """Whether objects of a class may be how work reaches a thread that was there before."""
    return any(hasattr(cls, name) for name in _TAKES_WORK) or cls.__name__ in _SIGNALS


_QUIET = frozenset({"_thread", "threading", "logging", "_contextvars", "weakref", "_weakref"})
