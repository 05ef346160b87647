"""Warnings of a session: each cause once, at the user's line."""

from __future__ import annotations

from _warnings import warn

from cachepy.errors import (
    CacheReadWarning,
    OpaqueGlobalWarning,
    OtherFormatError,
    UntrustedEntryError,
    user_level,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.code import Reach


class Warner:
    """Says things once."""

    def __init__(self) -> None:
        self._said: set[tuple[object, ...]] = set()

    def warn(self, category: type[Warning], message: str, *once: object) -> None:
        """Warn at the user's line; once for each cause."""
        if not self.is_first(category, *(once or (message,))):
            return
        warn(message, category, stacklevel=user_level())

    def is_first(self, *mark: object) -> bool:
        """Whether this was not said before; from now on it was."""
        if mark in self._said:
            return False
        self._said.add(mark)
        return True

    def warn_unseen(self, identity: str, reach: Reach) -> None:
        """Warn of values of which a part has no digest, in each process that relies on such code."""
        for label, types in reach.opaque:
            self.warn(
                OpaqueGlobalWarning,
                f"{identity.rpartition('.')[2].rpartition(':')[2]} reads {label.rpartition(':')[2]}, in which what is "
                f"of type {types} has no digest: changes of it go unseen. Name it in ignore_globals=[...] if that is "
                f"right",
                identity,
                label,
            )

    def warn_unread(self, error: Exception, outcome: str, *once: object) -> None:
        """Warn that something stored was not used; of a stranger's entries once, whatever their number."""
        if isinstance(error, UntrustedEntryError):
            once = "trust", error.who
        elif isinstance(error, OtherFormatError):
            once, outcome = ("format", error.found), f"{outcome}; {error.way_out}"
        elif isinstance(error, OSError):  # of a directory that cannot be read, once for all its entries
            once = "os", error.errno
        self.warn(CacheReadWarning, f"{error}; {outcome}", *once)
