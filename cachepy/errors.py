"""Every exception and warning of cachepy.

Each message names the thing, the cause, and what to do.  Imports nothing of cachepy.
"""

from __future__ import annotations


class CachepyError(Exception):
    """Base of all exceptions that cachepy raises by itself."""


class UsageError(CachepyError, TypeError):
    """The decorator or a function was called with something it does not take."""


class UsageValueError(CachepyError, ValueError):
    """A value is of the right type but out of range: a negative age, an unknown option."""


class GraphFileError(CachepyError):
    """A graph file cannot be read; the graph in memory is as it was."""


class EntryError(CachepyError):
    """An entry on disk is torn, foreign or damaged.  Never leaves the engine."""


class UndigestableError(CachepyError):
    """A value has no digest: it cannot be pickled, or it refers to itself."""


class UntrustedEntryError(EntryError):
    """An entry belongs to a stranger, or is not signed as it has to be; what it holds was not loaded."""

    def __init__(self, message: str, who: object = None) -> None:
        super().__init__(message)
        self.who = who  # the stranger: one warning for each


class RerunError(CachepyError):
    """A stored call cannot be made again: its function or its arguments cannot be found."""


class EntryReplacedError(EntryError):
    """An entry was replaced by a newer one while it was read: look again."""


class CacheWarning(UserWarning):
    """Base of all warnings of cachepy: the value is right, the cache could not do its part."""


class CacheReadWarning(CacheWarning):
    """An entry or a graph file was unreadable; the value was computed instead."""


class CacheWriteWarning(CacheWarning):
    """A result could not be stored; it was returned all the same."""


class UncachedCallWarning(CacheWarning):
    """A call ran without the cache: an argument has no digest."""


class ChangedInputWarning(CacheWarning):
    """Something the call read changed while it ran, so its result was not stored."""


class ChangedGlobalWarning(CacheWarning):
    """The body changes a global that it reads, so every call runs again."""


class CheapCallWarning(CacheWarning):
    """A function runs faster than its result is found again: caching makes it slower."""


class OpaqueGlobalWarning(CacheWarning):
    """A global that the code reads has no digest: changes of its value go unseen."""
