"""Which code the calls of a graph are of, and the folders in which its modules were found when they ran."""

from __future__ import annotations

import os

from cachepy.code.source import best_first, loaded_files
from cachepy.core.kinds import NAMES_OF_CODE
from cachepy.store.codec import ITEM, PART, TEXT, decoded, deps_in, fields_in, part_of
from cachepy.store.relocation import moved_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cachepy.calls.state import State
    from cachepy.store.codec import Row

    Ran = tuple[str, str]  # the digest of code, and the working directory where it ran
    Code = dict[str, dict[str, Ran]]  # module -> identity -> one run of it

_MOST = 8  # records of one module that are read
_FOLDERS = ("__init__", "__main__")  # modules that go by the name of their folder


def code_in(rows: Iterable[Row]) -> Code:
    """The identities of all code that calls name, by module."""
    found: Code = {}
    parts: set[bytes] = set()
    for row in rows:
        part = part_of(row)
        if part not in parts:
            parts.add(part)
            for identity, digest, cwd in _code_of(row, part):
                found.setdefault(identity.partition(":")[0], {}).setdefault(identity, (digest, cwd))
    return found


def _code_of(row: Row, part: bytes) -> Iterator[tuple[str, str, str]]:
    if not isinstance(row, bytes):
        deps, cwd = [dep.astuple() for dep in row.trace.deps], row.cwd
    else:
        deps, cwd = deps_in(part), decoded(part).partition(ITEM)[0]
    for kind, name, digest in deps:
        if kind in NAMES_OF_CODE:
            yield name, digest or "", cwd


def roots_in(rows: Iterable[Row]) -> list[str]:
    """The cache directories in which calls are stored."""
    shared = {row.split(PART, 2)[2][TEXT] if isinstance(row, bytes) else row.root for row in rows}
    return sorted({fields_in(each)[3] if isinstance(each, bytes) else each for each in shared})


def folders_of(session: State, code: Code) -> dict[str, tuple[str, ...]]:
    """Where the modules of some code were found, its own first, then those of what it reaches.

    By the files that stand in the records of code digests: there may be none, of code that came from no file.
    """
    found: dict[str, tuple[str, ...]] = {}
    for module, ran in code.items():
        folders: dict[str, None] = {}
        for identity, (digest, cwd) in list(ran.items())[:_MOST]:
            places = list(_places(session, identity, digest, cwd))
            folders.update((folder, None) for name, folder in places if name == module)
            folders.update((folder, None) for _, folder in places)
            if any(name == module for name, _ in places):
                break
        found[module] = tuple(folders)
    return found


def _places(session: State, identity: str, digest: str, cwd: str) -> Iterator[tuple[str, str]]:
    """Each module that a code digest was made of, and the folder from which it is imported."""
    for store in session.stores:
        kept = best_first(store.codes(digest), identity.partition("@")[0])
        rows, data = kept[0] if kept else ([], b"")
        old = loaded_files(data).get("root", store.root)
        for piece, _ in rows:
            module, file = piece.name.partition(":")[0], piece.where.rpartition(":")[0]
            if piece.cue != "code" or not file:
                continue
            here = moved_path(os.path.normpath(os.path.join(cwd, file)), old, store.root)
            folder = folder_for(module, here)
            if folder is not None and os.path.exists(folder):
                yield module, folder


def folder_for(module: str, file: str) -> str | None:
    """The folder from which a module is imported, by its file; None for a file of another name.

    >>> folder_for("a.b", "/p/a/b.py"), folder_for("a", "/p/a/__init__.py"), folder_for("job", "/p/job")
    ('/p', '/p', '/p')
    """
    folder, name = os.path.split(file)
    stem = name.removesuffix(".py")
    if stem == module:
        return folder
    names = module.split(".")
    if stem not in _FOLDERS and names.pop() != stem:
        return None
    for each in reversed(names):
        folder, above = os.path.split(folder)
        if above != each:
            return None
    return folder
