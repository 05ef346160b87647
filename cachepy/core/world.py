"""What the kinds of deps ask for: of the world, of the fast path, of a process. Loaded by nothing that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from cachepy.core.model import Dep, Trace
    from cachepy.core.reasons import Reason


class World(Protocol):
    """What a kind may ask of the world; every answer is for one whole look at it."""

    def file(self, path: str) -> str | None: ...

    def lets_pass(self, name: str, digest: str | None, now: str) -> bool:
        """Whether what could not be asked for counts as it was, for somebody who is told that nobody knows."""
        ...

    def exists(self, path: str) -> bool: ...

    def pattern(self, text: str) -> str | None: ...

    def names_in(self, folder: str) -> str | None:
        """The digest of the names in a folder."""
        ...

    def names_of(self, pattern: str) -> str | None:
        """The digest of the names that a pattern means."""
        ...

    def present(self, path: str, like: str | None) -> str | None:
        """What a path names; like: an answer of before, which says how much counts."""
        ...

    def env(self, name: str) -> str | None: ...

    def env_in(self, dep: Dep, trace: Trace) -> str | None:
        """A variable as the program has it that makes the call of a trace: it may set it itself."""
        ...

    def own_env(self, dep: Dep, trace: Trace) -> str | None:
        """The same of a variable that the program is known to have set itself."""
        ...

    def package(self, name: str) -> str: ...

    def is_young(self, dep: Dep, trace: Trace) -> bool:
        """Whether a function's run is not too old, by what its decorator says now, or said then."""
        ...

    def is_valid(self, dep: Dep, trace: Trace) -> bool:
        """Whether the test of a function accepts a stored result."""
        ...

    def moment(self) -> float:
        """Now, in seconds since the epoch."""
        ...

    def max_age(self, function: str, recorded: str) -> str | None:
        """How old results of a function may be now; recorded: that of then, for a function that is not at hand."""
        ...

    def code(self, identity: str, recorded: str | None) -> str | None: ...

    def code_that_ran(self, dep: Dep, exact: Dep) -> bool:
        """Whether code is as it was, all of it, or at least what ran, and which functions the rest are."""
        ...

    def code_reasons(self, dep: Dep) -> list[Reason]: ...

    def source(self, path: str, *, is_whole: bool) -> str | None:
        """The digest of a source file as code: of the whole, or of what runs when it is imported."""
        ...


class Watch(Protocol):
    """What the fast path can look at in each hit; all say whether that is quick, and as good as the long way."""

    def absent(self, path: str) -> bool: ...

    def file(self, path: str, digest: str | None) -> bool: ...

    def pattern(self, text: str) -> bool: ...

    def names_in(self, folder: str, digest: str | None) -> bool: ...

    def names_of(self, pattern: str, digest: str | None) -> bool: ...

    def present(self, path: str, digest: str | None) -> bool: ...

    def environ(self, name: str, digest: str | None) -> bool: ...

    def code(self, identity: str, digest: str | None) -> bool: ...

    def source(self, path: str, digest: str | None, *, is_whole: bool) -> bool: ...

    def young(self, function: str, digest: str | None) -> bool: ...

    def check(self, holds: Callable[[], bool]) -> bool: ...


class Here(World, Protocol):
    """What is loaded in one process, for what another one says of itself."""

    def loaded(self, identity: str) -> str | None:
        """The digest of code; None if it is not here, or came by value."""

    def changes(self, identity: str, digest: str | None, function: str) -> str:
        """What of it is another, in brackets, as far as that is known."""

    def declares(self, function: str, name: str) -> bool:
        """Whether a cached function names a variable of the environment."""
