"""Of which functions only the identity may count, since they did not run, and what a walk reaches without them.

Not of those whose work may be there without their running (behind something that remembers), nor of those that run when
a result is stored or loaded.  And of none where code that ran may have looked at code instead of running it.
"""

from __future__ import annotations

import sys

from cachepy.code.bytecode import decode
from cachepy.code.closed import label_of
from cachepy.code.members import FUNCTION, MODULE, with_inner
from cachepy.code.names_used import HANDS
from cachepy.values.modules import USER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType
    from typing import Any

    from cachepy.code.fingerprint import CodeFingerprint, CodeReader, Target
    from cachepy.code.names_used import CodeFacts
    from cachepy.code.walk import Walk
    from cachepy.values.modules import Origins

    Facts = Callable[[CodeType], CodeFacts]

_MOST = 64  # reaches of one function that are remembered
# Special methods that run only where code of a body runs them; others may run when a result is stored or loaded.
_ONLY_CALLED = frozenset({
    "__init__", "__post_init__", "__call__", "__enter__", "__exit__", "__aenter__", "__aexit__",
})  # fmt: skip
_OWN_STATE = frozenset({
    "__getstate__", "__setstate__", "__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__", "__copy__",
    "__deepcopy__", "__cachepy_digest__", "__dask_tokenize__",
})  # fmt: skip
_PLAIN_BASES = frozenset({("builtins", "object"), ("abc", "ABC"), ("typing", "Generic"), ("typing", "Protocol")})
_WRITERS = frozenset({"environ", "putenv", "setattr", "__setattr__", "set_option"})
_ASKED_OFTEN = frozenset({
    "__name__", "__qualname__", "__dict__", "vars", "__subclasses__", "level", "cwd", "getEffectiveLevel",
    "isEnabledFor",
})  # fmt: skip
_LOOKS_INTO = frozenset({
    "__code__", "__globals__", "__closure__", "__annotations__", "__annotate__", "__defaults__", "__kwdefaults__",
    "__builtins__", "gi_code", "cr_code", "ag_code", "gi_frame", "cr_frame", "ag_frame", "tb_frame", "f_code", "f_back",
    "f_globals", "f_locals", "f_builtins", "_getframe", "_current_frames", "settrace", "setprofile",
    "settrace_all_threads", "setprofile_all_threads", "monitoring", "get_objects", "get_referrers", "get_referents",
    "get_type_hints", "get_annotations", "reload", "system", "popen", "posix_spawn", "posix_spawnp", "startfile",
    "CodeType",
})  # fmt: skip
_RUNS_TEXTS = frozenset({"eval", "exec", "compile", "help"})
_INSPECTORS = frozenset({
    "inspect", "dis", "linecache", "tokenize", "ast", "symtable", "pydoc", "doctest", "trace", "pdb", "bdb", "cProfile",
    "profile", "code", "codeop", "runpy", "unittest", "marshal", "ctypes", "cffi", "pyclbr", "py_compile", "compileall",
    "zipimport", "tracemalloc", "interpreters", "_interpreters", "_xxsubinterpreters", "modulefinder", "pickletools",
    "subprocess", "multiprocessing", "concurrent", "venv", "idlelib", "opcode", "annotationlib", "_testcapi",
})  # fmt: skip
_RUN_ONLY = frozenset({  # packages that run the functions which they are given, and look at nothing else of them
    "numpy", "pandas", "pyarrow", "scipy", "h5py", "openpyxl", "yaml", "dateutil", "python-dateutil", "pytz", "tzdata",
    "six", "packaging", "tqdm", "PIL", "pillow", "xxhash", "orjson", "ujson", "lxml", "tabulate", "numexpr",
})  # fmt: skip


class Closable:
    """Which functions of a walk may be closed: labels, each with its code objects."""

    def __init__(self, walk: Walk, root: Any, facts: Facts) -> None:
        self.labels: dict[str, set[CodeType]] = {}
        classes = walk.asked.classes
        if walk.ignore or any(not _OWN_STATE.isdisjoint(vars(cls)) for cls in classes):
            return  # what was left there before cannot be seen
        kept = walk.steps.codes_from([id(each) for each in self._kept(walk, facts)])
        left = set[str]()
        for fn in walk.asked.functions:
            label = label_of(fn)
            self.labels.setdefault(label, set()).add(fn.__code__)
            if fn is root or fn.__code__ in kept:
                left.add(label)
        for label in left:
            del self.labels[label]

    def _kept(self, walk: Walk, facts: Facts) -> Iterable[Any]:
        """Functions that count with all that they reach, whether they run or not."""
        import copyreg

        for cls in walk.asked.classes:
            is_plain = _is_plain(cls, walk.origins)
            for name, member in vars(cls).items():
                if not is_plain or (name[:2] == name[-2:] == "__" and name not in _ONLY_CALLED):
                    yield from _functions_in(member)
            yield copyreg.dispatch_table.get(cls)
        for fn in walk.asked.functions:
            if _is_writer(fn, facts(fn.__code__), walk.origins):
                yield fn

    def not_run(self, ran: set[int], is_told: Callable[[CodeType], bool]) -> frozenset[str]:
        """The labels of those that did not run; is_told: whether it would have been seen if code had run."""
        found = self.labels.items()
        return frozenset([label for label, codes in found if all(id(c) not in ran and is_told(c) for c in codes)])


def _is_plain(cls: type, origins: Origins) -> bool:
    """Whether a class derives from nothing but classes of the user's, so that nobody else calls its methods."""
    others = [each for each in cls.__mro__ if origins.of_class(each) != USER]
    return all((each.__module__, each.__name__) in _PLAIN_BASES for each in others)


def _functions_in(member: Any) -> Iterable[Any]:
    """The functions of a member of a class."""
    inner = getattr(member, "__func__", member)
    parts = (inner.fget, inner.fset, inner.fdel) if isinstance(inner, property) else (inner,)
    for part in parts:
        found = part
        while found is not None:
            yield found
            found = getattr(found, "__dict__", {}).get("__wrapped__")
    func = getattr(inner, "func", None)
    if func is not None:
        yield func


def _is_writer(fn: Any, facts: CodeFacts, origins: Origins) -> bool:
    """Whether code may leave something where no walk sees it: in what belongs to a library, or to the process."""
    if not _WRITERS.isdisjoint(facts.names) or not _WRITERS.isdisjoint(facts.attributes):
        return True
    for name, uses in facts.uses.items():
        obj = fn.__globals__.get(name)
        if HANDS in uses and isinstance(obj, (type, FUNCTION, MODULE)) and origins.of(obj) != USER:
            return True
    others = [each for each in facts.imports if _is_others(each.name, origins)]
    return bool(others) and any(op == "STORE_ATTR" for code in with_inner([fn.__code__]) for op, *_ in decode(code)[0])


def _is_others(module: str, origins: Origins) -> bool:
    """Whether an import binds a module that is not the user's."""
    loaded = sys.modules.get(module)
    return loaded is not None and origins.of_module(loaded) != USER


def looks_into_code(reaches: Iterable[CodeFingerprint], facts: Facts) -> bool:
    """Whether code that ran may have looked at other code instead of running it, or handed it to somebody who does."""
    for reach in reaches:
        if any(piece.cue == "package" and piece.name not in _RUN_ONLY for piece in reach.pieces):
            return True
        if any(piece.cue == "global" and _is_inspector(piece.digest) for piece in reach.pieces):
            return True
        for fn in reach.functions:
            if _looks_into(fn, facts(fn.__code__)):
                return True
    return False


def _is_inspector(digest: str) -> bool:
    """Whether a name is bound to something of a module that looks at code: see `bound_piece`."""
    return digest[:1] == "=" and digest[1:].partition(":")[0].partition(".")[0] in _INSPECTORS


def _looks_into(fn: Any, facts: CodeFacts) -> bool:
    if facts.loose_imports or facts.loose_modules or facts.asks - _ASKED_OFTEN:
        return True
    if not _INSPECTORS.isdisjoint(each.name.partition(".")[0] for each in facts.imports):
        return True
    if any(not _LOOKS_INTO.isdisjoint(code.co_names) for code in with_inner([fn.__code__])):
        return True
    if not _LOOKS_INTO.isdisjoint(facts.texts) or not _RUNS_TEXTS.isdisjoint(facts.names):
        return True
    for name in facts.names:
        obj = fn.__globals__.get(name)
        home = obj.__name__ if isinstance(obj, MODULE) else getattr(obj, "__module__", None)
        if type(home) is str and home.partition(".")[0] in _INSPECTORS:
            return True
    return False


class Known:
    """What is known of a cached function: its reaches with some functions closed, and which ones may be."""

    __slots__ = ("_closable", "_guard", "_reader", "_target", "reaches")

    def __init__(self, reader: CodeReader, target: Target) -> None:
        self._reader, self._target = reader, target
        self.reaches: dict[frozenset[str], CodeFingerprint] = {}
        self._closable: Closable | None = None
        self._guard: Callable[[], bool] = bool

    def is_of(self, reader: CodeReader) -> bool:
        """Whether it was made for this session."""
        return self._reader is reader

    def closable(self) -> Closable:
        """As it is now."""
        if self._closable is None or not self._guard():
            walk = self._reader.walked(self._target)
            self._closable = Closable(walk, self._target.fn, self._reader.facts)
            self._guard = walk.guard.build()
        return self._closable


def known_of(reader: CodeReader, target: Target) -> Known:
    """What is known of a cached function, remembered with it."""
    known: Known | None = target.closed
    if known is None or not known.is_of(reader):
        known = target.closed = Known(reader, target)
    return known


def closed_reach(reader: CodeReader, target: Target, closed: frozenset[str]) -> CodeFingerprint:
    """All that a cached function reaches, where of some functions only the identity counts."""
    reaches = known_of(reader, target).reaches
    reach = reaches.get(closed)
    if reach is None or not reach.guard():
        if len(reaches) >= _MOST:
            reaches.clear()
        reach = reaches[closed] = reader.walk(target, closed)
    return reach
