"""Settings that the interpreter and libraries keep: those count of which the code names the reader.

Only what is cheap to read, the same in equal runs, and what a user means by it.
"""

from __future__ import annotations

import os
import sys
from _functools import partial  # type: ignore[import-not-found]  # loaded already, and functools is not

from cachepy.values.modules import canonical_name, scope_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.code.walking import Walk

_CALLED = {
    "sys": ("getrecursionlimit", "getswitchinterval", "get_int_max_str_digits"),
    "gc": ("isenabled", "get_threshold"),
    "socket": ("getdefaulttimeout",),
    "gettext": ("textdomain",),
    "locale": ("getlocale", "localeconv"),
    "numpy": ("geterr", "get_printoptions", "getbufsize"),
    "sklearn": ("get_config",),
    "xarray": ("get_options",),
}  # fmt: skip
_LEVEL = "logging", "level"
_LEVELS = frozenset({"level", "getEffectiveLevel", "isEnabledFor"})
_CHANGES_PATH = frozenset({"append", "insert", "extend", "remove", "pop"})
_FLAGS = "prec", "rounding", "Emin", "Emax", "capitals", "clamp"
_KEYS = "delimiter", "quotechar", "escapechar", "doublequote", "lineterminator", "quoting", "skipinitialspace", "strict"


class Readers:
    """The readers that one walk meets, and what it asks loggers for."""

    def __init__(self) -> None:
        self.keys: set[tuple[str, str]] = set()
        self.loggers: dict[str, Any] = {}
        self._counted: set[tuple[str, str]] = set()

    def note(self, module: object, name: object) -> None:
        """A name of a module that is not the user's."""
        if type(module) is str and type(name) is str:
            key = _ALIASES.get(top := module.partition(".")[0].lstrip("_"), top), name
            if key in _READERS:
                self.keys.add(key)

    def follow(self, walk: Walk, asks: set[str]) -> bool:
        """Count what the readers give here; whether there were any that had not been counted."""
        if "cwd" in asks:
            self.keys.add(("os", "getcwd"))
        if not asks.isdisjoint(_LEVELS):
            self.keys.add(_LEVEL)
        new = sorted(self.keys - self._counted)
        self._counted |= self.keys
        for key in new:
            _count(walk, ".".join(key), self._reader(key, walk.loose.texts))
        return bool(new)

    def _reader(self, key: tuple[str, str], texts: set[str]) -> Callable[[], Any]:
        if key == _LEVEL:
            return lambda: _levels(self.loggers, texts)
        read = _READERS[key]
        return lambda: read(key, texts)


def follow_path(walk: Walk, chains: set[tuple[str, ...]]) -> None:
    """The search path counts where code reads it, and does not put itself into it."""
    rest = {chain[1] if chain[1:] else "" for chain in chains if chain[:1] == ("path",)}
    if rest and rest.isdisjoint(_CHANGES_PATH):
        walk.readers.note("sys", "path")


def _count(walk: Walk, label: str, read: Callable[[], Any]) -> None:
    value = _value_or_none(read)
    walk.guard.true(lambda: bool(_value_or_none(read) == value))
    walk.bind(label, value)


def _value_or_none(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception:  # code of any library
        return None


def _call(key: tuple[str, str], _: set[str]) -> Any:
    return scope_of(sys.modules[key[0]])[key[1]]()


def _arguments(*_: object) -> list[str]:
    return sys.argv[1:]  # the first is the script, wherever it lies


def _search_path(*_: object) -> list[str]:
    known = sys.prefix, sys.base_prefix, sys.exec_prefix
    return [path for path in sys.path[1:] if not path.startswith(known)]


def _folder(*_: object) -> str:
    return os.getcwd()


def _zone(*_: object) -> Any:
    time = sys.modules["time"]
    return time.tzname, time.timezone


def _decimals(*_: object) -> Any:
    """Without what the last operation left in it."""
    context = sys.modules["decimal"].getcontext()
    traps = sorted(each.__name__ for each, is_set in context.traps.items() if is_set)
    return *(getattr(context, name) for name in _FLAGS), traps


def _dialects(*_: object) -> Any:
    csv = sys.modules["csv"]
    own = sorted({*csv.list_dialects()} - {"excel", "excel-tab", "unix"})
    return [(name, [getattr(csv.get_dialect(name), key) for key in _KEYS]) for name in own]


def _pandas_options(_: object, texts: set[str]) -> Any:
    """Those that the code names by a text: others go by the terminal."""
    pandas, found = sys.modules["pandas"], {}
    for text in sorted(texts):
        value = _value_or_none(partial(pandas.get_option, text))
        if value is not None:
            found[text] = value
    return found


def _adapters(*_: object) -> Any:
    sqlite = sys.modules["sqlite3"]
    own = [row for row in sqlite.adapters.items() if row[0][0].__module__ not in ("datetime", "builtins")]
    return own, [row for row in sqlite.converters.items() if getattr(row[1], "__module__", "") != "sqlite3.dbapi2"]


def _handlers(*_: object) -> Any:
    """What the program does on signals; Python's own handlers are of the process."""
    signal = sys.modules["signal"]
    found = ((each.name, signal.getsignal(each)) for each in signal.Signals)
    return [row for row in found if callable(row[1]) and not isinstance(row[1], signal.Handlers)
            and row[1] is not signal.default_int_handler]  # fmt: skip


def _levels(loggers: dict[str, Any], texts: set[str]) -> Any:
    """The levels of the root, and of loggers that the code names or holds; one that is made later has its parent's."""
    logging = sys.modules.get("logging")
    if logging is None:
        return None
    named = {canonical_name(name): _level(logging.root, name) for name in (*texts, *loggers)}
    return logging.root.level, sorted(row for row in named.items() if row[1] != logging.root.level)


def _level(root: Any, name: str) -> int:
    known = root.manager.loggerDict
    while name:
        level = getattr(known.get(name), "level", 0)
        if level:
            return int(level)
        name = name.rpartition(".")[0]
    return int(root.level)


_ALIASES = {"posix": "os", "nt": "os"}
_ZONED = "tzname", "timezone", "altzone", "localtime", "mktime", "strftime", "ctime", "asctime"
_CSV = "reader", "writer", "DictReader", "DictWriter", "get_dialect", "list_dialects"
_READERS: dict[tuple[str, str], Callable[[tuple[str, str], set[str]], Any]] = {
    **{(module, name): _call for module, names in _CALLED.items() for name in names},
    ("sys", "argv"): _arguments,
    ("sys", "path"): _search_path,
    ("os", "getcwd"): _folder,
    ("os", "getcwdb"): _folder,
    ("decimal", "getcontext"): _decimals,
    ("decimal", "Decimal"): _decimals,
    **{("time", name): _zone for name in _ZONED},
    **{("csv", name): _dialects for name in _CSV},
    ("pandas", "get_option"): _pandas_options,
    ("pandas", "options"): _pandas_options,
    ("sqlite3", "connect"): _adapters,
    ("signal", "raise_signal"): _handlers,
    ("signal", "getsignal"): _handlers,
    ("signal", "alarm"): _handlers,
    ("signal", "setitimer"): _handlers,
}
