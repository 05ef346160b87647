"""`track_file`: names a file that the body of a cached call finds by itself."""

from __future__ import annotations

import os
import sys

from cachepy.calls.bypass import give_way
from cachepy.calls.child_processes import find_parent
from cachepy.calls.state import current_session
from cachepy.core.current import caller, observe_file
from cachepy.core.frame import working_dir
from cachepy.core.kind import is_address
from cachepy.errors import UsageError
from cachepy.values.far_paths import is_far_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def track_file(path: str | os.PathLike[str]) -> Path:
    """Note that the running cached call depends on a file, and return the path.

    For files that the body finds by itself; those that its arguments name count anyway. Call it before reading: then
    a change of the file makes the call stale. Called after the body has written the file, it makes that an
    output: if it is deleted or damaged, the call runs again.

    Parameters
    ----------
    path : str or os.PathLike
        A file or directory, relative to the working directory, or an address as ``"s3://bucket/table.parquet"``. It
        may be missing, which counts too; a directory counts by the names and contents of all that is below it.

    Returns
    -------
    pathlib.Path
        The path as given; an address as the text that was given. Outside of a cached call nothing else happens.

    Raises
    ------
    UsageError
        If `path` is no path.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, track_file
    >>> @cache_file("cache")
    ... def limit():
    ...     return int(track_file("settings.ini").read_text())
    >>> _ = Path("settings.ini").write_text("100")
    >>> limit()
    100
    >>> _ = Path("settings.ini").write_text("500")
    >>> print(limit.explain())
    stale: file settings.ini changed
    >>> limit()
    500
    """
    if not isinstance(path, (str, os.PathLike)) and not is_far_path(path):
        raise UsageError(f"track_file takes a path (str or os.PathLike), not {path!r}")
    text = _text_of(path)
    try:
        find_parent()
        session = current_session()
        digest = observe_file(text, session.files)
        session.remembered.note_file(sys._getframe(1).f_code, text, working_dir(), digest)
    except Exception as error:
        give_way("a call that track_file was made for is not stored", error, caller())
    if is_address(text):
        return path  # type: ignore[return-value]  # a `Path` would not lead there
    return _as_path(text)


def _text_of(path: str | os.PathLike[str]) -> str:
    if is_far_path(path):
        return str(path)
    text = os.fspath(path)
    return os.fsdecode(text) if isinstance(text, bytes) else str.__str__(text)  # of a subclass: the plain text


def _as_path(text: str) -> Path:
    try:
        from pathlib import Path  # slow to load, and hits do not come here
    except ImportError:
        return _path_as_before(text)
    return Path(text)


def _path_as_before(text: str) -> Path:
    """In a process that has lost its ways of finding modules: by those that there were.

    Where the files are out of sight too, the plain text has to do: it can be opened.
    """
    now = [list(each) for each in _WAYS]
    try:
        for each, before in zip(_WAYS, _BEFORE, strict=True):
            each[:] = before
        from pathlib import Path

        return Path(text)
    except ImportError:
        return text  # type: ignore[return-value]  # see above
    finally:
        for each, left in zip(_WAYS, now, strict=True):
            each[:] = left


_WAYS: tuple[list[Any], ...] = (sys.meta_path, sys.path, sys.path_hooks)
_BEFORE = [list(each) for each in _WAYS]
