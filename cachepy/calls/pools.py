"""Pools of processes on this machine: the hooks that every session begins with."""

from __future__ import annotations

from cachepy.core.hooks import Hooks
from cachepy.store.posting import RemoteFrame, read_mailbox

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cachepy.core.frame import Caller, Frame
    from cachepy.core.model import Dep


class ProcessPools(Hooks):
    """Pools of processes on this machine: they leave what they did in mailboxes on disk."""

    def __init__(self, drain: Callable[[], None]) -> None:
        self.refresh = drain  # type: ignore[method-assign]  # the session's, which knows whether there is a mailbox

    def deps_from_elsewhere(self, frame: Frame) -> Iterable[Dep]:
        return read_mailbox(frame)

    def remote_frame(self, run: str, mailbox: str) -> Caller | None:
        return RemoteFrame(run, mailbox)
