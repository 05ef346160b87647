"""Files that do not count though a body opens them: of the interpreter, of packages, of the system, caches, locks.

Here they are all named. A decorator adds patterns of its own with ``ignore_files``.
"""

from __future__ import annotations

import os
import re
import sys
from fnmatch import fnmatchcase, translate

from cachepy.store.listings import TAG, is_tagged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SYSTEM = (
    "/proc", "/sys", "/dev", "/run", "/lib", "/lib64", "/usr/lib", "/usr/lib64",
    "/usr/share/zoneinfo", "/usr/share/mime", "/usr/share/fonts", "/usr/share/locale", "/etc/ssl", "/etc/fonts",
    "/etc/group", "/etc/host.conf", "/etc/hosts", "/etc/localtime", "/etc/mime.types", "/etc/nsswitch.conf",
    "/etc/os-release", "/etc/passwd", "/etc/resolv.conf", "/etc/timezone",
)  # fmt: skip
"""Folders and files of the operating system."""
PARTS = ("__pycache__", "site-packages", "dist-packages")
"""Folders whose content never counts, wherever they are: packages count by their version."""
NAMES = ("*.pyc", "*.pyo", "*.swp", ".DS_Store", "Thumbs.db", TAG)
"""Names of files that never count."""
LOCKS = (".lock", ".lck", ".pid")
"""What names of files end in that are no outputs; who reads one means it."""
OF_USER = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR")
"""Variables of the environment that name folders for caches and settings: what packages read there does not count."""
IN_HOME = (".cache", ".config", ".matplotlib", ".ipython", ".jupyter", ".local/share/jupyter", ".netrc")
"""The same below the user's home."""


_MOST = 100_000  # folders


class IgnoredFiles:
    """Knows of a path whether it counts; what it learnt of folders it remembers.

    Examples
    --------
    >>> IgnoredFiles().ignores("/proc/cpuinfo"), IgnoredFiles().ignores("/data/genes.csv")
    (True, False)
    """

    def __init__(self) -> None:
        self._folders: dict[str, bool] = {}
        interpreter = (sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.__file__))
        home = os.path.expanduser("~")
        of_user = [os.environ.get(name) for name in OF_USER]
        of_user += [os.path.join(home, name) for name in IN_HOME] if os.path.isabs(home) else []
        self._tops = _folders((*SYSTEM, *interpreter))
        self._of_user = _folders(filter(None, of_user))
        self._files = frozenset(SYSTEM)
        self._is_named = re.compile("|".join(map(translate, NAMES))).match

    def ignores(self, path: str) -> bool:
        """Whether a file or folder at this absolute path does not count."""
        folder, _, name = path.rpartition(os.sep)
        return path in self._files or self._is_named(name) is not None or self._in(folder) or is_tagged(path)

    def is_setting(self, path: str) -> bool:
        """Whether it is a cache or a setting of the user's: that counts only for code that asks for it by itself."""
        return path.startswith(self._of_user)

    def _in(self, folder: str) -> bool:
        """Whether nothing in a folder counts."""
        known = self._folders.get(folder)
        if known is None:
            above, _, name = folder.rpartition(os.sep)
            is_own = name in PARTS or f"{folder}{os.sep}".startswith(self._tops) or (bool(folder) and is_tagged(folder))
            known = is_own or (bool(above) and self._in(above))
            if known or len(self._folders) < _MOST:
                self._folders[folder] = known
        return known


def _folders(names: Iterable[str]) -> tuple[str, ...]:
    found = {os.path.join(os.path.abspath(name), "") for name in names if name}
    return tuple(found - {os.sep, "/usr/", "/usr/local/"})


def fits(path: str, name: str, patterns: Iterable[str]) -> bool:
    """Whether a path, as it was given or in full, or its last part, is meant by one of a user's patterns."""
    last = path.rpartition(os.sep)[2]
    return any(fnmatchcase(text, each) for each in patterns for text in (name, path, last))


ignored = IgnoredFiles()
