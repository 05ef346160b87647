"""What digesting a value comes across, the form that a rule returns, and the names of code."""

from __future__ import annotations

import sys

from xxhash import xxh3_128_hexdigest

from cachepy.values.bound_methods import Method
from cachepy.values.modules import MAIN, USER, canonical, home_of, home_of_class, lasting, module_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.values.modules import Origins

_WRITTEN = (type(lambda: None), Method)  # what a function is that was written in a class
_MODULE = type(sys)
REGISTERED: dict[type, Any] = {}  # functions of the user's that say what stands for objects of a type
members_of_class: Any = vars(type)["__dict__"].__get__  # `vars` of a class, whatever the class itself says


def digest_bytes(data: Any) -> str:
    """The xxh3-128 of bytes or of a C-contiguous buffer, as 32 hex digits."""
    return xxh3_128_hexdigest(data)


def env_digest(value: str | None) -> str | None:
    """What a trace keeps of an environment variable; None if it is not set."""
    return None if value is None else digest_bytes(value.encode("utf-8", "surrogateescape"))


def name_of(code: Any) -> tuple[str, str]:
    """The canonical module and the qualified name of a function or class; of a module its name alone."""
    if isinstance(code, _MODULE):
        return module_name(code), ""
    if isinstance(code, type):
        return home_of_class(code), _class_name(code) if code.__module__ in MAIN else code.__qualname__
    module = code.__module__
    if module in MAIN:
        for each in (code, *vars(code).values()):  # in a worker only functions still know which script it was
            if getattr(each, "__globals__", {}).get("__name__") in MAIN:
                return home_of(each), code.__qualname__
    return lasting(canonical(module)), code.__qualname__


def _class_name(cls: type) -> str:
    """The qualified name of a class, which a local one loses on its way to a worker; its methods keep theirs."""
    for name, member in vars(cls).items():
        if type(member) in _WRITTEN:  # asked at each call of a method
            written: str = member.__qualname__
            outer, _, last = written.rpartition(".")
            if last == name and outer.endswith(f"<locals>.{cls.__name__}"):
                return outer
    return cls.__qualname__


def form(*parts: object) -> tuple[Any, ...]:
    """What a rule returns: a typed, delimited canonical form instead of the value."""
    return mark, parts


def mark(*parts: object) -> None:
    """Stands in the stream before each canonical form; never called."""


class References:
    """What digesting a value came across: user code, packages, and paths in it.

    paths: of Path objects; names: of other objects that `open` takes;
    cached: the cached functions, whose code counts by their own traces.

    known: forms by the id of the object, which is kept with it: what is met again is not done again.
    Valid while the values do not change.  again: bytes of what was met so, since somebody set it to 0.
    hidden: whether there may be text that the stream shows only as a digest.  parted: whether it had to be taken apart.
    unseen: the types of parts without a digest; None if such a part is an error.
    dropped: what pickle may not bring back, in words.  altering: classes of which it may bring back something else.
    kinds: the classes of the parts, if it had to be taken apart.
    """

    __slots__ = (
        "_code", "again", "altering", "cached", "calls", "dropped", "hidden", "kinds", "known", "memos", "nameless",
        "names", "packages", "parted", "paths", "unseen",
    )  # fmt: skip

    def __init__(self, *, by_parts: bool = False) -> None:
        self._code: dict[int, Any] = {}
        self.cached: list[Any] = []
        self.calls: set[str] = set()  # cached functions, by their names
        self.memos: list[Any] = []  # functions that functools remembers for
        self.nameless: list[Any] = []  # functions and classes that no name leads to: they are in the digest
        self.packages: set[str] = set()
        self.paths: list[str] = []
        self.names: list[str] = []
        self.known: dict[int, tuple[Any, Any]] = {}
        self.again = 0
        self.hidden = False
        self.parted = False
        self.kinds: set[type] = set()
        self.dropped: list[str] = []
        self.altering: set[type] = set()
        self.unseen: list[str] | None = [] if by_parts else None

    @property
    def code(self) -> list[Any]:
        """Functions, classes and modules, each once."""
        return list(self._code.values())

    def add_code(self, obj: Any) -> None:
        self._code.setdefault(id(obj), obj)

    def merge(self, other: References) -> None:
        for obj in other.code:
            self.add_code(obj)
        self.cached += other.cached
        self.calls |= other.calls
        self.memos += other.memos
        self.nameless += other.nameless
        self.packages |= other.packages
        self.paths += other.paths
        self.names += other.names
        self.hidden |= other.hidden
        self.kinds |= other.kinds
        self.dropped += other.dropped
        self.altering |= other.altering
        if self.unseen is not None:
            self.unseen += other.unseen or ()


def module_of(cls: type) -> str:
    """Where a class is from; of one written in C it may be anything, and Cython's own are from no module at all."""
    module = cls.__module__
    return module if type(module) is str and not module.startswith("_cython_") else "builtins"


def cells_of(fn: Any) -> list[tuple[str, Any]]:
    """The names and the contents of a function's cells, but for empty ones."""
    found = []
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            found.append((name, cell.cell_contents))
        except ValueError:  # empty
            continue
    return found


def is_exported(method: Any, origins: Origins) -> bool:
    """Whether a library's module offers it as a function: ``random.shuffle``, ``multiprocessing.Pool``.

    The object behind it is the library's own, and changes whenever it is used.
    """
    cls = type(method.__self__)
    if origins.of_class(cls) == USER:
        return False
    home = module_of(cls)
    modules = (sys.modules.get(name) for name in (home, home.partition(".")[0]))
    return any(getattr(module, method.__name__, None) == method for module in modules if module is not None)


def is_cache(name: str) -> bool:
    """Whether a name says that what it names is made of the rest."""
    return "cache" in name.lower() or "memo" in name.lower()
