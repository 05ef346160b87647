"""What code a callable stands for in another process: its own, and that of all cached functions that it can reach.

A cached function is a border of its caller's code (see `fingerprint`), so a caller's digest stays when a call below is
edited. Whoever sends a callable away, or keeps a future of it, needs one digest of all of it.
"""

from __future__ import annotations

from cachepy.calls.live_world import LiveWorld
from cachepy.code.fingerprint import Target, cached_target
from cachepy.code.members import FUNCTION
from cachepy.values.digest import digest_bytes
from cachepy.values.modules import MAIN, canonical, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.state import State
    from cachepy.code.fingerprint import CodeFingerprint


def reach_of(session: State, obj: Any) -> CodeFingerprint:
    """The code of any callable, up to the border."""
    target = cached_target(obj)
    if target is not None or isinstance(obj, (type, FUNCTION)):
        return session.reader.reach(target or obj)
    return session.reader.of_value(obj)


def whole_digest(session: State, obj: Any) -> str:
    """The digest of a callable's code and of that of all cached functions below it, however deep.

    The same in every process that has the same code.
    """
    first, reader = reach_of(session, obj), session.reader
    rows = {f"{target.identity} {reader.reach(target).digest}" for target in reader.below(first.cached)}
    return digest_bytes("\n".join([first.digest, *sorted(rows)]).encode("utf-8", "surrogatepass"))


class Loaded(LiveWorld):
    """Answers by what is loaded in this process; asking imports nothing."""

    def may_import(self) -> bool:
        return False

    def named(self, identity: str) -> Any:
        """The code of an identity that other processes import too; None for what is sent to them by value."""
        module, _, qualname = identity.partition(":")
        if "<" in qualname or any(canonical(name) == module for name in MAIN) or find(module) is None:
            return None
        live = self.session.functions.live(identity)
        found = self.found(identity)
        if live and not isinstance(found[0], Target):  # its name means what another decorator made of it
            return live[0]
        return found[0] if found else None
