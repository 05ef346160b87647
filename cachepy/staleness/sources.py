"""Whether code is as it was when a call ran, told by its source files alone: nothing is imported, nothing runs.

The record of a code digest has its pieces and, of each name, the parts of how it is bound (see `recorded_sources`).
Files that are as they were need no look.  Of a changed file the functions are compared as compiled code, and of the
names that the code reaches each part.  What cannot be told so, such as a value that changed code computes, is
`unclear`.
"""

from __future__ import annotations

import ast
import os

from cachepy.calls.late_imports import OURS
from cachepy.calls.live_world import LiveWorld
from cachepy.code.bindings import CHANGES, DISPLAY, GIVEN, Bindings, Part, is_fresh_each_time
from cachepy.code.changes import reasons_of
from cachepy.code.closed import shape_of
from cachepy.code.constants import NotConstant
from cachepy.code.names_used import scan
from cachepy.code.outline import INIT
from cachepy.code.pieces import CLOSED, Piece
from cachepy.code.project import Project
from cachepy.code.recorded_sources import OWN, Subjects, read_source
from cachepy.code.source import best_first, has_code, loaded_files
from cachepy.core.kinds import KINDS, PATHS
from cachepy.core.model import Record
from cachepy.core.reasons import Reason
from cachepy.staleness.max_ages import NONE as NO_AGE
from cachepy.staleness.max_ages import UNCLEAR as UNTOLD
from cachepy.staleness.max_ages import Mentions, Told, told_now
from cachepy.store.relocation import moved_path
from cachepy.values.digest import digest_bytes, env_digest
from cachepy.values.modules import PYTHON
from cachepy.values.owners import UNKNOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType
    from typing import Any

    from cachepy.calls.state import State

SAME, CHANGED, UNCLEAR = "same", "changed", "unclear"
_PLACES = "__file__", "__path__", "abspath", "realpath", "absolute", "resolve", "relpath"
_NO_FILE = "it came from no file: a prompt, a notebook, or python -c"


class Seen(Record):
    """What was seen of a piece of code: ``same``, ``changed`` with the reasons, or ``unclear`` with what is.

    is_edited: whether a file that it came from is another one now; only an import tells whether it can be imported.
    """

    __slots__ = ("state", "reasons", "is_edited")
    state: str
    reasons: tuple[Reason, ...]
    is_edited: bool


class Setting(Record):
    """What a program sets a variable to: digests; is_plain: the texts tell that; is_edited: a file of it changed."""

    __slots__ = ("digests", "is_plain", "is_edited")
    digests: set[str | None]
    is_plain: bool
    is_edited: bool


def unclear(what: str, why: str) -> Seen:
    """Something that counts could not be looked at."""
    return Seen(UNCLEAR, (Reason("unseen", what, None, why),), is_edited=False)


class SourceLook:
    """Looks at code by its source files, each file once."""

    def __init__(self, session: State) -> None:
        self.session = session
        self.world = LiveWorld(session)
        self._seen: dict[tuple[str, str], Seen] = {}
        self._sets: dict[tuple[str, str], dict[str, Setting]] = {}
        self._mentions = Mentions()
        self._projects: dict[tuple[Any, ...], Bindings] = {}

    def at(self, identity: str, digest: str) -> Seen:
        """What has become of the code of a name that had this digest."""
        key = identity, digest
        if key not in self._seen:
            self._seen[key] = self._look(identity, digest)
        return self._seen[key]

    def sets(self, identity: str, digest: str) -> dict[str, Setting]:
        """The variables of the environment that the program with this code sets at the top of its modules."""
        key = identity, digest
        if key not in self._sets:
            self._sets[key] = self._settings(identity.partition("@")[0], digest)
        return self._sets[key]

    def max_age(self, name: str, digest: str, *, is_recorded: bool) -> Told:
        """How old results of a function with this code may be now; is_recorded: whether a run tells that of then."""
        for root, rows, files in self._records(name, digest):
            if not files or files.get("python") != PYTHON:
                break
            try:
                return _Look(self, name, rows, files, root).max_age(self._mentions, is_recorded=is_recorded)
            except Exception:  # likewise
                break
        return UNTOLD if is_recorded else NO_AGE

    def _settings(self, name: str, digest: str) -> dict[str, Setting]:
        for root, rows, files in self._records(name, digest):
            if not files or files.get("python") != PYTHON:
                break
            try:
                return _Look(self, name, rows, files, root).settings()
            except Exception:  # likewise
                break
        return {}

    def _records(self, name: str, digest: str) -> Iterator[tuple[str, list[tuple[Piece, str]], dict[str, Any]]]:
        """What is kept of code with this digest: the cache directory, the pieces, and the files that they came from."""
        for store in self.session.stores:
            for rows, data in best_first(store.codes(digest), name):
                if not (has_code(rows, name) or _is_of(rows, name)):
                    break  # other code has the same digest
                yield store.root, rows, loaded_files(data)

    def _look(self, identity: str, digest: str) -> Seen:
        name = identity.partition("@")[0]
        for root, rows, files in self._records(name, digest):
            if not files:
                return unclear(f"code of {name}", "it was recorded without its source files")
            if files.get("python") != PYTHON:
                return unclear(f"code of {name}", f"it ran on {files.get('python')}, and this is {PYTHON}")
            try:
                return _Look(self, name, rows, files, root).seen()
            except Exception as error:  # a record of another form, a file that nests too deep
                why = f"its source files could not be compared ({type(error).__name__}: {error})"
                return unclear(f"code of {name}", why)
        return unclear(f"code of {name}", "its parts were not recorded: run the program once")

    def bindings(self, files: dict[str, tuple[str, str]], modules: tuple[str, ...]) -> Bindings:
        """The names in these files, as they are now."""
        key = tuple(sorted((module, path) for module, (path, _) in files.items())), modules
        if key not in self._projects:
            project = Project(_Finder({module: path for module, (path, _) in files.items()}), read_source)
            project.modules = modules
            self._projects[key] = Bindings(project, self.session.reader.digester)
        return self._projects[key]


class _Finder:
    """Where the source of a module is: as recorded, or beside the recorded ones."""

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self._tops = {_top_of(module, path) for module, path in known.items()}

    def __call__(self, module: str) -> str | None:
        if module in self.known:
            return self.known[module] if os.path.isfile(self.known[module]) else None
        if module.partition(".")[0] in OURS:  # a checkout of cachepy beside a program is none of its code
            return None
        tail = module.replace(".", os.sep)
        for top in self._tops:
            for path in (os.path.join(top, f"{tail}.py"), os.path.join(top, tail, "__init__.py")):
                if os.path.isfile(path):
                    return path
        return None


def _top_of(module: str, path: str) -> str:
    """The folder in which the first part of a module's name is looked for."""
    folder = os.path.dirname(path)
    is_folder = os.path.basename(path).startswith(("__init__.", "__main__."))
    depth = module.removesuffix(INIT).count(".") + is_folder
    for _ in range(depth):
        folder = os.path.dirname(folder)
    return folder


class _Look:
    """One look at one digest: `changed` pieces, and what is `unclear`."""

    def __init__(
        self, look: SourceLook, name: str, rows: list[tuple[Piece, str]], files: dict[str, Any], root: str
    ) -> None:
        self.session, self.world = look.session, look.world
        self.name = name
        self.root = root
        self.rows = rows
        old = files.get("root", root)
        self.place: Callable[[str], str] = lambda path: moved_path(path, old, root)
        self.files: dict[str, tuple[str, str]] = {m: (self.place(p), d) for m, (p, d) in files["files"].items()}
        self.has_moved = any(path != self.files[module][0] for module, (path, _) in files["files"].items())
        self.parts: dict[str, dict[str, str]] = files["parts"]
        self.outside: dict[str, list[tuple[str, str, str | None]]] = files["outside"]
        self.names: dict[str, str] = files["names"]
        self.loose: dict[str, str] = files["loose"]
        digest_of = self.session.files.digest
        self.edited = {name for name, (path, known) in self.files.items() if not known or digest_of(path) != known}
        modules = {*files["modules"], *self.edited}
        self._look = look
        known = look.bindings(self.files, tuple(sorted(modules)))
        new = known.project.brought_in(self.edited, self.files)
        self.bindings = look.bindings(self.files, tuple(sorted(modules | new))) if new else known
        self.now: dict[str, Piece | None] = {}  # pieces that are others now, by cue and name; None: gone
        self.new: list[Piece] = []
        self.unclear: list[Reason] = []

    def seen(self) -> Seen:
        """What has become of it."""
        is_same = not self.has_moved and not self.edited
        pieces = [piece for piece, _ in self.rows]
        self._packages(pieces)
        subjects = Subjects(pieces, lambda module: module in self.files)
        for piece in subjects.others:
            self._other(piece)
        if not is_same or self.outside:
            self._names(subjects, is_same)
        if any(piece is None and key.startswith(f"code {self.name} ") for key, piece in self.now.items()):
            return Seen(CHANGED, (Reason("gone", self.name, None, None),), is_edited=True)
        if self.now or self.new:
            gone = {key for key, piece in self.now.items() if piece is None}
            after = [self.now.get(_key(p)) or p for p in pieces if _key(p) not in gone]
            found = reasons_of(self.name, self.rows, [*after, *self.new], self.session.sources)
            return Seen(CHANGED, tuple(found) or (Reason("code", self.name, None, None),), is_edited=True)
        state = UNCLEAR if self.unclear else SAME
        return Seen(state, tuple(self.unclear), is_edited=bool(self.edited))

    def settings(self) -> dict[str, Setting]:
        """The variables that the modules of the program set, as they are now."""
        modules = {*self.bindings.project.modules, *self.files}
        bindings = self._look.bindings(self.files, tuple(sorted(modules)))
        found: dict[str, Setting] = {}
        for name, module, node in bindings.project.settings():
            known = found.setdefault(name, Setting(set(), True, bool(self.edited)))
            try:
                known.digests.add(env_digest(str(bindings.evaluated(module, node))))
            except (NotConstant, LookupError):
                found[name] = known.replace(is_plain=False)
        return found

    def max_age(self, mentions: Mentions, *, is_recorded: bool) -> Told:
        """What the decorator says; of a function whose folder names no such option, that there is none."""
        module, _, qualname = self.name.partition(":")
        if not is_recorded and not any(mentions.near(path) for path, _ in self.files.values()):
            return NO_AGE
        return told_now(self.bindings, module, qualname)

    def _doubt(self, what: str, why: str) -> None:
        reason = Reason("unseen", what, None, why)
        if reason not in self.unclear:
            self.unclear.append(reason)

    def _packages(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            if piece.cue == "package":
                version = self.session.origins.version(piece.name)
                if version == UNKNOWN and version != piece.digest:
                    self._doubt(f"package {piece.name}", "it was not found from here")
                elif version != piece.digest:
                    self.now[_key(piece)] = Piece("package", piece.name, version, "", piece.text)

    # -- names

    def _names(self, subjects: Subjects, is_same: bool) -> None:
        outside = self.outside.items() if is_same else ()
        asking = {" ".join(key.split(" ", 2)[:2]) for key, reads in outside if not self._all_hold(reads)}
        for (module, name), about in subjects.pieces.items():
            if not is_same or f"{module} {name}" in asking:
                self._name(module, name, about, is_same)
        if is_same:
            return
        for module in subjects.wholes:
            outline = self.bindings.project.outline(module)
            if outline is None or digest_bytes(repr(sorted(outline.bound)).encode()) != self.names.get(module):
                self.new.append(Piece("global", f"{module}.*", "=other names", ""))

    def _other(self, piece: Piece) -> None:
        """A piece of no name in a source file: of a library, which counts by its version, or of no file at all."""
        if piece.cue == "code":
            if not (piece.name.startswith("namedtuple_") and piece.where[:1] == "<"):  # which its text makes
                self._doubt(f"code of {piece.name}", _NO_FILE)
        elif piece.name in self.loose:
            digest = self.session.files.digest(self.place(self.loose[piece.name])) or "none"
            if piece.digest != f"={digest}":
                self.now[_key(piece)] = Piece("global", piece.name, f"={digest}", "", digest)

    def _name(self, module: str, name: str, pieces: list[Piece], is_same: bool) -> None:
        path = self.files[module][0]
        if not os.path.isfile(path):
            self._doubt(f"code of {self.name}", f"{path} is gone")
            return
        if self.bindings.project.outline(module) is None:
            self._doubt(f"code of {self.name}", f"{path} does not compile")
            return
        if name == "__file__":
            self._file_name(module, path, pieces)
            return
        codes = [piece for piece in pieces if piece.cue == "code"]
        if not is_same:
            for piece in codes:
                self._code(piece, path, name)
            for piece in pieces:
                if piece.cue == CLOSED:
                    self._closed(piece, path)
        before = self.parts.get(f"{module} {name}", {})
        now = self.bindings.parts(module, name)
        if not before and self.files[module][1] and not now:
            return  # no name of the file: made by what is, as dataclasses make functions
        if not now and not is_same:
            self._gone(module, name, pieces)
            return
        if self._is_cached(module, name, pieces):
            return  # all else about it is in the trace of its own calls
        for key in [*before, *(key for key in now if key not in before)]:
            self._part(module, name, key, before.get(key), now.get(key), pieces, is_same)

    def _file_name(self, module: str, path: str, pieces: list[Piece]) -> None:
        """What Python sets itself, and code asks for its folder."""
        for piece in pieces:
            found = self.bindings.constant(piece.name, module, path)
            if found is None:
                self._doubt(f"global {piece.name}", "it is a different kind of value now")
            elif found.digest != piece.digest:
                self.now[_key(piece)] = found

    def _is_cached(self, module: str, name: str, pieces: list[Piece]) -> bool:
        """Whether a cached function is called that is one still."""
        if len(pieces) != 1 or pieces[0].digest != f"=cached {module}:{name}":
            return False
        target = self.bindings.target(module, name)
        return target is not None and target.digest == pieces[0].digest

    def _gone(self, module: str, name: str, pieces: list[Piece]) -> None:
        """The module does not bind the name any more."""
        if f"{module} {name}" not in self.parts or not self.parts[f"{module} {name}"]:
            self._doubt(f"{module}.{name}", "how it is made was not recorded")
            return
        for piece in pieces:
            self.now[_key(piece)] = None
        if not pieces:
            self.new.append(Piece("global", f"{module}.{name}", "=nothing", ""))

    def _code(self, piece: Piece, path: str, name: str) -> None:
        """A function as it is compiled now."""
        qualname = piece.name.partition(":")[2]
        if not piece.where or piece.where[:1] == "<":  # a class; or made by the top level, whose parts tell
            return
        where = self.place(piece.where.rpartition(":")[0])
        if os.path.basename(path) == "__main__.py" and os.path.isfile(where):  # its package has the same name
            path = where
        wanted, _, notes = piece.digest.partition(".")
        found = self.session.sources.codes(path).get(qualname, [])
        digests = [self.session.reader.code_digest(code) for code in found]
        if wanted in digests:
            self._new_names(piece, found[digests.index(wanted)])
            return
        module = piece.name.partition(":")[0]
        if not found:
            where, rest = self.bindings.project.resolve(module, (name,))
            if where != module and rest[:1] not in ((), ("?",)):
                self._doubt(f"code of {piece.name}", f"it is made in {where} now")
            else:
                self.now[_key(piece)] = None
            return
        line = found[0].co_firstlineno
        digest = digests[0] + (f".{notes}" if notes else "")
        self.now[_key(piece)] = Piece("code", piece.name, digest, f"{path}:{line}", piece.text)

    def _closed(self, piece: Piece, path: str) -> None:
        """A function that did not run counts by how it may be called, and by what its name is bound to."""
        found = self.session.sources.codes(path).get(piece.name.partition(":")[2], [])
        shapes = [shape_of(code) for code in found]
        if piece.digest not in shapes:
            self.now[_key(piece)] = Piece(CLOSED, piece.name, shapes[0], path, "") if shapes else None

    def _new_names(self, piece: Piece, code: CodeType) -> None:
        """Names that were builtins, or nothing, and are the module's own now."""
        module = piece.name.partition(":")[0]
        outline = self.bindings.project.outline(module)
        bound = outline.bound if outline is not None else {}
        for name in scan(code).names:
            is_new = name in bound and f"{module} {name}" not in self.parts
            if is_new and not self._is_declared_elsewhere(name):
                self.new.append(Piece("global", f"{module}.{name}", "=new", ""))

    def _is_declared_elsewhere(self, name: str) -> bool:
        """Whether a name does not count because the function says so."""
        return any(p.cue == "declared" and f"'{name}'" in p.digest for p, _ in self.rows)

    def _part(
        self, module: str, name: str, key: str, before: str | None, now: Part | None, pieces: list[Piece], is_same: bool
    ) -> None:
        if key == DISPLAY or (key == "" and self._is_written_alike(module, name)):
            return
        if now is None:
            self._less(module, name, key)
            return
        if before == now.digest and not (self.has_moved and _tells_place(now)):
            reads = self.outside.get(f"{module} {name} {key}")
            if reads is None or (not is_fresh_each_time(now) and self._all_hold(reads)):
                return
        elif before is None and is_same:
            return  # of a file that was edited while the program ran
        self._compare(module, name, key, before, now, pieces)

    def _is_written_alike(self, module: str, name: str) -> bool:
        """Whether a table says the same, and its names lead to the functions and classes of then."""
        before = self.parts.get(f"{module} {name}", {}).get(DISPLAY)
        now = self.bindings.parts(module, name).get(DISPLAY)
        return now is not None and before == now.digest

    def _all_hold(self, reads: list[tuple[str, str, str | None]]) -> bool:
        """Whether the world is as it was, as far as is known what was asked of it."""
        return bool(reads) and all(map(self._read_holds, reads))

    def _read_holds(self, read: tuple[str, str, str | None]) -> bool:
        kind, name, digest = read
        return kind == OWN or KINDS[kind].same(self.place(name) if kind in PATHS else name, digest, self.world)

    def _less(self, module: str, name: str, key: str) -> None:
        """A part that is not there any more."""
        label = f"{module}.{name}"
        where, rest = self.bindings.project.resolve(module, (name,))
        if key.startswith(f"{GIVEN} "):
            self._given(module, key)
        elif key in ("", CHANGES):
            self._doubt(f"global {label}", "it is made in a different way now")
        elif where != module and rest[:1] not in ((), ("?",)):
            self._doubt(f"code of {module}:{name}", f"it is made in {where} now")
        elif key[:1] in ("@", "#"):
            return  # with its function
        else:
            self.new.append(Piece("global", f"{module}:{key}", "=gone", ""))

    def _compare(self, module: str, name: str, key: str, before: str | None, now: Part, pieces: list[Piece]) -> None:
        """A part whose text is another one: whether it gives the same all the same."""
        if key[:1] == "@":
            self._decorators(module, key[1:])
        elif key[:1] == "#":
            self._doubt(f"code of {module}:{key[1:]}", "its decorators changed")
        elif key.startswith(("class ", "order ")):
            if key.startswith("order ") and before is not None:
                self.new.append(Piece("code", f"{module}:{name}", "members", ""))
            else:
                self._doubt(f"class {module}:{name}", "its bases or decorators changed")
        elif ":" in key:
            self._note(module, key, now, before, pieces)
        elif key.startswith(f"{GIVEN} "):
            self._given(module, key)
        elif key == CHANGES:
            self._doubt(f"global {module}.{name}", "the code that changes it is different now")
        else:
            self._value(module, name, now, before, pieces)

    def _given(self, module: str, key: str) -> None:
        """What a function without decorators is given to may be what caches it."""
        if f"{module}:{key.removeprefix(f'{GIVEN} ')}".partition("#")[0] == self.name.partition("#")[0]:
            self._doubt(f"decorator of {self.name}", "it is called with different arguments now")

    def _note(self, module: str, key: str, now: Part, before: str | None, pieces: list[Piece]) -> None:
        """An annotation, as far as its text tells what it means."""
        owner, _, name = key.partition(":")
        if not name:  # of a class
            owner, _, name = owner.rpartition(".")
        piece = next((p for p in pieces if p.cue == "code" and p.name == f"{module}:{owner}"), None)
        told = dict(line.split(": ", 1) for line in (piece.text if piece else "").split("\n") if ": " in line)
        text = self.bindings.note(module, now)
        if before is None or (name in told and text and told[name] != text):
            self.new.append(Piece("code", f"{module}:{owner}", f"annotation {name}", ""))
        elif told.get(name) != text:
            self._doubt(f"annotation {name} of {module}:{owner}", "it changed")

    def _value(self, module: str, name: str, now: Part, before: str | None, pieces: list[Piece]) -> None:
        labels = [now.label, now.label.rpartition(".")[0] + ".member " + now.label.rpartition(".")[2]]
        mine = [p for p in pieces if p.cue == "global" and (p.name in labels or p.name.startswith(f"{now.label}."))]
        if not mine and before is None:
            if ".default " in now.label or ":" in now.label:
                self.new.append(Piece("global", now.label, "=new", ""))
            return
        if not mine:
            if ".default " not in now.label:
                self._doubt(f"global {now.label}", "it is made in a different way now")
            return
        if isinstance(now.node, ast.Call) and self.bindings.is_partial(module, now.node):
            mine = self._partial(module, now, mine)
        has_changes = CHANGES in self.bindings.parts(module, name)
        for piece in mine:
            found = None if has_changes or piece.name not in labels else self._made(module, name, now, piece)
            if found is None:
                self._doubt(f"global {piece.name}", "it is computed when the module is imported")
            elif found.digest != piece.digest and self._is_moved(found.digest[1:], piece.digest[1:]):
                self._doubt(f"global {piece.name}", f"it is made in {found.digest[1:].partition(':')[0]} now")
            elif found.digest != piece.digest:
                self.now[_key(piece)] = Piece(piece.cue, piece.name, found.digest, "", found.text)

    def _is_moved(self, now: str, before: str) -> bool:
        """Whether a function stands in another module as it was."""
        module, _, qualname = now.partition(":")
        outline = self.bindings.project.outline(module)
        ran = {p.digest.partition(".")[0] for p, _ in self.rows if p.cue == "code" and p.name == before}
        codes = self.session.sources.codes(outline.path).get(qualname, []) if outline is not None else []
        return not ran.isdisjoint(map(self.session.reader.code_digest, codes))

    def _partial(self, module: str, now: Part, pieces: list[Piece]) -> list[Piece]:
        """The pieces of a partial that are not told yet."""
        made = self.bindings.partial(module, now)
        left = [piece for piece in pieces if piece.name not in made]
        for piece in pieces:
            found = made.get(piece.name)
            if found is not None and found.digest != piece.digest:
                self.now[_key(piece)] = found
        return left

    def _made(self, module: str, name: str, now: Part, piece: Piece) -> Piece | None:
        is_name = piece.digest[:1] == "="  # of a function, a class, a module
        if is_name and piece.digest[1:] == self.bindings.library_name(module, now):
            return piece
        found = self.bindings.piece(now, module)
        if found is None and is_name:
            return self.bindings.target(module, name) if ":" not in now.label else None
        return found

    def _decorators(self, module: str, qualname: str) -> None:
        if f"{module}:{qualname}" == self.name:
            self._declared(module, qualname)
        else:
            self._doubt(f"code of {module}:{qualname}", "its decorators changed")

    def _declared(self, module: str, qualname: str) -> None:
        """The options of the decorator, as far as they are constants."""
        from cachepy.staleness.declared import declared_now

        told = declared_now(self.bindings, module, qualname)
        if told is None:
            self._doubt(f"decorator of {module}:{qualname}", "it changed")
            return
        folder = told.pop("cache_dir", "")
        if folder and os.path.basename(os.path.normpath(folder)) != os.path.basename(self.root):
            self._doubt(f"decorator of {module}:{qualname}", f"its results are kept in {folder} now")
        before = {piece.name: piece for piece, _ in self.rows if piece.cue == "declared"}
        for name, piece in before.items():
            if name not in told:  # an option that is declared only where it is given
                self.now[_key(piece)] = None
            elif told[name] != piece.digest:
                self.now[_key(piece)] = Piece("declared", name, told[name], "", told[name])
        self.new += [Piece("declared", name, told[name], "", told[name]) for name in told.keys() - before.keys()]


def _is_of(rows: list[tuple[Piece, str]], name: str) -> bool:
    """Whether there is code of the module that a name is of."""
    module = name.partition(":")[0]
    return any(piece.cue == "code" and piece.name.partition(":")[0] == module for piece, _ in rows)


def _tells_place(part: Part) -> bool:
    """Whether it may give another value elsewhere."""
    return any(word in text for text in part.texts for word in _PLACES)


def _key(piece: Piece) -> str:
    return f"{piece.cue} {piece.name} {piece.where and piece.digest}"
