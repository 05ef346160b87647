"""The options of the decorator, checked when it is applied."""

from __future__ import annotations

import os
from _collections_abc import Mapping
from errno import ENOENT

from cachepy.errors import FolderGoneError, UsageError, UsageValueError
from cachepy.store.sizes import KEEP, size_of
from cachepy.store.trust import key_of, number_of, umask_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = (
    "cache_dir", "version", "env_vars", "depends_on_files", "depends_on_vars",
    "changes", "file_args", "ignore_args", "ignore_globals", "ignore_code", "keep_args", "max_bytes", "keep",
    "trusted_owners", "signing_key", "umask", "verbose", "warn_cheap", "observe_code",
    "observe", "ignore_files", "outputs", "unseen", "max_age", "digest", "cache_errors", "on_error", "collect",
    "remote", "trust_remote", "upload", "format", "compress", "valid", "mode",
)  # fmt: skip

MODES = "off", "readonly", "required", "refresh"
EXACTLY = "exact"  # as `observe_code`: what did not run does not count
ERRORS_KEPT = 3600.0  # s for which an error is kept if nobody says another time


def cache_default_dir() -> str:
    """The cache directory of functions that name none: ``CACHEPY_DIR``, else ``.cachepy`` here.

    Returns
    -------
    str
        The absolute path. A function keeps the one that it has at its first call.

    Examples
    --------
    >>> import os
    >>> from cachepy import cache_default_dir
    >>> os.environ["CACHEPY_DIR"] = "results"
    >>> os.path.basename(cache_default_dir())
    'results'
    >>> del os.environ["CACHEPY_DIR"]
    >>> os.path.basename(cache_default_dir())
    '.cachepy'
    """
    return _absolute(os.environ.get("CACHEPY_DIR") or ".cachepy")


def _absolute(path: str) -> str:
    try:
        return os.path.abspath(path)
    except FileNotFoundError:
        raise FolderGoneError(
            f"the cache directory {path!r} is a relative path, and the working directory was deleted. Change to "
            f"another one, or name the cache by an absolute path, here or in CACHEPY_DIR"
        ) from None


def _settled(path: str) -> str | None:
    """The absolute path, if there is one now: a program may decorate first and change its folder then."""
    try:
        return _absolute(path)
    except FolderGoneError:
        return None


class Options:
    """What the decorator was told; every problem is an error that names the option."""

    __slots__ = ("_root", "key_file", "values", *NAMES)

    def __init__(self, **given: Any) -> None:
        unknown = sorted(set(given) - set(NAMES))
        if unknown:
            rest = meant(unknown[0], f"it takes {', '.join(NAMES)}")
            raise UsageError(f"cache_file() takes no option {unknown[0]!r}{rest}")
        self.cache_dir = _path("cache_dir", given.get("cache_dir"))
        self.version = _version(given.get("version"))
        self.env_vars = _names("env_vars", given.get("env_vars"))
        self.depends_on_files = tuple(_paths("depends_on_files", given.get("depends_on_files")))
        self.depends_on_vars, self.values = _variables(given.get("depends_on_vars"))
        self.changes = _names("changes", given.get("changes"))
        files = given.get("file_args")
        self.file_args = None if files is None else frozenset(_names("file_args", files))
        self.ignore_args = frozenset(_names("ignore_args", given.get("ignore_args")))
        self.ignore_globals = frozenset(_names("ignore_globals", given.get("ignore_globals")))
        self.ignore_code = _codes("ignore_code", given.get("ignore_code"))
        self.keep_args = _flag("keep_args", given.get("keep_args", True))
        self.max_bytes = size_of("max_bytes", given.get("max_bytes"))
        self.keep = _keep(given.get("keep", KEEP))
        self.trusted_owners = _owners(given.get("trusted_owners"))
        key, umask = given.get("signing_key"), given.get("umask")
        self.signing_key = None if key is None else key_of("signing_key", key)
        self.key_file = key if isinstance(key, str) and key[:1] == "@" else None
        self.umask = None if umask is None else umask_of("umask", umask)
        self.verbose = _flag("verbose", given.get("verbose", False))
        self.warn_cheap = _flag("warn_cheap", given.get("warn_cheap", True))
        self.observe_code = _observe_code(given.get("observe_code", True))
        self.observe = _flag("observe", given.get("observe", True))
        self.ignore_files = _names("ignore_files", given.get("ignore_files"))
        self.outputs = _names("outputs", given.get("outputs"))
        self.unseen = _one_of("unseen", given.get("unseen", "warn"), ("warn", "ok", "error"))
        self.max_age = _age(given.get("max_age"))
        self.digest = _digests(given.get("digest"))
        self.cache_errors = _errors(given.get("cache_errors"))
        self.on_error = _one_of("on_error", given.get("on_error", "raise"), ("raise", "stale"))
        self.collect = _flag("collect", given.get("collect", False))
        self.trust_remote = _flag("trust_remote", given.get("trust_remote", False))
        self.remote = _remote(given.get("remote"), self.trust_remote or self.signing_key is not None)
        self.upload = _one_of("upload", given.get("upload", "now"), ("now", "background"))
        self.compress = _codec(given.get("compress"))
        self.format = _format(given.get("format"), self.compress)
        self.valid = _test(given.get("valid"))
        self.mode = None if given.get("mode") is None else _one_of("mode", given["mode"], MODES)
        self._root = None if self.cache_dir is None else _settled(self.cache_dir)

    @property
    def folds(self) -> bool:
        """Whether the function gives something else than what is stored of it."""
        return bool(self.cache_errors or self.collect or self.on_error == "stale")

    def root(self) -> str:
        """The absolute cache directory; a default one is fixed at the first call."""
        if self._root is None:
            self._root = cache_default_dir() if self.cache_dir is None else _absolute(self.cache_dir)
        return self._root

    def place(self) -> str:
        """The same as far as it is known now; asking fixes nothing."""
        try:
            return self._root or (cache_default_dir() if self.cache_dir is None else _absolute(self.cache_dir))
        except FolderGoneError:
            return self.cache_dir or ".cachepy"

    def declared(self) -> tuple[tuple[str, str], ...]:
        """What counts as part of the function, as (name, text)."""
        return (
            ("version", repr(self.version)),
            ("env_vars", repr(sorted(self.env_vars))),
            ("depends_on_files", repr(sorted(self.depends_on_files))),
            ("file_args", repr(None if self.file_args is None else sorted(self.file_args))),
            ("ignore_args", repr(sorted(self.ignore_args))),
            ("ignore_globals", repr(sorted(self.ignore_globals))),
            *([("changes", repr(sorted(self.changes)))] if self.changes else []),
            *([("ignore_code", repr(sorted(self.ignore_code)))] if self.ignore_code else []),
        )

    def ignored(self) -> frozenset[str]:
        """The globals that do not count, with the code that does not."""
        if not self.ignore_code:
            return self.ignore_globals
        from cachepy.code.ignored_code import Ignored  # most functions leave none out

        return Ignored.of(self.ignore_globals, self.ignore_code)

    def variables(self) -> tuple[str, ...] | dict[str, Any]:
        """What was given as `depends_on_vars`: names of globals, or values by their names."""
        return self.depends_on_vars if self.values is None else self.values

    def given(self) -> dict[str, Any]:
        """The options as they could be given again, elsewhere too; of a key only the name of its file."""
        own = {"signing_key": self.key_file, "depends_on_vars": self.variables()}
        return {name: getattr(self, name) for name in NAMES} | own


def meant(name: object, rest: str) -> str:
    """What is said of an option that does not exist, and the rest of the message behind it."""
    from cachepy.calls.option_words import told  # few programs have one

    text = told(name, NAMES) if isinstance(name, str) else ""
    if not text:
        return f"; {rest}"
    return f": {text}{'' if text[-1] == '?' else '.'} {rest[:1].upper()}{rest[1:]}"


def _path(option: str, value: Any) -> str | None:
    if value is None:
        return None
    try:
        path = os.fspath(value)
    except TypeError:
        raise UsageError(f"{option} must be a path (str or os.PathLike), not {value!r}") from None
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if not path:
        raise UsageValueError(f"{option} is empty; name a directory, or leave it out for {cache_default_dir()}")
    if "\0" in path:
        raise UsageValueError(f"{option} must be a path, but {path!r} has a null character in it")
    return str(path)


def path_text(option: str, value: Any) -> str:
    """A path as text; UsageError for what is none."""
    if value is None:
        raise UsageError(f"{option} must be a path (str or os.PathLike), not None")
    return _path(option, value) or ""


def _items(option: str, value: Any, what: str) -> tuple[Any, ...]:
    if isinstance(value, Mapping):
        raise UsageError(f"{option} must be a list of {what}, not the mapping {value!r}; write {option}={[*value]!r}")
    if isinstance(value, (str, bytes)):
        text = f"{option} must be a list of {what}, not the single text {value!r}; write {option}=[{value!r}]"
        raise UsageError(text)
    try:
        return tuple(value)
    except TypeError:
        raise UsageError(f"{option} must be a list of {what}, not {value!r}") from None


def _version(value: Any) -> Any:
    if value is not None and not isinstance(value, (str, int, float, tuple)):
        raise UsageError(f"version must be a str or a number, not {value!r}")
    return value


def _owners(value: Any) -> tuple[int | str, ...]:
    if value is None:
        return ()
    if isinstance(value, int):
        raise UsageError(f"trusted_owners must be a list of users, not {value!r}; write trusted_owners=[{value!r}]")
    owners = _items("trusted_owners", value, "users")
    for owner in owners:
        if owner != "*":
            number_of(owner)
    return owners


def _keep(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"keep must be a number of results, not {value!r}")
    if value < 1:
        raise UsageValueError(f"keep must be 1 or more (1: only the newest result of a call), not {value!r}")
    return value


def _age(value: Any) -> str | None:
    if value is None:
        return None
    from cachepy.calls.ages import limit_of  # few functions say so

    return limit_of("max_age", value)


def _remote(value: Any, is_trusted: bool) -> tuple[str, ...]:
    if value is None:
        return ()
    from cachepy.store.remote import check_trusted, urls_of  # few functions have one

    urls = urls_of("remote", value)
    if urls and not is_trusted:
        check_trusted(urls)
    return urls


def _digests(value: Any) -> dict[Any, Any] | None:
    if value is None:
        return None
    from cachepy.calls.digest_options import checked  # likewise

    return checked(value)


def _codec(value: Any) -> str | None:
    if value is None:
        return None
    from cachepy.store.compression import check_codec  # likewise

    return check_codec("compress", value)


def _format(value: Any, compress: str | None) -> Any:
    if value is None:
        return None
    from cachepy.store.value_formats import check_format  # likewise

    return check_format("format", value, compress)


def _test(value: Any) -> Any:
    if value is not None and not callable(value):
        raise UsageError(f"valid must be a function of the result and of what is known of it, not {value!r}")
    return value


def _errors(value: Any) -> tuple[tuple[type[Exception], float], ...]:
    """Types of exceptions, each with the seconds for which one is kept."""
    if value is None:
        return ()
    if isinstance(value, type):
        raise UsageError(f"cache_errors must be a list of exceptions; write cache_errors=({value.__name__},)")
    items = value.items() if isinstance(value, Mapping) else _items("cache_errors", value, "exceptions")
    found: list[tuple[type[Exception], float]] = []
    for item in items:
        kind, seconds = item if isinstance(item, tuple) and len(item) == 2 else (item, ERRORS_KEPT)
        if not isinstance(kind, type) or not issubclass(kind, Exception):
            raise UsageError(f"cache_errors must hold types of exceptions, not {kind!r}")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise UsageError(f"cache_errors must say seconds, as in {{{kind.__name__}: 600}}, not {seconds!r}")
        if not 0 < seconds < float("inf"):
            raise UsageValueError(f"cache_errors must say more than 0 seconds, and an end, not {seconds!r}")
        found.append((kind, float(seconds)))
    return tuple(found)


def _flag(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{option} must be True or False, not {value!r}")
    return value


def _observe_code(value: Any) -> bool | str:
    return _one_of("observe_code", value, (EXACTLY,)) if isinstance(value, str) else _flag("observe_code", value)


def _one_of(option: str, value: Any, words: tuple[str, ...]) -> str:
    meant = " or ".join(map(repr, words))
    if not isinstance(value, str):
        raise UsageError(f"{option} must be {meant}, not {value!r}")
    if value not in words:
        raise UsageValueError(f"{option} must be {meant}, not {value!r}")
    return value


def _names(option: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    names = _items(option, value, "names")
    wrong = [n for n in names if not isinstance(n, str) or not n]
    if wrong:
        raise UsageError(f"{option} must hold names (str), not {wrong[0]!r}")
    return names


def _codes(option: str, value: Any) -> tuple[str, ...]:
    """Names of code; a star stands only for all of a module."""
    names = _names(option, value)
    for name in names:
        if "*" in name.removesuffix(".*") or name in (".*", "*"):
            raise UsageValueError(f"{option} takes names such as 'helper', 'module.helper' or 'module.*', not {name!r}")
    return names


def _variables(value: Any) -> tuple[tuple[str, ...], dict[str, Any] | None]:
    """Names of globals, or a dict of values that count by themselves."""
    if not isinstance(value, Mapping):
        return _names("depends_on_vars", value), None
    return (), dict(zip(_names("depends_on_vars", list(value)), value.values(), strict=True))


def _paths(option: str, value: Any) -> list[str]:
    if value is None:
        return []
    return [path_text(option, v) for v in _items(option, value, "paths")]


def root_of(cache_dir: str | os.PathLike[str] | None) -> str:
    """The absolute path of a cache directory; UsageError if it is none, FileNotFoundError if nothing is there."""
    if cache_dir is not None:
        Options(cache_dir=cache_dir)  # complains
    root = cache_default_dir() if cache_dir is None else os.path.abspath(os.fspath(cache_dir))
    if os.path.exists(root) and not os.path.isdir(root):
        raise UsageError(f"{root} is a file, not a cache directory")
    if not os.path.exists(root):
        raise FileNotFoundError(ENOENT, "there is no cache directory", root)
    return root
