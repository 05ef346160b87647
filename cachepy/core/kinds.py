"""Kinds of deps: what each one is now, whether it holds, why not, and how the fast path watches it.

Each kind is one class, and one line in the table at the end.  Nothing else compares kinds by name: who has a dep asks
``KINDS[dep.kind]``, and who has many asks whether ``dep.kind`` is in the set of kinds that have a trait.  What a kind
has to look at it asks the `World` for, so that each thing is looked at once in a verification.
"""

from __future__ import annotations

import os

from cachepy.model import (
    ANCHOR,
    BELOW,
    CALL,
    CODE,
    ENV,
    FILE,
    NAME,
    OUTPUT,
    PACKAGE,
    PATTERN,
    RENEWED,
    ROOT,
    WRITTEN,
    Reason,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from cachepy.model import Dep, Trace

    class World(Protocol):
        """What a kind may ask of the world; every answer is for one whole look at it."""

        def file(self, path: str) -> str | None: ...

        def exists(self, path: str) -> bool: ...

        def pattern(self, text: str) -> str | None: ...

        def env(self, name: str) -> str | None: ...

        def package(self, name: str) -> str: ...

        def code(self, identity: str, recorded: str | None) -> str | None: ...

        def code_reasons(self, dep: Dep) -> list[Reason]: ...

    class Watch(Protocol):
        """What the fast path can look at in each hit; all say whether that is quick, and as good as the long way."""

        def absent(self, path: str) -> bool: ...

        def file(self, path: str, digest: str | None) -> bool: ...

        def pattern(self, text: str) -> bool: ...

        def environ(self, name: str, digest: str | None) -> bool: ...

        def code(self, identity: str, digest: str | None) -> bool: ...

        def check(self, holds: Callable[[], bool]) -> bool: ...

    class Here(World, Protocol):
        """What is loaded in one process, for what another one says of itself."""

        def loaded(self, identity: str) -> str | None:
            """The digest of code; None if it is not here, or came by value."""

        def changes(self, identity: str, digest: str | None, function: str) -> str:
            """What of it is another, in brackets, as far as that is known."""

        def declares(self, function: str, name: str) -> bool:
            """Whether a cached function names a variable of the environment."""


_OF_CODE = frozenset({"code", "code new", "code gone", "package"})  # cues


class Kind:
    """One kind of dep. A new one says `word` and `now`, which of its traits differ, and how it is watched."""

    __slots__ = ()
    word = ""
    # traits: what its name is, and what a dep of it says
    reads_file = False  # a file or folder, and its content counts: the graph and what is exported show it
    names_one = False  # a path, and it means one file
    names_path = False  # a path or a pattern of paths; relative ones are looked up in the working directory
    is_code = False  # code, and the digest is the name of what is kept of that
    names_code = False  # code
    is_env = False  # a variable of the environment
    is_package = False
    of_process = False  # of the process: on two machines it may differ
    is_call = False  # a cached call
    is_edge = False  # a cached call that the graph draws an edge to
    is_root = False  # a cache directory
    says_anchor = False
    says_left = False  # something that the run left behind: a part of its effect
    says_written = False
    says_renewed = False
    is_looked_up = False  # asking the world again costs no more than remembering the answer

    def now(self, name: str, world: World) -> str | None:
        """What it is now, as the digest of a dep says it; None if there is nothing."""
        return None

    def same(self, name: str, digest: str | None, world: World) -> bool:
        """Whether it is as it was."""
        return self.now(name, world) == digest

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        """The same of a dep of a trace, where others may speak for it."""
        return self.same(dep.name, dep.digest, world)

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        """Whether it is as it was when the body began, now that it has ended."""
        return self.same(name, digest, world)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        """Why it does not hold."""
        return [Reason(self.word, dep.name, dep.digest, self.now(dep.name, world))]

    def things(self, dep: Dep, cwd: str, world: World) -> set[str]:
        """What changed, for a caller that may have changed it; all code counts as one thing."""
        return {os.path.join(cwd, dep.name)}

    def watch(self, dep: Dep, watch: Watch) -> bool:
        """Have the fast path look at it; False if only the long way can tell."""
        return False

    def located(self, cwd: str, name: str) -> str:
        """What it is called wherever one asks, if a call ran in that working directory."""
        return name

    def elsewhere(self, name: str) -> tuple[str, str] | None:
        """The kind and the name by which it is told here, of a caller who ran in another folder; None: as it is."""
        return None

    def title(self, name: str) -> str:
        """What people call it."""
        return name

    def apart(self, dep: Dep, function: str, here: Here) -> tuple[str, tuple[object, ...]] | None:
        """What is said of a process where a function had this dep, if that is another one here, and once for what."""
        return None


class _Path(Kind):
    """A path as it was given."""

    __slots__ = ()
    names_one = names_path = True

    def located(self, cwd: str, name: str) -> str:
        return absolute(cwd, name)

    def elsewhere(self, name: str) -> tuple[str, str] | None:
        return None if os.path.isabs(name) else (FILE, os.path.abspath(name))


class File(_Path):
    """name: the path as given; digest: of the content, None if there is nothing."""

    __slots__ = ()
    word = FILE
    reads_file = is_looked_up = True

    def now(self, name: str, world: World) -> str | None:
        return world.file(name)

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return world.file(name) == digest

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return world.file(dep.name) == dep.digest

    def why(self, dep: Dep, world: World) -> list[Reason]:
        now = world.file(dep.name)
        return [Reason(_file_cue(dep.digest, now), dep.name, dep.digest, now)]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.file(dep.name, dep.digest)


class AbsentPath(_Path):
    """name: a text that could name a file but named none; digest: None."""

    __slots__ = ()
    word = NAME

    def now(self, name: str, world: World) -> str | None:
        return "" if world.exists(name) else None

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return not world.exists(name)

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return not world.exists(dep.name)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        return [Reason("file new", dep.name, None, "")]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.absent(dep.name)


class Pattern(Kind):
    """name: a text that means a set of files; digest: of their names and contents, None if it means none."""

    __slots__ = ()
    word = PATTERN
    names_path = True

    def now(self, name: str, world: World) -> str | None:
        return world.pattern(name)

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.pattern(dep.name)

    def located(self, cwd: str, name: str) -> str:
        return name if name[:1] == "~" else absolute(cwd, name)

    def elsewhere(self, name: str) -> tuple[str, str] | None:
        return None if name[:1] in ("~", os.sep) else (PATTERN, os.path.abspath(name))


class Code(Kind):
    """name: "module:qualname", of closures "...@what they hold"; digest: of all code and globals it reaches."""

    __slots__ = ()
    word = CODE
    is_code = names_code = of_process = True

    def now(self, name: str, world: World) -> str | None:
        return world.code(name, None)

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return world.code(name, digest) == digest

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        now = world.code(dep.name, dep.digest)
        return now == dep.digest or ("<locals>" in dep.name and _anchored(dep, now, trace, world))

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        return True  # the guard of the code says it

    def why(self, dep: Dep, world: World) -> list[Reason]:
        return world.code_reasons(dep)

    def things(self, dep: Dep, cwd: str, world: World) -> set[str]:
        return {"code" if reason.cue in _OF_CODE else reason.name for reason in world.code_reasons(dep)}

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.code(dep.name, dep.digest)

    def apart(self, dep: Dep, function: str, here: Here) -> tuple[str, tuple[object, ...]] | None:
        now = here.loaded(dep.name)
        if now is None or now == dep.digest:
            return None
        why = here.changes(dep.name, dep.digest, function)
        return f"has different code of {dep.name} than this client{why}", (dep.name, now)


class Env(Kind):
    """name: a variable of the environment; digest: of its value, None if it is not set."""

    __slots__ = ()
    word = ENV
    is_env = of_process = True

    def now(self, name: str, world: World) -> str | None:
        return world.env(name)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        value = world.env(dep.name)
        cue = "env gone" if value is None else "env new" if dep.digest is None else "env"
        return [Reason(cue, dep.name, dep.digest, value)]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.environ(dep.name, dep.digest)

    def title(self, name: str) -> str:
        return f"the environment variable {name}"

    def apart(self, dep: Dep, function: str, here: Here) -> tuple[str, tuple[object, ...]] | None:
        if not here.declares(function, dep.name) or here.env(dep.name) == dep.digest:
            return None
        return f"ran {function} with a different value of ${dep.name} than here", (function, dep.name)


class Package(Kind):
    """name: a top-level module; digest: its version, which is that of a process as long as it runs."""

    __slots__ = ()
    word = PACKAGE
    is_package = of_process = True

    def now(self, name: str, world: World) -> str | None:
        return world.package(name)

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        return True

    def things(self, dep: Dep, cwd: str, world: World) -> set[str]:
        return {"code"}

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return True

    def apart(self, dep: Dep, function: str, here: Here) -> tuple[str, tuple[object, ...]] | None:
        now = here.package(dep.name)
        if now == dep.digest:
            return None
        return f"ran {function} with {dep.name} {dep.digest}, and here is {now}", (dep.name, now)


class _Mark(Kind):
    """Says something of the run, and cannot change."""

    __slots__ = ()

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return True

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return True

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return True


class Root(_Mark):
    """name: another cache directory, where calls below are stored; digest: None."""

    __slots__ = ()
    word = ROOT
    is_root = True


class Output(_Mark):
    """name: a file, or a call below, that the run left something behind with; digest: of what."""

    __slots__ = ()
    word = OUTPUT
    says_left = True


class Written(_Mark):
    """name: a file of its deps that the run wrote, as far as can be told; digest: of the content."""

    __slots__ = ()
    word = WRITTEN
    says_written = True


class Renewed(_Mark):
    """name: part of an argument that looks made anew; digest: when the process began, and its look."""

    __slots__ = ()
    word = RENEWED
    says_renewed = True


class Anchor(_Mark):
    """name: code that speaks for a local function; digest: of that code, None if it cannot be found."""

    __slots__ = ()
    word = ANCHOR
    names_code = says_anchor = True


class Below(Kind):
    """Like `Call`, of a call under a child that left no node: no edge is drawn."""

    __slots__ = ()
    word = BELOW
    is_call = True


class Call(Below):
    """name: the id of a cached call; digest: its effect. The verifier goes down to it."""

    __slots__ = ()
    word = CALL
    is_edge = True


class _Unknown(Kind):
    """What only another version of cachepy knows: it never holds."""

    __slots__ = ()

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return False

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        return True

    def why(self, dep: Dep, world: World) -> list[Reason]:
        return [Reason("unknown", f"{dep.kind} {dep.name}", dep.digest, None)]


class Kinds(dict[str, Kind]):
    """The table: kinds by the word that stands in a record."""

    def __init__(self, *kinds: Kind) -> None:
        super().__init__()
        self._sets: dict[str, set[str]] = {}
        for kind in kinds:
            self.add(kind)

    def __missing__(self, word: str) -> Kind:
        return _UNKNOWN

    def add(self, kind: Kind) -> None:
        """Another kind: from now on traces may name it."""
        self[kind.word] = kind
        for trait, words in self._sets.items():
            if getattr(kind, trait):
                words.add(kind.word)

    def drop(self, word: str) -> None:
        """Take a kind away again."""
        del self[word]
        for words in self._sets.values():
            words.discard(word)

    def those(self, trait: str) -> set[str]:
        """The words of all kinds that have a trait; kept up to date."""
        words = self._sets.get(trait)
        if words is None:
            words = self._sets[trait] = {word for word, kind in self.items() if getattr(kind, trait)}
        return words


_UNKNOWN = _Unknown()
KINDS = Kinds(
    Code(),
    File(),
    AbsentPath(),
    Pattern(),
    Env(),
    Package(),
    Root(),
    Output(),
    Written(),
    Renewed(),
    Anchor(),
    Call(),
    Below(),
)

FILES = KINDS.those("reads_file")
SINGLE = KINDS.those("names_one")
PATHS = KINDS.those("names_path")
CODES = KINDS.those("is_code")
NAMES_OF_CODE = KINDS.those("names_code")
ANCHORS = KINDS.those("says_anchor")
ENVS = KINDS.those("is_env")
PACKAGES = KINDS.those("is_package")
OF_PROCESS = KINDS.those("of_process")
CALLS = KINDS.those("is_call")
EDGES = KINDS.those("is_edge")
ROOTS = KINDS.those("is_root")
LEFT = KINDS.those("says_left")
WROTE = KINDS.those("says_written")
MADE_ANEW = KINDS.those("says_renewed")
LOOKED_UP = KINDS.those("is_looked_up")


def absolute(cwd: str, name: str) -> str:
    """The path of a file that a trace names as the user gave it."""
    is_plain = name[:1] == "/" == os.sep and "//" not in name and "/." not in name and name[-1] != "/"
    return name if is_plain else os.path.normpath(os.path.join(cwd, name))


def _file_cue(old: str | None, new: str | None) -> str:
    if new is None:
        return "directory gone" if old and old[:4] == "dir:" else "file gone"
    if old is None:
        return "file new"
    return "directory" if old[:4] == new[:4] == "dir:" else "file"


def _anchored(dep: Dep, now: str | None, trace: Trace, world: World) -> bool:
    """A local function is as it was if the code around it is, and all code that it holds from elsewhere.

    now: the digest of a live one. One that holds the same things shows by itself what it is; without a closure
    there may be several under one name.
    """
    if now is not None and "@" in dep.name:
        return False
    outer = dep.name.partition(".<locals>")[0]
    recorded = {d.name: d.digest for d in trace.deps if d.kind in ANCHORS}
    return outer in recorded and all(_stands(name, digest, world) for name, digest in recorded.items())


def _stands(anchor: str, digest: str | None, world: World) -> bool:
    return digest is not None and world.code(anchor, digest) == digest
