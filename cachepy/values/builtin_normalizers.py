"""Rules: one for each kind of object of Python's own that pickle would not write canonically.

A rule returns a `form`, which is written instead of the object, and notes in `References` what it came
across.  It never imports the libraries whose values it digests (see `library_normalizers`, `type_hints`).
"""

from __future__ import annotations

import copyreg
import sys

from cachepy.errors import UndigestableError
from cachepy.values.bound_methods import plain
from cachepy.values.modules import USER, canonical, canonical_name, find, lasting, module_name
from cachepy.values.references import (
    cells_of,
    digest_bytes,
    form,
    is_cache,
    is_exported,
    members_of_class,
    module_of,
    name_of,
)
from cachepy.values.stand_ins import original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cachepy.values.writing import Rule, ValuePickler

_FUNCTION = type(lambda: None)
_MODULE = type(copyreg)
_BUILTINS = vars(sys.modules["builtins"])
_PROXY = type(vars(type))
_NAMES = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()


def once(rule: Rule) -> Rule:
    """The rule, whose form is remembered: many parts of a value may share one large object."""

    def remembered(obj: Any, pickler: ValuePickler) -> Any:
        known = pickler.found.known
        if id(obj) not in known:
            known[id(obj)] = obj, rule(obj, pickler)
        return known[id(obj)][1]

    return remembered


def once_read(rule: Rule, size: Callable[[Any], int]) -> Rule:
    """The same for data, of which `References.again` tells how much need not be read again."""
    remembered = once(rule)

    def counted(obj: Any, pickler: ValuePickler) -> Any:
        found = pickler.found
        if id(obj) in found.known:
            found.again += size(obj)
        return remembered(obj, pickler)

    return counted


# -- code


def class_rule(cls: type, pickler: ValuePickler) -> Any:
    """A class goes by its name, unless it is one of Python's own that pickle knows."""
    cls = original(cls)
    if module_of(cls) != "builtins":
        return _named_class(cls, pickler)
    return NotImplemented if _BUILTINS.get(cls.__name__) is cls else form("class", "builtins", cls.__qualname__)


@once
def _named_class(cls: type, pickler: ValuePickler) -> Any:
    return _code_form("class", cls, pickler)


def function_rule(fn: Any, pickler: ValuePickler) -> Any:
    """A function goes by its name; what stands for one that is written in C as pickle writes that."""
    first = original(fn)
    if first is fn:
        return _function(fn, pickler)
    name = first.__reduce_ex__(3)
    pickler.renamed.append((f"c{fn.__module__}\n{fn.__qualname__}\n", f"c{first.__module__}\n{name}\n"))
    return fn.__qualname__


@once
def _function(fn: Any, pickler: ValuePickler) -> Any:
    """What a library made around user code counts by that too."""
    made = pickler.digester.origins.of(fn) != USER and _made_around(fn, pickler)
    return made or _code_form("function", fn, pickler)


def _code_form(kind: str, obj: Any, pickler: ValuePickler) -> Any:
    """Code goes by its name, which the trace follows; code without a findable name by its digest."""
    digester = pickler.digester
    name = name_of(obj)
    if digester.origins.of(obj) != USER:
        _note_package(obj, pickler)
        return form(kind, *name)
    if digester.place is not None:
        name = digester.place(*name)
    by_value = digester.code_of(obj)
    if by_value is None:
        pickler.found.add_code(obj)
    elif not by_value:
        pickler.found.calls.add(":".join(name))
    else:
        pickler.found.nameless.append(obj)
    return form(kind, *name, by_value)


def _note_package(obj: Any, pickler: ValuePickler) -> None:
    package = pickler.digester.origins.package(obj)
    if package is not None:
        pickler.found.packages.add(package)


def _made_around(fn: Any, pickler: ValuePickler) -> Any:
    """The form of what a library's decorator made around user code (singledispatch, contextmanager, ...), if any."""
    if "__cachepy__" in vars(fn):  # followed when it is called
        pickler.found.cached.append(fn)
        pickler.found.calls.add(":".join(name_of(fn)))
        return form("function", *name_of(fn), pickler.digester.code_of(fn) or "")
    inner = vars(fn).get("__wrapped__")
    registry = vars(fn).get("registry")
    table = sorted(registry.items(), key=lambda row: name_of(row[0])) if type(registry) is _PROXY else []
    inside = [held for _, held in cells_of(fn) if _is_user_function(held, pickler) and held is not inner]
    if inner is None and not inside:
        return None
    _note_package(fn, pickler)
    rows = [(cls, each) for cls, each in table if each is not inner]
    return form("decorated", fn.__code__.co_qualname, around(fn, inner, pickler), rows, inside)


def around(obj: Any, inner: Any, pickler: ValuePickler) -> Any:
    """What a wrapper wraps: by name if the wrapper stands where the name says, else by value."""
    if not _is_user_function(inner, pickler) or "__cachepy__" in vars(inner) or not _is_found(obj):
        return inner
    pickler.found.add_code(inner)
    return name_of(obj)


def _is_user_function(obj: Any, pickler: ValuePickler) -> bool:
    return type(obj) is _FUNCTION and pickler.digester.origins.of(obj) == USER


def _is_found(obj: Any) -> bool:
    """Whether the object is what its module holds under its name."""
    at: Any = find(canonical(obj.__module__))
    for part in obj.__qualname__.split("."):
        at = plain(getattr(at, "__dict__", {}).get(part))
    return at is obj


def lru_rule(cached: Any, pickler: ValuePickler) -> Any:
    """By the function behind the memo and the limits, never by what it holds."""
    pickler.found.memos.append(cached)
    limits = cached.cache_parameters() if hasattr(cached, "cache_parameters") else None
    return form("lru_cache", around(cached, vars(cached)["__wrapped__"], pickler), limits)


def partial_rule(part: Any, _: ValuePickler) -> Any:
    """Its attributes are None until somebody looks at them, an empty dict from then on."""
    return form("partial", part.func, part.args, part.keywords, vars(part) or None)


def module_rule(module: Any, pickler: ValuePickler) -> Any:
    """A module goes by its name, which the trace follows if it is the user's."""
    if pickler.digester.origins.of(module) == USER:
        pickler.found.add_code(module)
    _note_package(module, pickler)
    return form("module", module_name(module))


def builtin_rule(fn: Any, pickler: ValuePickler) -> Any:
    """A function of a compiled module of the user's counts by that module."""
    fn = original(fn)
    if fn.__module__ in ("io", "_io", "posix", "nt"):  # other functions may stand under its name
        return form("builtin", fn.__module__.lstrip("_"), fn.__qualname__)
    home = getattr(fn, "__self__", None)
    if home is not None and not isinstance(home, (_MODULE, type)) and is_exported(fn, pickler.digester.origins):
        return form("builtin", module_of(type(home)), fn.__qualname__)
    if isinstance(home, _MODULE) and pickler.digester.origins.of_module(home) == USER:
        pickler.found.add_code(home)
    return NotImplemented


def method_kind_rule(method: Any, _: ValuePickler) -> Any:
    """A static or class method by its function."""
    return form(type(method).__name__, method.__func__)


def bound_rule(method: Any, pickler: ValuePickler) -> Any:
    """By its function, which need not be what the object gives for its name."""
    if is_exported(method, pickler.digester.origins):
        return form("method", method.__func__)
    return form("method", method.__func__, method.__self__)


def code_rule(code: Any, pickler: ValuePickler) -> Any:
    """A code object by its normal form."""
    return form("code", pickler.digester.code_of(code))


def proxy_rule(proxy: Any, _: ValuePickler) -> Any:
    """A weak proxy by the object behind it, while that lives."""
    try:
        return form("weak", proxy.__reduce_ex__.__self__)  # what it stands for
    except ReferenceError:
        return form("weak")


def finalizer_rule(final: Any, _: ValuePickler) -> Any:
    """By what it will call, and with what."""
    return form("finalizer", final.peek())


def address_rule(address: Any, pickler: ValuePickler) -> Any:
    """By its text: pickle forgets the scope before Python 3.11.4."""
    if address.scope_id and str(address) not in address.__reduce__()[1]:
        note_dropped(address, ["scope_id"], pickler)
    return form("address", type(address), str(address))


def struct_rule(layout: Any, _: ValuePickler) -> Any:
    """By its format."""
    return form("struct", type(layout), layout.format)


def curry_rule(curried: Any, _: ValuePickler) -> Any:
    """One that was made by a decorator: pickle would write its name."""
    return form("curry", curried.func, curried.args, curried.keywords)


def named_callable_rule(obj: Any, pickler: ValuePickler) -> Any:
    """What a library's decorator made, and pickles by its name: the code that it holds counts, not what it keeps."""
    maker = copyreg.dispatch_table.get(type(obj))
    taken = obj.__reduce_ex__(4) if maker is None else maker(obj)
    if not isinstance(taken, str):
        return NotImplemented
    held = [(name, each) for name, each in attributes_of(obj) if callable(each) and name != "__wrapped__"]
    code = [(name, each) for name, each in held if _is_user_function(each, pickler)]
    inner = around(obj, getattr(obj, "__wrapped__", None), pickler)
    return form("by name", type(obj), taken, inner, [row for row in code if row[1] is not inner])


def private_rule(attribute: Any, _: ValuePickler) -> Any:
    """A private attribute of pydantic, which remembers beside it what it found out."""
    return form("private", attribute.default, attribute.default_factory)


# -- data


def path_rule(path: Any, pickler: ValuePickler) -> Any:
    """A path by its text, which is noted: it names a file."""
    text = str.__str__(path.__fspath__())
    found = pickler.found
    (found.paths if hasattr(type(path), "stat") else found.names).append(text)
    return form("path", type(path).__name__, text)


def own_path_rule(path: Any, pickler: ValuePickler) -> Any:
    """A class that the user derived from Path: its code and its attributes count too."""
    path_rule(path, pickler)
    return form("path", type(path), str.__str__(path.__fspath__()), _own_attributes(path, "pathlib"))


def entry_rule(entry: Any, pickler: ValuePickler) -> Any:
    """An `os.DirEntry`, which does not pickle, and counts by its path."""
    _note_name(entry, pickler)
    return form("path", "DirEntry", entry.path)


def zip_path_rule(path: Any, pickler: ValuePickler) -> Any:
    """A path inside an archive: the archive is the file that counts."""
    if path.root.filename is not None:
        pickler.found.names.append(str(path.root.filename))
    return form("zip path", path.root.filename, path.at)


def named_by(rule: Rule | None) -> Rule:
    """The rule for objects that `open` takes as a path: what they name is noted besides."""

    def noted(obj: Any, pickler: ValuePickler) -> Any:
        _note_name(obj, pickler)
        return NotImplemented if rule is None else rule(obj, pickler)

    return noted


def _note_name(obj: Any, pickler: ValuePickler) -> None:
    try:
        name = obj.__fspath__()
        pickler.found.names.append(name.decode(*_NAMES) if isinstance(name, bytes) else str.__str__(name))
    except Exception:  # code of any class: then it names nothing
        return


def _own_attributes(obj: Any, library: str) -> list[tuple[str, Any]]:
    """What classes outside of a library keep in an object, by name."""
    found = dict(getattr(obj, "__dict__", {}))
    for cls in type(obj).__mro__:
        if not cls.__module__.startswith(library):
            names = cls.__dict__.get("__slots__", ())
            names = [names] if isinstance(names, str) else names
            found.update((name, getattr(obj, name)) for name in names if hasattr(obj, name))
    return sorted(found.items())


def enum_rule(member: Any, _: ValuePickler) -> Any:
    """A member by its name and its value; its class is followed as code."""
    return form("enum", type(member), member._name_, member._value_)


def own_digest_rule(obj: Any, _: ValuePickler) -> Any:
    """By what the class itself gives as its digest."""
    return form("own", type(obj), obj.__cachepy_digest__())


def stand_rule(stand: Any, _: ValuePickler) -> Any:
    """The rule for one of these."""
    return form("given", stand.fn, stand.value)


def tokenize_rule(obj: Any, _: ValuePickler) -> Any:
    """By the token that the user's own class makes."""
    return form("token", type(obj), obj.__dask_tokenize__())


def token_and_state_rule(obj: Any, _: ValuePickler) -> Any:
    """A token that Dask makes of the parts: of arrays it sees neither strides nor where one text ends."""
    return form("token", type(obj), obj.__dask_tokenize__(), attributes_of(obj))


def logger_rule(logger: Any, _: ValuePickler) -> Any:
    """A logger by its name: what it writes is no result."""
    return form("logger", type(logger), canonical_name(logger.name))


def object_rule(obj: Any, _: ValuePickler) -> Any:
    """An instance by its class and its attributes in the order of their names."""
    return (*form("object", type(obj)), state_of(obj))  # as state: it may refer to the object


def state_of(obj: Any) -> list[tuple[str, Any]]:
    """The attributes of a plain instance in the order of their names.

    ``__reduce_ex__`` gathers them, and refuses objects that keep state outside of Python.
    """
    state = obj.__reduce_ex__(4)[2]
    attributes, slots = state if type(state) is tuple else (state, None)
    return sorted({**(attributes or {}), **(slots or {})}.items())


def lazy_rule(lazy: frozenset[str]) -> Rule:
    """An instance some of whose attributes are values of cached properties: filled or not, it is the same."""

    def rule(obj: Any, _: ValuePickler) -> Any:
        return (*form("object", type(obj)), [item for item in state_of(obj) if item[0] not in lazy])

    return rule


def lazy_state_rule(lazy: frozenset[str]) -> Rule:
    """For a class whose library says what pickle takes, but for values of cached properties."""

    def rule(obj: Any, _: ValuePickler) -> Any:
        taken = obj.__reduce_ex__(4)
        if isinstance(taken, str):
            return NotImplemented
        state, items, rows = (*taken[2:5], None, None, None)[:3]
        state = _without(state, lazy), _listed(items), _listed(rows)
        return (*form("lazy", type(obj), *taken[:2]), state)  # as state: it may refer to the object

    return rule


def _without(state: Any, lazy: frozenset[str]) -> Any:
    """A state as pickle takes it without some attributes; None if nothing is left."""
    if type(state) is tuple and len(state) == 2:  # attributes, slots
        return tuple(_without(part, lazy) for part in state)
    if type(state) is not dict:
        return state
    if type(state.get("__dict__")) is dict:  # as pydantic does it
        state = {**state, "__dict__": _without(state["__dict__"], lazy)}
    return {name: value for name, value in state.items() if name not in lazy} or None


def lazy_names(cls: type) -> frozenset[str]:
    """The names under which an instance keeps what it found out: `functools.cached_property`, and its own hash."""
    rows = (row for base in cls.__mro__ for row in members_of_class(base).items())
    found = {name for name, member in rows if _is_lazy(member)}
    own = next((vars(base)["__hash__"] for base in cls.__mro__ if "__hash__" in vars(base)), None)
    code = getattr(own, "__code__", None)
    return frozenset(found if code is None else found | _stored_by(code))


def _is_lazy(member: Any) -> bool:
    """Whether a descriptor says that it computes once (cached_property, lazy_property, reify), and cannot be set."""
    names = [base.__name__.lower() for base in type(member).__mro__[:-1]]
    if "cached_property" in names:
        return True
    if hasattr(type(member), "__set__") and (not isinstance(member, property) or member.fset is not None):
        return False
    return any(n == "reify" or ("propert" in n and any(word in n for word in _ONCE)) for n in names)


_ONCE = ("cached", "lazy", "memoized")


def _stored_by(code: Any) -> set[str]:
    """The attributes that a method sets; of those set by their text only what is named as a hash."""
    from opcode import EXTENDED_ARG, opmap

    found, more = set(), 0
    for op, arg in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        more = more << 8 | arg
        if op == opmap["STORE_ATTR"]:
            found.add(code.co_names[more])
        more = more if op == EXTENDED_ARG else 0
    if not {"__setattr__", "setattr", "__dict__"}.isdisjoint(code.co_names):
        texts = (text for text in code.co_consts if type(text) is str and text[:1] == "_")
        found.update(text for text in texts if "hash" in text.lower())
    return found


class CacheNames(frozenset[str]):
    """Names, and all private ones that say of themselves that they are caches."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (type(name) is str and _is_private_cache(name))

    def __bool__(self) -> bool:
        return True


def has_caches(cls: type) -> bool:
    """Whether a private name in the code of a class says so."""
    members = (member for base in cls.__mro__ for member in members_of_class(base).values())
    codes = (getattr(getattr(each, "fget", each), "__code__", None) for each in members)
    return any(_is_private_cache(name) for code in codes for name in getattr(code, "co_names", ()))


def _is_private_cache(name: str) -> bool:
    return name[:1] == "_" != name[1:2] and is_cache(name)


def has_attributes(cls: type) -> bool:
    """Whether something can lie in an instance by name."""
    return bool(cls.__dictoffset__ or copyreg._slotnames(cls))  # type: ignore[attr-defined]  # what pickle itself asks


def exception_rule(error: Any, _: ValuePickler) -> Any:
    """Whether an empty ``__dict__`` has been made of it, or not, makes no difference; what led to it is part of it."""
    maker, args, *more = error.__reduce_ex__(4)
    state = (more[0] or None) if more else None
    return (*form("exception", type(error), maker, args), causes_of(error, state))


def causes_of(error: Any, state: Any) -> Any:
    """The state of an exception with the exceptions that it names as its cause or its context, if there are any."""
    causes = error.__cause__, error.__context__, error.__suppress_context__
    return state if causes == (None, None, False) else (state, causes)


def with_caller_rule(carried: Any, _: ValuePickler) -> Any:
    """By what it runs: who called says nothing about a result."""
    return form("with_caller", lasting(type(carried).__module__), carried.fn)


def attributes_of(obj: Any, lazy: frozenset[str] | None = None) -> list[tuple[str, Any]]:
    """All that lies in an instance by name, whatever pickle would take of it, but for values of cached properties."""
    cls, scope = type(obj), getattr(obj, "__dict__", None)
    found = {name: getattr(obj, name) for name in copyreg._slotnames(cls) if hasattr(obj, name)}  # type: ignore[attr-defined]  # what pickle itself asks
    if type(scope) is dict:
        found.update(scope)
    lazy = lazy_names(cls) if lazy is None else lazy
    return sorted((item for item in found.items() if item[0] not in lazy), key=lambda item: str(item[0]))


def reduced_rule(lazy: frozenset[str]) -> Rule:
    """For a class of the user's of which pickle may leave out what a body sees all the same."""

    def rule(obj: Any, pickler: ValuePickler) -> Any:
        maker = copyreg.dispatch_table.get(type(obj))
        taken = obj.__reduce_ex__(4) if maker is None else maker(obj)
        if isinstance(taken, str):
            return (*form("by name", type(obj), taken), _dropped(obj, (), lazy, pickler))
        state, items, rows = (*taken[2:5], None, None, None)[:3]
        dropped = _dropped(obj, taken[1:3], lazy, pickler)
        if lazy:
            state = _without(state, lazy)
        if isinstance(obj, BaseException):
            state = causes_of(obj, state or None)
        state = state, _listed(items), _listed(rows), dropped
        return (*form("reduced", type(obj), *taken[:2]), state)  # as state: it may refer to the object

    return rule


def _listed(items: Any) -> Any:
    return None if items is None else list(items)


def dropped_from(obj: Any, taken: tuple[Any, ...], lazy: frozenset[str] | None = None) -> list[tuple[str, Any]]:
    """The attributes of an object that are not in what pickle takes of it, but for what is called a cache."""
    inside: set[int] = set()
    for part in taken:
        inside.add(id(part))
        for each in part if type(part) is tuple else (part,):
            inside.add(id(each))
            if isinstance(each, dict):
                inside.update(map(id, dict.values(each)))
            elif isinstance(each, (list, tuple)):
                inside.update(map(id, each))
    return [row for row in attributes_of(obj, lazy) if id(row[1]) not in inside and not is_cache(row[0])]


def _dropped(obj: Any, taken: tuple[Any, ...], lazy: frozenset[str], pickler: ValuePickler) -> list[tuple[str, str]]:
    """What pickle drops counts as far as it has a digest: a lock is dropped with good reason."""
    busy, mark_of_it = pickler.found.known, -id(obj)
    if mark_of_it in busy:  # what it drops refers to it
        return []
    busy[mark_of_it] = obj, None
    try:
        rows = dropped_from(obj, taken, lazy)
        note_dropped(obj, (name for name, _ in rows), pickler)
        return [(name, _digest_or_type(value, pickler)) for name, value in rows]
    finally:
        del busy[mark_of_it]


def note_dropped(obj: Any, names: Iterable[str], pickler: ValuePickler) -> None:
    """Note attributes that pickle may not bring back."""
    pickler.found.dropped += [f"the attribute {name} of {type(obj).__name__}" for name in names]


def _digest_or_type(value: Any, pickler: ValuePickler) -> str:
    try:
        return pickler.digester.digest(value, pickler.found)
    except UndigestableError:
        return type(value).__name__


def set_rule(items: Any, _: ValuePickler) -> Any:
    """An instance of a subclass of set or frozenset: pickle would write it in the order of the hashes."""
    state = items.__reduce_ex__(4)[2]
    return form("set", type(items), frozenset(items), _without(state, lazy_names(type(items))) if state else None)


def time_rule(moment: Any, _: ValuePickler) -> Any:
    """A time as pickle writes it, with its fold."""
    return moment.__reduce_ex__(4)  # below protocol 4 `fold` is lost


def mapping_proxy_rule(proxy: Any, _: ValuePickler) -> Any:
    """By the mapping behind it."""
    return form("mappingproxy", dict(proxy))


def memoryview_rule(view: Any, pickler: ValuePickler) -> Any:
    """By its format, its shape and its bytes."""
    pickler.found.dropped.append("the memoryview, which comes back as bytes")
    return form("memoryview", view.format, view.shape, digest_bytes(view.tobytes()))
