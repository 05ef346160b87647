"""Canonical forms of what pickle refuses, by its parts: an object with a lock, a file, a thread, a weak reference.

Of such an object all parts count that have a digest, and the code of its class; what is left is noted in
`References.unseen` by its type.  Only for what code reads by a name: an argument without a digest is no argument of a
cached call.  Loaded when there is such a value.
"""

from __future__ import annotations

import copyreg
import gc
import re
import sys
from _contextvars import Context, ContextVar
from types import CellType, FunctionType, MethodType

from cachepy.values.builtin_normalizers import attributes_of, has_attributes, object_rule
from cachepy.values.modules import PACKAGE, USER
from cachepy.values.references import digest_bytes, form, module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.values.writing import ValuePickler

UNSET = "<unset>"
# what objects of these modules keep says which process, thread or handle it is; whose names no result depends on
_HARMLESS = frozenset({
    "_thread", "threading", "logging", "_contextvars", "contextvars", "concurrent", "weakref", "_weakref", "asyncio",
    "_asyncio", "_weakrefset", "cachepy", "dask_plugin",
})  # fmt: skip
_HANDLES = _HARMLESS | {
    "_io", "_queue", "_socket", "_sqlite3", "_ssl", "mmap", "multiprocessing", "queue", "select", "selectors", "socket",
    "socketserver", "sqlite3", "ssl", "subprocess", "tempfile",
}  # fmt: skip


def form_beside(obj: Any, pickler: ValuePickler) -> Any:
    """The form of an object that pickle refuses as a rule, and of which all can be seen; else None."""
    cls = type(obj)
    for base in cls.__mro__:
        rule = _KNOWN.get((module_of(base), base.__qualname__))
        if rule is not None:
            return form("known", _class_of(obj, pickler), rule(obj, pickler), _own_state(obj, pickler))
    is_handle = _handle_of(cls) is not None and pickler.digester.rule_for(cls)[0] is object_rule
    return form_of_parts(obj, pickler) if is_handle else None


def reduced(obj: Any) -> Any:
    """What pickle would write of an object; raises what pickle raises."""
    maker = copyreg.dispatch_table.get(type(obj))
    result = obj.__reduce_ex__(3) if maker is None else maker(obj)
    if isinstance(result, str) and not _is_global(obj, result):
        raise TypeError(f"{result} does not lead to it")
    return result


def _is_global(obj: Any, name: str) -> bool:
    at: Any = sys.modules.get(getattr(obj, "__module__", None) or "builtins")
    for part in name.split("."):
        at = getattr(at, part, None)
    return at is obj


def form_of_parts(obj: Any, pickler: ValuePickler) -> Any:
    """The form of any other object: its type, its attributes, and the code in it; notes what cannot be seen.

    What a package keeps in an object that cannot be stored (a client, an engine, an application) is its own affair, and
    another in each process: of such an object only what the user's class adds counts.
    """
    inside = [each for each in gc.get_referents(obj) if isinstance(each, (FunctionType, MethodType))]
    if _handle_of(type(obj)) is not None or not has_attributes(type(obj)) or _is_of_package(type(obj), pickler):
        _note(type(obj), pickler)
        return form("opaque", _class_of(obj, pickler), _own_state(obj, pickler), inside)
    return form("parts", _class_of(obj, pickler), attributes_of(obj), _content(obj), inside)


def _is_of_package(cls: type, pickler: ValuePickler) -> bool:
    return any(pickler.digester.kind_of(base) == PACKAGE for base in cls.__mro__)


def _note(cls: type, pickler: ValuePickler) -> None:
    unseen = pickler.found.unseen
    if unseen is not None and not is_harmless(cls):
        unseen.append(f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins."))


def is_harmless(cls: type) -> bool:
    """Whether objects of a class say nothing about a result: locks, pools and the like."""
    return _handle_of(cls) in _HARMLESS


def _handle_of(cls: type) -> str | None:
    """The module of Python's own that a handle is of."""
    tops = (module_of(base).partition(".")[0] for base in cls.__mro__)
    return next((top for top in tops if top in _HANDLES), None)


def _class_of(obj: Any, pickler: ValuePickler) -> Any:
    """The class, whose code counts; by its name where it is no code of the user's: not all can be found by it."""
    cls = type(obj)
    is_own = pickler.digester.kind_of(cls) == USER
    return cls if is_own else f"{cls.__module__}.{cls.__qualname__}"


def _content(obj: Any) -> Any:
    """What a container holds beside its attributes."""
    kind: Any
    if isinstance(obj, dict):
        return list(dict.items(obj))
    for kind in (list, tuple, set, frozenset, str, bytes, bytearray, int, float, complex):
        if isinstance(obj, kind):
            return kind(obj)
    return None


def _own_state(obj: Any, pickler: ValuePickler) -> list[tuple[str, Any]]:
    """Of a handle whose class the user derived: the attributes that are not private, or that its code names."""
    kind_of = pickler.digester.kind_of
    own = [base for base in type(obj).__mro__ if kind_of(base) == USER]
    if not own:
        return []
    named = {name for base in own for each in vars(base).values() for name in _names_in(each)}
    return [(name, value) for name, value in attributes_of(obj) if name in named or name[:1] != "_"]


def _names_in(member: Any) -> tuple[str, ...]:
    code = getattr(getattr(member, "fget", member), "__code__", None)
    return () if code is None else code.co_names


# -- what can be seen of some


def _weak_rule(ref: Any, _: ValuePickler) -> Any:
    return ref()


def _weak_items(table: Any, _: ValuePickler) -> Any:
    return list(table.items())


def _weak_set(items: Any, _: ValuePickler) -> Any:
    return frozenset(items)


def default_of(variable: ContextVar[Any]) -> Any:
    """What a context variable gives where nobody has set it."""
    try:
        return Context().run(variable.get)
    except LookupError:
        return UNSET


def _variable_rule(variable: ContextVar[Any], _: ValuePickler) -> Any:
    return variable.name, variable.get(UNSET), default_of(variable)


def _generator_rule(obj: Any, pickler: ValuePickler) -> Any:
    """Where a generator stands, and the code with all that it reaches, as of a function."""
    code, frame = (next(getattr(obj, f"{kind}_{name}") for kind in _FLOWS if hasattr(obj, f"{kind}_{name}"))
                   for name in ("code", "frame"))  # fmt: skip
    if frame is None:
        return "ended"
    there = dict(frame.f_locals)
    cells = tuple(CellType(there[name]) if name in there else CellType() for name in code.co_freevars)
    made = FunctionType(code, frame.f_globals, "<generator>", None, cells)
    made.__qualname__ = "<generator>"
    return code.co_qualname, pickler.digester.code_of(made), frame.f_lasti, there


def _file_rule(file: Any, pickler: ValuePickler) -> Any:
    _note(type(file), pickler)
    name = getattr(file, "name", None)
    temporary = sys.modules.get("tempfile")
    if type(name) is not str or (temporary is not None and name.startswith(temporary.gettempdir())):
        name = None  # not the same in another process
    return name, getattr(file, "mode", None)


def _fleeting_rule(obj: Any, pickler: ValuePickler) -> Any:
    """What is another in each process: the name of a temporary file, a frame."""
    _note(type(obj), pickler)


def _thread_rule(thread: Any, _: ValuePickler) -> Any:
    """What it would run; one that has begun forgets it in its own time."""
    names = ("_target", "_args", "_kwargs", "function", "args", "kwargs", "interval") if thread.ident is None else ()
    is_own = not _NUMBERED(thread.name)  # others are counted through the process
    return thread.name if is_own else None, thread.daemon, [getattr(thread, name, None) for name in names]


def _async_future_rule(future: Any, _: ValuePickler) -> Any:
    return (future._exception, future._result) if future.done() else "pending"


def _view_rule(view: Any, _: ValuePickler) -> Any:
    return list(view)


def _cell_rule(cell: Any, _: ValuePickler) -> Any:
    try:
        return [cell.cell_contents]
    except ValueError:
        return []


def _match_rule(found: Any, _: ValuePickler) -> Any:
    return found.re, found.string, found.pos, found.endpos, found.regs


def _pointer_rule(pointer: Any, _: ValuePickler) -> Any:
    return [pointer.contents] if pointer else []


def _field_rule(field: Any, _: ValuePickler) -> Any:
    return field.offset, field.size


def _flat_rule(flat: Any, _: ValuePickler) -> Any:
    return flat.base, flat.index


def _flags_rule(flags: Any, _: ValuePickler) -> Any:
    return str(flags)


def _future_rule(future: Any, pickler: ValuePickler) -> Any:
    if not future.done():
        if pickler.found.unseen is not None:
            pickler.found.unseen.append("concurrent.futures.Future")  # what will be its value
        return "pending"
    return "cancelled" if future.cancelled() else (future.exception(), future.exception() or future.result())


def _local_rule(local: Any, _: ValuePickler) -> Any:
    """What this thread sees in it and has a digest: connections and the like are made when they are first needed."""
    return [(name, value) for name, value in sorted(vars(local).items()) if _handle_of(type(value)) is None]


def _wrapt_rule(proxy: Any, _: ValuePickler) -> Any:
    """What it stands for, and the decorator's own function."""
    return [proxy.__wrapped__, *(each for each in gc.get_referents(proxy) if isinstance(each, FunctionType))]


def _part(*names: str) -> Callable[[Any, ValuePickler], Any]:
    return lambda obj, _: [getattr(obj, name, None) for name in names]


def _hash_rule(made: Any, _: ValuePickler) -> Any:
    return made.name, made.digest() if made.digest_size else made.copy().digest(32)


def _inside_rule(obj: Any, _: ValuePickler) -> Any:
    return [each for each in gc.get_referents(obj) if callable(each) and each is not type(obj)]


_NUMBERED = re.compile(r"(Thread|Dummy|MainThread)(-\d+)?( \(.*\))?|.*[-_]\d+").fullmatch
_VIEWS = "dict_keys", "dict_values", "dict_items", "odict_keys", "odict_values", "odict_items"
_FLOWS = "gi", "cr", "ag"
_HOOKS = "object_hook", "object_pairs_hook"
_FILES = "TextIOWrapper", "BufferedReader", "BufferedWriter", "BufferedRandom", "FileIO"
_HASHES = (
    ("_hashlib", "HMAC"), ("_hashlib", "HASH"), ("_hashlib", "HASHXOF"), ("_blake2", "blake2b"), ("_blake2", "blake2s"),
)  # fmt: skip
_KNOWN: dict[tuple[str, str], Callable[[Any, ValuePickler], Any]] = {
    ("weakref", "ReferenceType"): _weak_rule,
    ("weakref", "WeakValueDictionary"): _weak_items,
    ("weakref", "WeakKeyDictionary"): _weak_items,
    ("_weakrefset", "WeakSet"): _weak_set,
    (ContextVar.__module__, "ContextVar"): _variable_rule,
    ("builtins", "generator"): _generator_rule,
    ("builtins", "coroutine"): _generator_rule,
    ("builtins", "async_generator"): _generator_rule,
    ("builtins", "frame"): _fleeting_rule,
    ("builtins", "traceback"): _fleeting_rule,
    ("threading", "Event"): _part("_flag"),
    ("threading", "Semaphore"): _part("_value", "_initial_value"),
    ("threading", "Barrier"): _part("_parties"),
    ("threading", "Thread"): _thread_rule,
    ("queue", "Queue"): lambda obj, _: (obj.maxsize, list(obj.queue)),
    ("asyncio.locks", "Event"): _part("_value"),
    ("asyncio.locks", "Semaphore"): _part("_value"),
    ("concurrent.futures._base", "Future"): _future_rule,
    ("subprocess", "Popen"): _part("args"),
    ("tempfile", "_TemporaryFileWrapper"): _fleeting_rule,
    ("tempfile", "SpooledTemporaryFile"): _fleeting_rule,
    ("tempfile", "TemporaryDirectory"): _fleeting_rule,
    ("mmap", "mmap"): lambda obj, _: digest_bytes(obj[:]),
    ("_asyncio", "Future"): _async_future_rule,
    ("asyncio.futures", "Future"): _async_future_rule,
    ("logging", "Handler"): _part("level", "formatter"),
    ("builtins", "cell"): _cell_rule,
    ("re", "Match"): _match_rule,
    ("_json", "Scanner"): _part(*(f"parse_{each}" for each in ("float", "int", "constant")), *_HOOKS, "strict"),
    ("_json", "Encoder"): _part("default", "encoder", "indent", "key_separator", "item_separator", "sort_keys"),
    ("_ctypes", "_Pointer"): _pointer_rule,
    ("_ctypes", "CField"): _field_rule,
    ("numpy", "flatiter"): _flat_rule,
    **{(f"numpy{place}", "flagsobj"): _flags_rule for place in ("", "._core.multiarray", ".core.multiarray")},
    ("pyarrow._compute", "FunctionOptions"): lambda obj, _: str(obj),
    **{("builtins", name): _view_rule for name in _VIEWS},
    ("functools", "KeyWrapper"): _inside_rule,
    ("_thread", "_local"): _local_rule,
    ("_wrappers", "ObjectProxy"): _wrapt_rule,
    ("wrapt.wrappers", "ObjectProxy"): _wrapt_rule,
    **{("_io", name): _file_rule for name in _FILES},
    **dict.fromkeys(_HASHES, _hash_rule),
}
