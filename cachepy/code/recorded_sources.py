"""What is kept of the source files behind a code digest, so that they alone can tell later whether it still holds.

Of each name that the code reaches: the digests of the parts of how it is bound (see `bindings`).  A file that was
edited after this process began may not be what runs here: of that only those parts are kept whose values are the ones
that ran.
"""

from __future__ import annotations

import os
import sys

from cachepy.code.bindings import Bindings, home_of, is_fresh_each_time
from cachepy.code.constants import NotConstant
from cachepy.code.outline import INIT
from cachepy.code.pieces import CLOSED
from cachepy.code.project import Project
from cachepy.code.side_effects import Reached, reached_by
from cachepy.core.kinds import ENVS
from cachepy.values.digest import digest_bytes, env_digest
from cachepy.values.modules import MAIN, PYTHON, STARTED, USER, Origins, canonical, file_of, find, scope_of
from cachepy.values.owners import is_installed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType
    from typing import Any

    from cachepy.code.bindings import Part
    from cachepy.code.edit_times import Edits
    from cachepy.code.pieces import Piece
    from cachepy.values.digest import Digester

    Paths = Callable[[str, ast.AST], Iterable[str]]
    Read = tuple[str, str, str | None]  # what a part asks the world for: kind, name, digest

FILE_LIMIT = 1 << 20  # bytes; a larger one is made by a program
OWN = "own"  # a variable of the environment that the program sets itself, whatever it is outside
_CHANGERS = 64  # of the modules that are loaded, those looked into for what they change in others
_LOADED = 1000
_FILES = (".py", ".pyw", "")  # endings of source files


class Subjects:
    """The names that pieces speak of: (module, name) with the pieces, and the files of the modules."""

    def __init__(self, pieces: Iterable[Piece], is_module: Callable[[str], bool]) -> None:
        self.pieces: dict[tuple[str, str], list[Piece]] = {}
        self.others: list[Piece] = []  # of no name in a source file
        self.wholes: list[str] = []  # modules that are looked into as a whole
        for piece in pieces:
            place = self._place(piece, is_module)
            if piece.cue == "global" and piece.name.endswith(".*"):
                self.wholes.append(piece.name[:-2])
            elif place is None:
                self.others.append(piece)
            else:
                self.pieces.setdefault(place, []).append(piece)

    def _place(self, piece: Piece, is_module: Callable[[str], bool]) -> tuple[str, str] | None:
        if piece.cue not in ("code", CLOSED, "global"):
            return None
        module, colon, rest = piece.name.partition(":")
        if colon and "." not in module.rpartition(".")[2] and is_module(module):
            return module, rest.partition(".")[0].partition(" ")[0]
        dotted = piece.name.partition(":")[0].split(".")
        for end in range(len(dotted) - 1, 0, -1):
            module = ".".join(dotted[:end])
            if is_module(module):
                return module, dotted[end].partition(" ")[0]
        return None


def read_source(path: str) -> str | None:
    """The text of a source file; None if it cannot be read, is no text, or is too large."""
    from importlib.util import decode_source

    try:
        with open(path, "rb") as file:
            data = file.read(FILE_LIMIT + 1)
        return decode_source(data) if len(data) <= FILE_LIMIT else None
    except (OSError, ValueError, SyntaxError):
        return None


class Written:
    """What this process knows of the source files of the code that it runs."""

    def __init__(
        self, origins: Origins, digester: Digester, file_digest: Callable[[str], str | None], edits: Edits
    ) -> None:
        self.origins = origins
        self.edits = edits
        self.file_digest = file_digest
        self._where: dict[str, str] = {}  # of modules that are not loaded here: by the places of their code
        self._here: dict[str, str] = {}
        self._count = 0
        self._files: dict[str, str | None] = {}  # by module, while one record is made
        self._trusted: dict[str, bool] = {}  # likewise
        self._reached: dict[str, Reached] = {}  # by module: what it may change in others
        self.project = Project(self._file, read_source)
        self.bindings = Bindings(self.project, digester)

    def record(self, pieces: tuple[Piece, ...], root: str) -> dict[str, Any]:
        """What is kept of the files behind these pieces, in a cache directory."""
        self._files.clear()
        self._trusted.clear()
        for piece in pieces:
            if piece.cue in ("code", CLOSED) and piece.where[:1] != "<":
                self._where.setdefault(piece.name.partition(":")[0], os.path.abspath(piece.where.rpartition(":")[0]))
        subjects = Subjects(pieces, lambda module: self._file(module) is not None)
        modules = {module for module, _ in subjects.pieces} | {*subjects.wholes}
        self._grow(modules)
        parts: dict[str, dict[str, str]] = {}
        outside: dict[str, list[Read]] = {}
        homes: set[str] = set()
        for (module, name), about in subjects.pieces.items():
            kept = parts[f"{module} {name}"] = {}
            for key, part in self.bindings.parts(module, name).items():
                if self._is_trusted(module) or self._is_proven(module, name, part, about):
                    kept[key] = part.digest
                    homes |= part.homes
                    if part.outside and key[:1] != "@":
                        reads = [] if is_fresh_each_time(part) else self._reads(module, part)
                        outside[f"{module} {name} {key}"] = reads
        names = {module: self._names(module) for module in subjects.wholes}
        loose = {piece.name: path for piece in subjects.others if (path := path_of(piece.name))}
        read = {**self._loaded_here(), **self.project.read}
        files = {module: self._stamp(module, path) for module, path in read.items()}
        return {
            "python": PYTHON, "files": files, "parts": parts, "outside": outside, "names": names,
            "modules": self.project.modules, "root": root, "loose": loose,
            "told by": {path: self._digest_read(path) for home, path in read.items() if home in homes},
        }  # fmt: skip

    def _grow(self, modules: set[str]) -> None:
        """Statements of these modules, of the program, and of what it has imported, may change what is in others."""
        main = find_main()
        wanted = {*self.project.modules, *modules, *([main] if main else []), *self._changers(modules)}
        if wanted != {*self.project.modules}:
            file_of, read = self._file, read_source
            self.project = Project(file_of, read)
            self.project.modules = tuple(sorted(wanted))
            self.bindings = Bindings(self.project, self.bindings.digester)

    def _loaded_here(self) -> dict[str, str]:
        """The source files of the user's modules in this process."""
        if len(sys.modules) != self._count:
            self._count = len(sys.modules)
            files = {canonical(name): scope_of(module).get("__file__") for name, module in list(sys.modules.items())}
            named = sorted(name for name, path in files.items() if type(path) is str and not is_installed(path))
            found = {name: path for name in named if (path := self._file(name)) is not None}
            self._here = dict([*found.items()][:_LOADED])
        return self._here

    def _changers(self, modules: set[str]) -> list[str]:
        """Of the modules loaded here, those that may change what is in some modules, or of libraries."""
        for module, path in self._loaded_here().items():
            if module not in self._reached:
                text = read_source(path)
                self._reached[module] = Reached() if text is None else reached_by(text, self._is_user)
        tops = {module.partition(".")[0] for module in modules}
        return [module for module in self._here if self._may_change(module, tops)][:_CHANGERS]

    def _may_change(self, module: str, tops: set[str]) -> bool:
        """Whether a module may change what is in packages: a name that leads there need not be the module's own."""
        reached = self._reached[module]
        named = {package or module.partition(".")[0] for package in reached.packages}
        return reached.all or (reached.user and not tops.isdisjoint(named))

    def _is_user(self, package: str) -> bool:
        loaded = sys.modules.get(package)
        path = scope_of(loaded).get("__file__")
        return loaded is None or (not is_installed(str(path)) and self.origins.of_module(loaded) == USER)

    def _names(self, module: str) -> str:
        outline = self.project.outline(module)
        return "" if outline is None else digest_bytes(repr(sorted(outline.bound)).encode())

    def _file(self, module: str) -> str | None:
        """The source file of a module of the user's; None for others."""
        if module not in self._files:
            self._files[module] = self._found(module)
        return self._files[module]

    def _found(self, module: str) -> str | None:
        loaded = _loaded(module)
        path = scope_of(loaded).get("__file__") if loaded is not None else self._where.get(module)
        if type(path) is not str or os.path.splitext(path)[1] not in _FILES:
            return None
        return os.path.abspath(path) if self.origins.owners.kind(path) == USER and os.path.isfile(path) else None

    def _is_trusted(self, module: str) -> bool:
        """Whether the file is as it was when this process loaded it."""
        if module not in self._trusted:
            self._trusted[module] = self._is_as_loaded(module)
        return self._trusted[module]

    def _is_as_loaded(self, module: str) -> bool:
        path = self._file(module)
        try:
            st = os.stat(path or "")
        except OSError:
            return False
        return max(st.st_mtime_ns, st.st_ctime_ns) < STARTED and _loaded(module) is not None

    def _stamp(self, module: str, path: str) -> tuple[str, str]:
        """The path of a file, and the digest of its content if that is what runs here."""
        return path, (self.file_digest(path) or "") if self._is_trusted(module) else ""

    def _is_proven(self, module: str, name: str, part: Part, pieces: list[Piece]) -> bool:
        """Whether a part of a file that was edited since is what ran all the same."""
        ran = {piece.name: piece.digest for piece in pieces}
        found = self.bindings.piece(part, module)
        if found is not None:
            return ran.get(found.name) == found.digest
        target = self.bindings.target(module, name)
        return target is not None and ran.get(target.name) == target.digest

    def _reads(self, module: str, part: Part) -> list[Read]:
        """What a part asks the world for, as far as its text names it."""
        own = self.project.variables_set()
        reads = reads_of(part.run, self._digest_read, lambda text, tree: self._paths(module, text, tree))
        return [(OWN, name, None) if kind in ENVS and name in own else (kind, name, was) for kind, name, was in reads]

    def _digest_read(self, path: str) -> str | None:
        """Of a file that was read when a module was imported; empty if it was edited since, for then nobody knows."""
        digest = self.file_digest(path)
        return "" if self.edits.is_later(path) else digest

    def _paths(self, module: str, text: str, tree: ast.AST) -> Iterator[str]:
        """The paths that expressions make of constants, as the folder of a file and a name."""
        import ast

        home = home_of(text) or module
        for node in ast.walk(tree):
            if isinstance(node, (ast.BinOp, ast.Call, ast.Name, ast.JoinedStr)):
                try:
                    value = self.bindings.evaluated(home, node)
                except (NotConstant, LookupError):
                    continue
                if isinstance(value, (str, os.PathLike)):
                    yield os.fspath(value)


def path_of(label: str) -> str:
    """The file that code names in another way than by an import, see `dynamic`; empty if a label is of another."""
    if label.startswith("runs "):
        return os.path.abspath(label.removeprefix("runs "))
    if label.startswith("data "):
        _, package, name = label.split(" ", 2)
        return os.path.join(os.path.dirname(file_of(package) or ""), name)
    text = label.removeprefix("may import ")
    file = file_of(text.rstrip(".")) if text != label else None
    return (os.path.dirname(file) if text.endswith(".") else file) if file else ""


def _loaded(module: str) -> ModuleType | None:
    """A module of this process; by its name with ``.__init__`` a package whose program runs."""
    return sys.modules.get(module.removesuffix(INIT)) if module.endswith(INIT) else find(module)


def reads_of(texts: Iterable[str], file_digest: Callable[[str], str | None], paths: Paths) -> list[Read]:
    """The files and environment variables that texts name; paths: what the expressions in a text may stand for."""
    import ast

    found: dict[tuple[str, str], str | None] = {}
    for text in texts:
        try:
            tree = ast.parse(text)
        except SyntaxError:  # what stands for an import
            continue
        named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is str}
        for name in named | {*paths(text, tree)}:
            if not 0 < len(name) < 1000:
                continue
            if os.path.isfile(name):
                found["file", os.path.abspath(name)] = file_digest(os.path.abspath(name))
            elif name in os.environ or name.isupper():
                found["env", name] = env_digest(os.environ.get(name))
    return [(kind, name, digest) for (kind, name), digest in sorted(found.items())]


def find_main() -> str:
    """The canonical name of this process's script, if it has a file."""
    return canonical(MAIN[0]) if scope_of(sys.modules.get(MAIN[0])).get("__file__") else ""

