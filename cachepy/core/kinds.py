"""Kinds of deps: what each one is now, whether it holds, why not, and how the fast path watches it.

Each kind is one class, and one line in the table at the end.  Nothing else compares kinds by name: who has a dep asks
``KINDS[dep.kind]``, and who has many asks whether ``dep.kind`` is in the set of kinds that have a trait.  What a kind
has to look at it asks the `World` for, so that each thing is looked at once in a verification.
"""

from __future__ import annotations

import os
import time

from cachepy.core.kind import UNASKED, Kind, is_address, is_relative, is_unasked, reason
from cachepy.core.model import (
    ABSENT_PATH,
    ACCEPTED,
    AGE,
    CALL,
    CODE,
    ENCLOSING_CODE,
    ENV,
    EXACT,
    FILE,
    IMPORTED,
    INDIRECT_CALL,
    LISTED,
    MATCHED,
    OUTPUT,
    OWN_ENV,
    PACKAGE,
    PASSED_ON,
    PATTERN,
    PRESENT,
    RAN,
    RENEWED,
    ROOT,
    SOURCE,
    UNSEEN_SOURCE,
    UNTIL,
    VALID,
    VALUE_FILE,
    WRITTEN,
    Dep,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.core.model import Trace
    from cachepy.core.reasons import Reason
    from cachepy.core.world import Here, Watch, World

__all__ = ["Kind", "reason"]

EDITED = "edited"  # the digest of a source file that may be another one than what ran: no file has it
_OF_CODE = frozenset({"code", "code new", "code gone", "package", "ran"})  # cues


class _Path(Kind):
    """A path as it was given."""

    traits: tuple[str, ...] = ("path", "one path")

    def located(self, cwd: str, name: str) -> str:
        return absolute(cwd, name)

    def elsewhere(self, name: str) -> tuple[str, str] | None:
        return (self.word, os.path.abspath(name)) if is_relative(name) else None

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return _is_same(name, digest, self.now(name, world), world)

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        return not is_unasked(digest) and self.same(name, digest, world)


class File(_Path):
    """name: the path as given; digest: of the content, None if there is nothing."""

    word = FILE
    traits = "content", "path", "one path", "cheap"

    def now(self, name: str, world: World) -> str | None:
        return world.file(name)

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return world.file(dep.name) == dep.digest or self.same(dep.name, dep.digest, world)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        now = world.file(dep.name)
        return [_unasked(dep.name, now) or reason(_file_cue(dep.digest, now), dep.name, dep.digest, now)]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return not is_address(dep.name) and watch.file(dep.name, dep.digest)


class AbsentPath(_Path):
    """name: a text that could name a file but named none; digest: None."""

    word = ABSENT_PATH

    def now(self, name: str, world: World) -> str | None:
        return "" if world.exists(name) else None

    def today(self, dep: Dep, place: str, world: World) -> Dep:
        return Dep(FILE, dep.name, world.file(place))

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return not world.exists(name)

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return not world.exists(dep.name)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        return [reason("file new", dep.name, None, "")]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.absent(dep.name)

    def elsewhere(self, name: str) -> tuple[str, str] | None:
        return (FILE, os.path.abspath(name)) if is_relative(name) else None


class Pattern(Kind):
    """name: a text that means a set of files; digest: of their names and contents, None if it means none."""

    word = PATTERN
    traits = ("path",)

    def now(self, name: str, world: World) -> str | None:
        return world.pattern(name)

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.pattern(dep.name)

    def located(self, cwd: str, name: str) -> str:
        return name if name[:1] == "~" else absolute(cwd, name)

    def elsewhere(self, name: str) -> tuple[str, str] | None:
        return None if name[:1] in ("~", os.sep) or is_address(name) else (PATTERN, os.path.abspath(name))


class Listed(_Path):
    """name: a folder whose names were looked at; digest: of these, None if there is no such folder."""

    word = LISTED

    def now(self, name: str, world: World) -> str | None:
        return world.names_in(name)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        now = world.names_in(dep.name)
        cue = "directory gone" if now is None else "listed"
        return [_unasked(dep.name, now) or reason(cue, dep.name, dep.digest, now)]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return not is_address(dep.name) and watch.names_in(dep.name, dep.digest)


class Matched(Listed):
    """name: a pattern that was looked up; digest: of the names that it meant, not of what is in the files."""

    word = MATCHED
    traits = ("path",)

    def now(self, name: str, world: World) -> str | None:
        return world.names_of(name)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        now = world.names_of(dep.name)
        return [_unasked(dep.name, now) or reason("matched", dep.name, dep.digest, now)]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return not is_address(dep.name) and watch.names_of(dep.name, dep.digest)


class Present(_Path):
    """name: a path that was looked for; digest: what was there, a folder, a file, its size too, or a link's text."""

    word = PRESENT

    def today(self, dep: Dep, place: str, world: World) -> Dep:
        return Dep(PRESENT, dep.name, world.present(place, dep.digest))

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return _is_same(name, digest, world.present(name, digest), world)

    def now(self, name: str, world: World) -> str | None:
        return world.present(name, "file:")

    def why(self, dep: Dep, world: World) -> list[Reason]:
        now = world.present(dep.name, dep.digest)
        gone = "directory gone" if dep.digest == "dir" else "file gone"
        return [_unasked(dep.name, now) or reason(gone if now is None else "file", dep.name, dep.digest, now)]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return not is_address(dep.name) and watch.present(dep.name, dep.digest)


class Code(Kind):
    """name: "module:qualname", of closures "...@what they hold"; digest: of all code and globals it reaches."""

    word = CODE
    traits: tuple[str, ...] = "code", "names code", "process", "record"

    def now(self, name: str, world: World) -> str | None:
        return world.code(name, None)

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return world.code(name, digest) == digest

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        now = world.code(dep.name, dep.digest)
        return now == dep.digest or _is_spoken_for(dep, now, trace, world)

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


class RanCode(Code):
    """Code that ran though the function's code does not lead to it; name: as of `Code`, "...@text" of what has none."""

    word = RAN
    traits = (*Code.traits, "ran")

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return self.same(dep.name, dep.digest, world)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        return [each.replace(cue="ran") if each.cue == "code" else each for each in world.code_reasons(dep)]


class Source(_Path):
    """name: the path of a source file of code that ran; digest: of its text as code, None if there is none."""

    word = SOURCE
    traits = "path", "one path", "process"
    is_whole = True

    def now(self, name: str, world: World) -> str | None:
        return world.source(name, is_whole=self.is_whole)

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        return True  # what was loaded is what ran

    def why(self, dep: Dep, world: World) -> list[Reason]:
        if dep.digest == EDITED:
            return [reason("unseen", f"code of {dep.name}", None, "it was edited after its program began")]
        return [reason("ran", dep.name, dep.digest, self.now(dep.name, world))]

    def things(self, dep: Dep, cwd: str, world: World) -> set[str]:
        return {"code"}

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.source(dep.name, dep.digest, is_whole=self.is_whole)

    def apart(self, dep: Dep, function: str, here: Here) -> tuple[str, tuple[object, ...]] | None:
        now = self.now(dep.name, here)
        if now is None or dep.digest in (now, EDITED):
            return None
        return f"ran {function} with other code of {dep.name} than is here", (dep.name, now)


class Imported(Source):
    """The source file of a module that was imported under a computed name; digest: of what an import runs of it."""

    word = IMPORTED
    is_whole = False


class Env(Kind):
    """name: a variable of the environment; digest: of its value, None if it is not set."""

    word = ENV
    traits = "env", "process"

    def now(self, name: str, world: World) -> str | None:
        return world.env(name)

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return world.env_in(dep, trace) == dep.digest

    def why(self, dep: Dep, world: World) -> list[Reason]:
        value = world.env(dep.name)
        cue = "env gone" if value is None else "env new" if dep.digest is None else "env"
        return [reason(cue, dep.name, dep.digest, value)]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.environ(dep.name, dep.digest)

    def title(self, name: str) -> str:
        return f"the environment variable {name}"

    def apart(self, dep: Dep, function: str, here: Here) -> tuple[str, tuple[object, ...]] | None:
        if not here.declares(function, dep.name) or here.env(dep.name) == dep.digest:
            return None
        return f"ran {function} with a different value of ${dep.name} than here", (function, dep.name)


class OwnEnv(Env):
    """The same of a variable that the program set itself: what it is for whoever asks says nothing."""

    word = OWN_ENV

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return world.own_env(dep, trace) == dep.digest


class Package(Kind):
    """name: a top-level module; digest: its version, which is that of a process as long as it runs."""

    word = PACKAGE
    traits = "package", "process"

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


class Age(Kind):
    """name: a function whose results grow old; digest: the end of a run, in seconds, and how old it might be."""

    word = AGE
    traits = "age", "own"

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return world.is_young(dep, trace)

    def today(self, dep: Dep, place: str, world: World) -> Dep:
        limit = (dep.digest or "").partition(" ")[2]
        return Dep(AGE, dep.name, f"{world.moment()!r} {limit}")  # an old result was accepted: it is as of now

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        return True

    def why(self, dep: Dep, world: World) -> list[Reason]:
        created, _, limit = (dep.digest or "").partition(" ")
        return [reason(AGE, world.max_age(dep.name, limit) or limit, created, None)]

    def things(self, dep: Dep, cwd: str, world: World) -> set[str]:
        return set()  # it is as late inside a caller as outside

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return watch.young(dep.name, dep.digest)


class Mark(Kind):
    """Says something of the run, which its traits tell, and cannot change."""

    def __init__(self, word: str, *traits: str) -> None:
        self.word, self.traits = word, traits

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return True

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return True

    def watch(self, dep: Dep, watch: Watch) -> bool:
        return True


class Called(Kind):
    """name: the id of a cached call; digest: its effect. The verifier goes down to it."""

    def __init__(self, word: str, *traits: str) -> None:
        self.word, self.traits = word, ("call", *traits)


class Until(Kind):
    """name: what holds for a time only, the error that was stored; digest: until when, in seconds since the epoch."""

    word = UNTIL
    traits = ("until",)

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return digest is not None and digest[:1].isdecimal() and world.moment() < float(digest)

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        return True

    def why(self, dep: Dep, world: World) -> list[Reason]:
        return [reason("error", dep.name, dep.digest, None)]

    def watch(self, dep: Dep, watch: Watch) -> bool:
        end = float(dep.digest or 0)
        return watch.check(lambda: time.time() < end)


class Valid(Kind):
    """name: a function that has a test for its stored results; digest: the call and the run that it is about."""

    word = VALID
    traits = "own", "own asked", "tested"

    def today(self, dep: Dep, place: str, world: World) -> Dep:
        return dep

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return True

    def holds(self, dep: Dep, trace: Trace, world: World) -> bool:
        return world.is_valid(dep, trace)

    def why(self, dep: Dep, world: World) -> list[Reason]:
        return [reason(VALID, dep.name, None, None)]

    def things(self, dep: Dep, cwd: str, world: World) -> set[str]:
        return set()


class _Unknown(Kind):
    """What only another version of cachepy knows: it never holds."""

    def same(self, name: str, digest: str | None, world: World) -> bool:
        return False

    def stayed(self, name: str, digest: str | None, world: World) -> bool:
        return True

    def why(self, dep: Dep, world: World) -> list[Reason]:
        return [reason("unknown", f"{dep.kind} {dep.name}", dep.digest, None)]


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
        for trait in kind.traits:
            self.those(trait).add(kind.word)

    def drop(self, word: str) -> None:
        """Take a kind away again."""
        del self[word]
        for words in self._sets.values():
            words.discard(word)

    def those(self, trait: str) -> set[str]:
        """The words of all kinds that have a trait; kept up to date."""
        return self._sets.setdefault(trait, set())


_UNKNOWN = _Unknown()
KINDS = Kinds(
    Code(),
    RanCode(),
    Source(),
    Imported(),
    File(),
    AbsentPath(),
    Pattern(),
    Listed(),
    Matched(),
    Present(),
    Env(),
    OwnEnv(),
    Package(),
    Age(),
    Until(),
    Valid(),
    Mark(ROOT, "root"),  # name: another cache directory, where calls below are stored; digest: None
    Mark(OUTPUT, "left"),  # name: a file, or a call below, with which the run left something; digest: of what
    Mark(WRITTEN, "written"),  # name: a file of its deps that the run wrote, as far as can be told; digest: of it
    Mark(PASSED_ON, "passed on"),  # name: a path that an argument named and a call below wrote; digest: None
    Mark(RENEWED, "renewed"),  # name: part of an argument made anew; digest: when the process began, and its look
    Mark(UNSEEN_SOURCE, "unseen"),  # name: what the body asked and nobody can compare: a host, the clock; digest: None
    Mark(ACCEPTED, "accepted"),  # name: who said that an edit does not matter; digest: when, as text
    Mark(VALUE_FILE, "value file", "own", "own asked"),  # name: a path below the cache directory; digest: of that file
    Mark(EXACT, "exact", "record"),  # name: as of code, for which it may speak; digest: where only what ran counts
    Mark(ENCLOSING_CODE, "anchor", "names code"),  # name: code that speaks for a local one; digest: None if it is gone
    Called(CALL, "edge"),
    Called(INDIRECT_CALL),  # under a child that left no node: no edge is drawn
)

FILES = KINDS.those("content")  # a file or folder whose content counts: the graph shows it, and what is exported
SINGLE = KINDS.those("one path")  # a path that means one file
PATHS = KINDS.those("path")  # a path or a pattern of paths; relative ones mean something in one folder only
CODES = KINDS.those("code")
RANS = KINDS.those("ran")  # that of code which no name led to
RECORDS = KINDS.those("record")  # the digest is the name of what is kept of that code
EXACTS = KINDS.those("exact")
NAMES_OF_CODE = KINDS.those("names code")
ANCHORS = KINDS.those("anchor")
ENVS = KINDS.those("env")
PACKAGES = KINDS.those("package")
OF_PROCESS = KINDS.those("process")  # on two machines it may differ
CALLS = KINDS.those("call")
EDGES = KINDS.those("edge")  # a call to which the graph draws an edge
ROOTS = KINDS.those("root")
LEFT = KINDS.those("left")  # a part of the effect
WROTE = KINDS.those("written")
PASSED = KINDS.those("passed on")
MADE_ANEW = KINDS.those("renewed")
UNSEEN = KINDS.those("unseen")
AGES = KINDS.those("age")  # moments: of two of them the first one counts
ACCEPTANCE = KINDS.those("accepted")
VALUE_FILES = KINDS.those("value file")  # where the value of the run lies
OWN = KINDS.those("own")  # says something of this very run: of another one that is alike it is another
TESTED = KINDS.those("tested")  # a test of the user's speaks for it
OWN_ASKED = KINDS.those("own asked")  # it cannot be told for many calls at once
UNTILS = KINDS.those("until")  # it holds for a time only
CHEAP = KINDS.those("cheap")  # to ask the world again costs no more than to remember the answer


FAR_KINDS = {"read": FILE, "list": LISTED, "match": MATCHED, "look": PRESENT}
"""The dep by what is done with what lies at an address."""


def absolute(cwd: str, name: str) -> str:
    """The path of a file that a trace names as the user gave it."""
    is_plain = name[:1] == "/" == os.sep and "//" not in name and "/." not in name and name[-1] != "/"
    return name if is_plain or is_address(name) else os.path.normpath(os.path.join(cwd, name))


def _file_cue(old: str | None, new: str | None) -> str:
    if new is None:
        return "directory gone" if old and old[:4] == "dir:" else "file gone"
    if old is None:
        return "file new"
    return "directory" if old[:4] == new[:4] == "dir:" else "file"


def _is_same(name: str, digest: str | None, now: str | None, world: World) -> bool:
    """Whether a path is as it was, or counts as that because nobody could be asked."""
    return now == digest or (now is not None and is_unasked(now) and world.lets_pass(name, digest, now))


def _unasked(name: str, now: str | None) -> Reason | None:
    """Why nobody can say what it is now."""
    return reason("unseen", f"file {name}", None, (now or "").removeprefix(UNASKED)) if is_unasked(now) else None


def _is_spoken_for(dep: Dep, now: str | None, trace: Trace, world: World) -> bool:
    """Code that is another one is as it was if what ran is; a local function, if the code around it is.

    And all code that it holds from elsewhere; now: the digest of a live one. One that holds the same things shows by
    itself what it is; without a closure there may be several under one name.
    """
    exact = trace.exact_of(dep)
    if exact is not None or "<locals>" not in dep.name or (now is not None and "@" in dep.name):
        return exact is not None and world.code_that_ran(dep, exact)
    outer = dep.name.partition(".<locals>")[0]
    recorded = {d.name: d.digest for d in trace.deps if d.kind in ANCHORS}
    return outer in recorded and all(_stands(name, digest, world) for name, digest in recorded.items())


def _stands(anchor: str, digest: str | None, world: World) -> bool:
    return digest is not None and world.code(anchor, digest) == digest
