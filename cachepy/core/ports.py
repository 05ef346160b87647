"""What the theory asks of the rest of the house: protocols. Who makes them is put together in `session`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.core.revision import Era
    from cachepy.model import Event


class Function(Protocol):
    """A cached function, as those see it who carry its calls elsewhere."""

    fn: Any
    fname: str
    target: Any  # its identity, and what it reaches


class Recorder(Protocol):
    """Takes each ended call: into the graph in a serial run, onto the wire on a worker."""

    @property
    def era(self) -> Era: ...

    def record(self, event: Event) -> None: ...

    def hit(self, event: Event, chosen: dict[str, Event], several: set[str]) -> None: ...

    def fold_below(self, event: Event, *, anew: bool) -> None: ...


class Watched(Protocol):
    """Sees whether code is what it was; digest: of that code, None if only the long way can tell."""

    digest: str | None
    check: Callable[[], bool]


class Runner(Protocol):
    """Makes jobs somewhere; may have several under way."""

    def start(self, job: Any) -> None:
        """Begin to make a job: see `Job` in `asking.jobs`."""

    def wait(self) -> tuple[str, str | BaseException]:
        """The id of a job that has ended, and the id of the call that it made, or what that raised."""
        ...
