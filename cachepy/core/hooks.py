"""What a session tells, and asks, those who carry calls to other processes: pools of processes, a Dask cluster.

`Hooks` is the port, with methods that do nothing. `calls.pools` is what every session begins with. A cluster plugs in
a `Plugin` by `Session.plug`: it stands before the hooks that were there, hands on to them what is not its own, and
`Session.unplug` puts back the one that was there.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cachepy.core.frame import Caller, Frame
    from cachepy.core.model import Dep
    from cachepy.core.ports import Function, Handed, Recorder, Runner


class Hooks:
    """The base: override what there is to do."""

    recorder: Recorder | None = None  # where ended calls go while this is plugged in; None: where they went before
    meter: Callable[[str, dict[str, float]], None] | None = None  # takes ``module:qualname`` and the seconds of steps

    def on_wait(self) -> None:
        """A call waits for another one's body: in the thread that waits, again and again; make room for that body."""

    def on_waited(self, function: str, seconds: float) -> None:
        """A call has waited for somebody else who ran it; function: ``module:qualname``."""

    def on_again(self, function: str, call: str, cause: str) -> None:
        """A body is about to run although results of this call are stored; cause: why none of them holds."""

    def on_failure(self, function: str, error: BaseException) -> None:
        """A body has ended with an error, which is on its way to the user."""

    def on_arrival(self, call: Function, digest: str) -> None:
        """A function that came by value is called for the first time; digest: of its code where it came from."""

    def on_departure(self, identity: str, digest: str) -> None:
        """A function is sent to another process by value, with the digest of its code here."""

    def refresh(self) -> None:
        """Somebody is about to read the graph: bring in what ran elsewhere."""

    def deps_from_elsewhere(self, frame: Frame) -> Iterable[Dep]:
        """A body has ended: what other processes did for it."""
        return ()

    def handed(self) -> Handed | None:
        """A call that no other one here makes is about to run: what its task takes from other tasks, if it is one."""
        return None

    def remote_frame(self, run: str, mailbox: str) -> Caller | None:
        """The caller of another process, which came along with a function; None if nobody can tell it anything."""
        return None

    def runner(self, client: object) -> Runner | None:
        """What makes calls on a client, for `cache_tree_refresh`; None if the client is another one's."""
        return None

    def is_heard(self) -> bool:
        """Whether somebody is told what workers record of work that is sent off here."""
        return False


class Plugin(Hooks):
    """Hooks before others: hands on everything; a subclass does its own part, and calls ``super()`` for the rest."""

    below: Hooks  # the one that was there

    def on_wait(self) -> None:
        self.below.on_wait()

    def on_waited(self, function: str, seconds: float) -> None:
        self.below.on_waited(function, seconds)

    def on_again(self, function: str, call: str, cause: str) -> None:
        self.below.on_again(function, call, cause)

    def on_failure(self, function: str, error: BaseException) -> None:
        self.below.on_failure(function, error)

    def on_arrival(self, call: Function, digest: str) -> None:
        self.below.on_arrival(call, digest)

    def on_departure(self, identity: str, digest: str) -> None:
        self.below.on_departure(identity, digest)

    def refresh(self) -> None:
        self.below.refresh()

    def deps_from_elsewhere(self, frame: Frame) -> Iterable[Dep]:
        return self.below.deps_from_elsewhere(frame)

    def handed(self) -> Handed | None:
        return self.below.handed()

    def remote_frame(self, run: str, mailbox: str) -> Caller | None:
        return self.below.remote_frame(run, mailbox)

    def runner(self, client: object) -> Runner | None:
        return self.below.runner(client)

    def is_heard(self) -> bool:
        return self.below.is_heard()


def chain(hooks: Hooks) -> Iterator[Hooks]:
    """The hooks, and all that they stand before."""
    yield hooks
    while isinstance(hooks, Plugin):
        hooks = hooks.below
        yield hooks


def without(hooks: Hooks, gone: Plugin) -> Hooks:
    """What is left if one is taken out, wherever it stands: who came later may go later."""
    if hooks is gone:
        return gone.below
    for each in chain(hooks):
        if isinstance(each, Plugin) and each.below is gone:
            each.below = gone.below
    return hooks
