"""Options from a file: cachepy.toml, cachepy.yaml, or [tool.cachepy] in pyproject.toml."""

from __future__ import annotations

import os

from cachepy.calls.options import NAMES, meant, path_text
from cachepy.errors import UsageError
from cachepy.store.trust import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WHOM_TO_TRUST = {"trusted_owners": "CACHEPY_TRUSTED_OWNERS", "signing_key": "CACHEPY_SIGNING_KEY"}
OF_ENVIRONMENT = {  # option -> the variable that says it for functions that do not, and is stronger than a file
    "cache_dir": "CACHEPY_DIR",
    "max_bytes": "CACHEPY_MAX_BYTES",
    "trusted_owners": "CACHEPY_TRUSTED_OWNERS",
    "signing_key": "CACHEPY_SIGNING_KEY",
    "umask": "CACHEPY_UMASK",
}
_CANDIDATES = ("cachepy.toml", "cachepy.yaml", "cachepy.yml", "pyproject.toml")


def load_config(path: str | os.PathLike[str] | None = None) -> dict[str, Any]:
    """Read the options of `cache_file` from a file.

    Parameters
    ----------
    path : str or os.PathLike, optional
        A TOML or YAML file. Without it, ``cachepy.toml``, ``cachepy.yaml`` (or ``.yml``) and ``pyproject.toml``
        (there the table ``[tool.cachepy]``) are looked for here and in the folders above; the first one found counts.

    Returns
    -------
    dict
        Ready for the decorator: ``cf = cache_file(**load_config())``. A relative ``cache_dir``
        is taken from the folder of the file. Empty if there is no file. What an environment variable says
        (``CACHEPY_DIR``, ``CACHEPY_MAX_BYTES``, ...) is left out, so that it counts.

    Raises
    ------
    UsageError
        If the file cannot be read or names an option that does not exist. Of a file that was looked for: if it belongs
        to another user, or says whose results are loaded (``trusted_owners``, ``signing_key``). Loading a result can
        run its writer's code, and a file in the working directory may be anybody's.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, load_config
    >>> _ = Path("cachepy.toml").write_text('version = "2"')
    >>> load_config()
    {'version': '2'}
    >>> @cache_file(**load_config())
    ... def square(x):
    ...     return x * x
    """
    return found_config(path)[1]


def found_config(path: str | os.PathLike[str] | None = None) -> tuple[str | None, dict[str, Any]]:
    """The file that counts, and what it says; None if there is none."""
    found = path_text("path", path) if path is not None else _search(os.getcwd())
    if found is None:
        return None, {}
    if path is None:
        _check_owner(found)
    options = _checked(found, _table(found, _parsed(found)))
    if path is None:
        _check_trust(found, options)
    if "cache_dir" in options:
        options["cache_dir"] = os.path.join(os.path.dirname(os.path.abspath(found)), options["cache_dir"])
    return found, {name: value for name, value in options.items() if not os.environ.get(OF_ENVIRONMENT.get(name, ""))}


def _check_owner(path: str) -> None:
    """UsageError for another user's file, which somebody may have put above, or where one happens to be."""
    try:
        owner = os.stat(path).st_uid
    except OSError:
        return  # to read it says why
    if hasattr(os, "geteuid") and owner not in (os.geteuid(), 0):
        raise UsageError(
            f"the configuration {path} belongs to {name_of(owner)}, so it is not used; name it, by "
            f"load_config({path!r}), if you trust them"
        )


def _check_trust(path: str, options: dict[str, Any]) -> None:
    """UsageError if a file that lies here by chance says whose code may run."""
    for option, variable in _WHOM_TO_TRUST.items():
        if option in options:
            raise UsageError(
                f"the configuration {path} was not named, so it cannot say {option}: it decides whose results are "
                f"loaded, which can run their code. Set {variable}, say it in the program, or name the file, by "
                f"load_config({path!r})"
            )


def _search(folder: str) -> str | None:
    while True:
        for name in _CANDIDATES:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and (name != "pyproject.toml" or _table(path, _parsed(path))):
                return path
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _parsed(path: str) -> Any:
    try:
        with open(path, "rb") as file:
            if path.endswith((".yaml", ".yml")):
                import yaml

                return yaml.safe_load(file) or {}
            import tomllib

            return tomllib.load(file)
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}") from error
    except Exception as error:  # each parser has errors of its own
        raise UsageError(f"the configuration {path} cannot be parsed: {error}") from error


def _table(path: str, data: Any) -> Any:
    if os.path.basename(path) == "pyproject.toml":
        return data.get("tool", {}).get("cachepy", {})
    if isinstance(data, dict) and isinstance(data.get("cachepy"), dict):
        return data["cachepy"]
    return data


def _checked(path: str, options: Any) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise UsageError(f"the configuration {path} must hold a table of options, not {type(options).__name__}")
    unknown = sorted(set(options) - set(NAMES))
    if unknown:
        rest = meant(unknown[0], f"options are {', '.join(NAMES)}")
        raise UsageError(f"the configuration {path} has no option {unknown[0]!r}{rest}")
    return dict(options)
