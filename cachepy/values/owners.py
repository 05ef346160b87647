"""Whose a file is: the user's, an installed package's or the standard library's; and the package's version.

A folder of packages is one that bears such a name *and* holds a package that says its version, by its metadata or by
``__version__``: what says none has to count by its content.
"""

from __future__ import annotations

import os
import sys

USER, PACKAGE, STDLIB = "user", "package", "stdlib"
UNKNOWN = "?"
_FOLDERS = ("/site-packages/", "/dist-packages/")
_HERE = __file__.replace("\\", "/").rpartition("/cachepy/")[0]
_OURS = (f"{_HERE}/cachepy/", f"{_HERE}/dask_plugin/")
_STDLIB_DIR = (os.__file__ or "").replace("\\", "/").rpartition("/os.py")[0] + "/"
_DEEPEST = 4  # folders that share a name, as ``google.cloud`` does


def is_installed(file: str) -> bool:
    """Whether a file lies in a folder of packages, by its path alone."""
    return "-packages/" in file and any(folder in file for folder in _FOLDERS)


class Owners:
    """Remembers what was found out of the folders of packages in one process.

    Examples
    --------
    >>> Owners().kind(os.__file__)
    'stdlib'
    """

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._versions: dict[tuple[str, str], str] = {}
        self._names: dict[str, list[str]] = {}
        self._rows: dict[str, list[tuple[str, str, str]]] = {}
        self._places: dict[str, tuple[str, str] | None] = {}

    def kind(self, file: str) -> str:
        """``user``, ``package`` or ``stdlib``."""
        found = self._kinds.get(file)
        if found is None:
            found = self._kind(file.replace("\\", "/"))
            if found != USER or self.place(file) is None:  # else it may say its version once it is loaded
                self._kinds[file] = found
        return found

    def is_settled(self, file: str) -> bool:
        """Whether the kind of a file will not become another one in this process."""
        return file in self._kinds

    def _kind(self, file: str) -> str:
        if file.startswith(_OURS):
            return STDLIB
        place = self.place(file)
        if place is not None:
            return USER if self.version_at(*place) == UNKNOWN else PACKAGE
        return STDLIB if file.startswith(_STDLIB_DIR) else USER

    def place(self, file: str) -> tuple[str, str] | None:
        """The folder of packages that a file lies in, and its package by the name for import; None without such."""
        if file not in self._places:
            self._places[file] = self._place(file)
        return self._places[file]

    def _place(self, file: str) -> tuple[str, str] | None:
        file = file.replace("\\", "/")
        end = max(file.rfind(each) + len(each) if each in file else -1 for each in _FOLDERS)
        if end < 0 or not os.path.isabs(file):
            return None
        parts = [part for part in file[end:].split("/") if part] or [""]
        if parts[0].endswith(".egg") and len(parts) > 1:
            return file[:end], parts[0]
        return file[:end], self._package(file[:end], parts)

    def _package(self, folder: str, parts: list[str]) -> str:
        """By as many names as no file of its own stands under: a namespace belongs to several distributions."""
        depth = 1
        while depth < min(len(parts), _DEEPEST) and not self._has_init(folder, parts[:depth]):
            depth += 1
        return ".".join([*parts[: depth - 1], parts[depth - 1].partition(".")[0]])

    def _has_init(self, folder: str, parts: list[str]) -> bool:
        inside = self._listing(folder + "/".join(parts)) if len(parts) < _DEEPEST else []
        return not inside or any(name.startswith("__init__.") for name in inside)

    def _listing(self, folder: str) -> list[str]:
        if folder not in self._names:
            try:
                self._names[folder] = os.listdir(folder)
            except OSError:
                self._names[folder] = []
        return self._names[folder]

    def version_at(self, folder: str, name: str) -> str:
        """The version of the package of that name in a folder of packages; ``?`` if it says none."""
        known = self._versions.get((folder, name))
        if known is None:
            known = self._versions[folder, name] = self._by_metadata(folder, name)
        return known or _told(folder, name)

    def _by_metadata(self, folder: str, name: str) -> str:
        if name.endswith(".egg"):
            return name.removesuffix(".egg").partition("-")[2]
        if folder not in self._rows:
            self._rows[folder] = [row for row in map(_named, sorted(self._listing(folder))) if row is not None]
        wanted = name.replace(".", "_").lower()
        likely = [row for row in self._rows[folder] if row[0] == wanted]  # most bear the name of what is imported
        others = [row for row in self._rows[folder] if row[0] != wanted]
        return ",".join(sorted(self._owning(folder, name, likely) or self._owning(folder, name, others)))

    def _owning(self, folder: str, name: str, rows: list[tuple[str, str, str]]) -> set[str]:
        """The versions of the distributions that brought the package."""
        path = name.replace(".", "/")
        found = set[str]()
        for label, version, entry in rows:
            brought = _brought(f"{folder}{entry}", path)
            if brought or (brought is None and label == name.replace(".", "_").lower()):
                found.add(version or _written_version(f"{folder}{entry}"))
        return found - {""}


def _told(folder: str, name: str) -> str:
    """What a package without metadata says itself once it is loaded, in a folder that is one of packages."""
    if not _is_installed(folder) or os.path.islink(folder + name.partition(".")[0]):
        return UNKNOWN
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None) or ""
    version = getattr(module, "__version__", None)
    return version if isinstance(version, str) and file.startswith(folder) else UNKNOWN


def _is_installed(folder: str) -> bool:
    """Whether a folder lies where an interpreter has its packages, and is not a user's that has such a name."""
    above = folder.rstrip("/").rpartition("/")[0].rpartition("/")[2]
    return above[:6] == "python" or above == "Lib"


def _named(entry: str) -> tuple[str, str, str] | None:
    """(name, version, entry) of a folder or file of metadata, by its name."""
    stem, _, kind = entry.rpartition(".")
    if kind not in ("dist-info", "egg-info"):
        return None
    name, _, version = stem.partition("-")
    return name.replace(".", "_").lower(), version.partition("-py")[0], entry


def _brought(entry: str, path: str) -> bool | None:
    """Whether a distribution lists the package among its files; None if it does not say."""
    for name, clean in (("RECORD", b"\n"), ("installed-files.txt", b"\n../")):
        text = _read(f"{entry}/{name}")
        if text:
            begins = [clean + path.encode() + end for end in (b"/", b".py,", b".py\n", b".", b".cpython-", b".abi3.")]
            return any(begin in b"\n" + text for begin in begins)
    text = _read(f"{entry}/top_level.txt")
    return path.partition("/")[0].encode() in text.split() if text else None


def _written_version(entry: str) -> str:
    """The version in the metadata itself, where the name of the entry has none."""
    for name in ("METADATA", "PKG-INFO", ""):
        for line in _read(f"{entry}/{name}" if name else entry).splitlines():
            if line.startswith(b"Version:"):
                return line[8:].strip().decode("utf-8", "replace")
    return ""


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as stream:
            return stream.read()
    except OSError:
        return b""
