"""Every exception and warning of cachepy, and who says each cause once.

Each message names the thing, the cause, and what to do.
"""

from __future__ import annotations

import sys
from _warnings import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class CachepyError(Exception):
    """Base of all exceptions that cachepy raises by itself.

    An exception of a cached function goes through as it is, and none of the cache's own troubles stops a call: these
    are warnings. So this comes from wrong usage and from `cache_tree_load` only.

    Examples
    --------
    >>> from cachepy import CachepyError, cache_prune
    >>> try:
    ...     cache_prune("cache", days_old=-1)
    ... except CachepyError as error:
    ...     print(error)
    days_old must be 0 or more, not -1
    """


class UsageError(CachepyError, TypeError):
    """An argument or option is of a wrong type, or there is no such option.

    Examples
    --------
    >>> from cachepy import cache_file
    >>> cache_file("cache", env_vars="REGION")
    Traceback (most recent call last):
    cachepy.errors.UsageError: env_vars must be a list of names, not the single text 'REGION'; write env_vars=['REGION']
    """


class UsageValueError(CachepyError, ValueError):
    """An argument is of the right type, but cannot be: a negative age, the name of no call.

    Examples
    --------
    >>> from cachepy import plot_cache_graph
    >>> plot_cache_graph("graph.bmp")
    Traceback (most recent call last):
    cachepy.errors.UsageValueError: output='graph.bmp' must end in .png, .svg or .pdf
    """


class GraphFileError(CachepyError):
    """A graph file is missing or damaged; the graph in memory is as it was.

    See Also
    --------
    cachepy.cache_tree_sync : Takes what is whole in a damaged file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import GraphFileError, cache_tree_load
    >>> _ = Path("graph.pkl").write_bytes(b"not a graph")
    >>> try:
    ...     cache_tree_load("graph.pkl")
    ... except GraphFileError as error:
    ...     print(str(error).partition("; ")[2])
    the graph in memory is unchanged. cache_tree_sync() takes what is whole in it
    """


class UnseenInputError(CachepyError):
    """A function that says ``unseen="error"`` depends on what cannot be compared later; nothing is stored.

    Raised before the body runs if its code says so, else after it: hosts are known only then. The message names all of
    them, also the clock. See `UnseenInputWarning`.

    Examples
    --------
    >>> import time
    >>> from cachepy import UnseenInputError, cache_file
    >>> @cache_file("cache", unseen="error")
    ... def stamp():
    ...     return time.time()
    >>> try:
    ...     stamp()
    ... except UnseenInputError as error:
    ...     print(str(error).partition(", ")[0])
    stamp depends on the clock (time.time)
    """


class MissingResultError(CachepyError):
    """A call is not stored, and ``CACHEPY=required`` lets no body run.

    For checks in continuous integration, and for reading a published cache. The message names the call and says why it
    is no hit.

    Examples
    --------
    >>> from cachepy import MissingResultError, Session, cache_file, use_session
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> with use_session(Session(mode="required")):
    ...     try:
    ...         square(7)
    ...     except MissingResultError as error:
    ...         print(str(error).partition(" in ")[0])
    square(7) is not stored
    """


class EntryError(CachepyError):
    """An entry on disk is torn, foreign or damaged.  Never leaves the engine."""


class UndigestableError(CachepyError):
    """A value has no digest: it cannot be pickled, or it refers to itself."""


def raise_users(error: Exception | None) -> None:
    """What a function of the user's for digests raised is no matter of the cache."""
    if isinstance(error, UsageError) and isinstance(error, UndigestableError):
        raise error


class UntrustedEntryError(EntryError):
    """An entry belongs to a stranger, or is not signed as it has to be; what it holds was not loaded."""

    def __init__(self, message: str, who: object = None) -> None:
        super().__init__(message)
        self.who = who  # the stranger: one warning for each


class OtherFormatError(EntryError):
    """A file was written by an older or a newer cachepy, in a format that this one does not read.

    found, known: the numbers of that format and of the one that is read here; what: the text without the path.
    """

    def __init__(self, path: str, found: int, known: int) -> None:
        self.found = found
        self.known = known
        age = "a newer" if self.is_newer else "an older"
        self.what = f"has format {found} of {age} cachepy; this one reads format {known}"
        super().__init__(f"{path} {self.what}")

    @property
    def is_newer(self) -> bool:
        return self.found > self.known

    @property
    def way_out(self) -> str:
        """What happens to the file, and what to do."""
        if self.is_newer:
            return "it is left alone, nothing takes its place: upgrade cachepy here, or name another directory"
        return "the new result takes its place"


class RerunError(CachepyError):
    """A stored call cannot be made again: its function or its arguments cannot be found."""


class RefusedCallError(BaseException):
    """A module that is imported for a question makes a cached call that would run.

    No Exception, since a module that catches those would go on without the result.
    """


class PartError(CachepyError, ImportError):
    """A part of cachepy cannot be loaded any more, or only that of another version."""

    def __init__(self, name: str, file: str, why: str) -> None:
        cause = "cachepy was moved, upgraded or closed while this process ran"
        super().__init__(f"{cause}, so {name} is not loaded ({file}: {why})")
        self.name = name


class SubinterpreterError(CachepyError):
    """A call would run and be stored in a subinterpreter, which the threads of the cache would not let end."""

    def __init__(self) -> None:
        super().__init__(
            "this is a subinterpreter, and the cache has threads that it cannot end. Make the call in the main "
            "interpreter, or in a process of its own"
        )


class FolderGoneError(CachepyError, FileNotFoundError):
    """A relative path means nothing, since the working directory was deleted."""


class UntoldError(CachepyError, OSError):
    """A caller in another process can in no way be told what it depends on: better an error than a stale value."""


class EntryReplacedError(EntryError):
    """An entry was replaced by a newer one while it was read: look again."""


class CacheWarning(UserWarning):
    """Base of all warnings of cachepy: the value is right, the cache could not do its part.

    Examples
    --------
    In a test, make an error of each:

    >>> import warnings
    >>> from cachepy import CacheWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error", CacheWarning)
    """


class CacheReadWarning(CacheWarning):
    """An entry or a graph was not used: unreadable, damaged, or of a user who is not trusted.

    The call runs again; of a graph what is whole is taken.

    See Also
    --------
    cachepy.cache_repair : Moves broken files aside.

    Examples
    --------
    >>> import warnings
    >>> from pathlib import Path
    >>> from cachepy import cache_tree_sync
    >>> _ = Path("graph.pkl").write_bytes(b"not a graph")
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     cache_tree_sync("graph.pkl")
    >>> seen[0].category.__name__
    'CacheReadWarning'
    """


class CacheWriteWarning(CacheWarning):
    """A result could not be stored; it was returned all the same.

    It cannot be pickled, or the disk is full or read-only.

    Examples
    --------
    >>> import threading, warnings
    >>> from cachepy import cache_file
    >>> @cache_file("cache")
    ... def lock():
    ...     return threading.Lock()
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     _ = lock()
    >>> print(seen[0].message)  # doctest: +ELLIPSIS
    the result of lock cannot be pickled (...), so it was not stored; return plain data to have it cached
    """


class UncachedCallWarning(CacheWarning):
    """A call ran without the cache: one of its arguments cannot be digested, or the cache itself failed.

    It fails where nothing can be loaded any more: the process has changed its user or its root, cachepy was upgraded or
    moved while it ran, the working directory of a relative cache was deleted, or Python is shutting down. A program
    that will change its user says ``import cachepy.preload`` before; others are started again.

    Examples
    --------
    >>> import threading, warnings
    >>> from cachepy import cache_file
    >>> @cache_file("cache")
    ... def double(x, lock):
    ...     return 2 * x
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     double(4, threading.Lock())
    8
    >>> seen[0].category.__name__
    'UncachedCallWarning'

    Leave such a parameter out, if the result does not depend on it:

    >>> @cache_file("cache", ignore_args=["lock"])
    ... def triple(x, lock):
    ...     return 3 * x
    >>> triple(4, threading.Lock()), triple.is_cached(4, threading.Lock())
    (12, True)
    """


class ChangedInputWarning(CacheWarning):
    """A file that the call read changed while it ran, so its result was not stored.

    Mostly the call itself wrote it: then it is an output. Name only the inputs in ``file_args`` (``[]`` if there are
    none) and call `track_file` after writing: then its path is an argument like any other, and a lost output is
    written again. With ``ignore_args`` the path would not count: a call that names another file would be a hit, and
    write nothing.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, track_file
    >>> @cache_file("cache", file_args=[])
    ... def write(text, out):
    ...     out.write_text(text)
    ...     track_file(out)
    >>> write("one", Path("a.txt"))
    >>> write.is_cached("one", Path("a.txt")), write.is_cached("one", Path("b.txt"))
    (True, False)
    >>> Path("a.txt").unlink()
    >>> write.is_cached("one", Path("a.txt"))
    False
    """


class ChangedGlobalWarning(CacheWarning):
    """The body changes a global that its code reads, so every call runs again.

    Name a counter or a memo whose value does not matter in ``ignore_globals``.

    Examples
    --------
    >>> from cachepy import cache_file
    >>> CALLS = []
    >>> @cache_file("cache", ignore_globals=["CALLS"])
    ... def double(x):
    ...     CALLS.append(x)
    ...     return 2 * x
    >>> double(4), double(4), CALLS
    (8, 8, [4])
    """


class ChangedArgumentWarning(CacheWarning):
    """The body changed an argument in place, so its result was not stored: at a hit the argument would stay as it was.

    Change a copy and return that, or return the argument itself: then a hit changes it too. ``changes=["name"]`` stores
    its new state beside any result. Given once for a function and an argument.

    Examples
    --------
    >>> from cachepy import cache_file
    >>> @cache_file("cache", changes=["rows"])
    ... def sort(rows):
    ...     print("sorting")
    ...     rows.sort()
    >>> first, second = [3, 1, 2], [3, 1, 2]
    >>> sort(first)
    sorting
    >>> sort(second)
    >>> second
    [1, 2, 3]
    """


class CallbackWarning(CacheWarning):
    """A function that was given to `on_call` raised an error; the call went on, and its value is right.

    Examples
    --------
    >>> import warnings
    >>> from cachepy import CallbackWarning, cache_file, on_call
    >>> with warnings.catch_warnings(record=True) as caught, on_call(lambda call: call.no_such_field):
    ...     cache_file("cache")(lambda x: 2 * x)(3), caught[0].category is CallbackWarning
    (6, True)
    """


class CheapCallWarning(CacheWarning):
    """A function runs faster than its stored result is checked and loaded: caching makes it slower.

    Given once for a function. ``warn_cheap=False`` turns it off.

    Examples
    --------
    >>> from cachepy import cache_file
    >>> @cache_file("cache", warn_cheap=False)
    ... def add(a, b):
    ...     return a + b
    >>> add(1, 2)
    3

    For all functions:

    >>> import warnings
    >>> from cachepy import CheapCallWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", CheapCallWarning)
    """


class NeverReusedWarning(CacheWarning):
    """A call is made by one program after another, each time with an argument that is never the same twice.

    So its results are stored and never reused: a random number, a moment, or the number of a process is part of an
    object. Given once for a function in a process, from the third program on.

    Examples
    --------
    Leave out what does not matter:

    >>> import uuid
    >>> from cachepy import cache_file
    >>> class Job:
    ...     def __init__(self, factor):
    ...         self.factor, self.run_id = factor, uuid.uuid4()
    ...     def __cachepy_digest__(self):
    ...         return self.factor
    ...     @cache_file("cache")
    ...     def scaled(self, x):
    ...         return self.factor * x
    >>> Job(3).scaled(2), Job(3).scaled.is_cached(2)
    (6, True)
    """


class StuckCallWarning(CacheWarning):
    """A call ran here although somebody else runs it: that one stood still for too long.

    Its body may wait for what the code here holds: a lock of the program, a lock of a file, a connection. Without the
    cache the two would not wait for each other. Both results are right. Given once for a function: let go of such
    things before calling it, or take them inside its body.

    Examples
    --------
    Here another thread runs `total` first, and its body needs the lock. So do not hold it while you call:

    >>> import threading
    >>> from cachepy import cache_file
    >>> LOCK = threading.Lock()
    >>> @cache_file("cache", ignore_globals=["LOCK"])
    ... def total(n):
    ...     with LOCK:
    ...         return sum(range(n))
    >>> total(5)
    10
    """


class StaleResultWarning(CacheWarning):
    """A call raised, and its newest stored result was given instead, as ``on_error="stale"`` says.

    Nothing that was made with this result is stored.

    Examples
    --------
    >>> import warnings; from cachepy import cache_file
    >>> PRICE = 3
    >>> @cache_file("cache", on_error="stale")
    ... def price():
    ...     return 12 // PRICE
    >>> price()
    4
    >>> PRICE = 0
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     price()
    4
    >>> print(str(seen[0].message).partition(":")[0])
    price() raised ZeroDivisionError
    """


class AlteredResultWarning(CacheWarning):
    """A result comes back from the cache without something that it had: pickling leaves it out.

    Given once for a function; the first run returns the whole result.

    Examples
    --------
    >>> import warnings
    >>> from cachepy import cache_file
    >>> @cache_file("cache")
    ... def view():
    ...     return memoryview(b"data")
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     _ = view()
    >>> seen[0].category.__name__, type(view()).__name__
    ('AlteredResultWarning', 'bytes')
    """


class RewrittenFileWarning(CacheWarning):
    """A body reads a file and then overwrites it, so the file is neither its input nor its output.

    No run would find it as the run before found it. Given once for each function and file: a change of the file goes
    unseen. Write another file, or name it in ``ignore_files`` if it does not matter.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file
    >>> @cache_file("cache", ignore_files=["count.txt"])
    ... def number():
    ...     count = int(Path("count.txt").read_text()) + 1
    ...     _ = Path("count.txt").write_text(str(count))
    ...     return count
    >>> _ = Path("count.txt").write_text("0")
    >>> number()
    1
    """


class UnseenInputWarning(CacheWarning):
    """A result depends on what cannot be compared later: a host, random numbers without a seed, what a user types.

    So it is reused although a run would give another one. Given once for a function in a process. Pass what it gets as
    an argument, use a seed, change ``version`` when it is to run anew, or say ``unseen="ok"``.

    Examples
    --------
    >>> import random
    >>> from cachepy import cache_file
    >>> @cache_file("cache", unseen="ok")
    ... def sample(n):
    ...     return [random.random() for _ in range(n)]
    >>> sample(3) == sample(3)
    True
    >>> print(sample.explain(3))
    fresh; depends on random numbers (random.random), which cannot be compared
    """


class OpaqueGlobalWarning(CacheWarning):
    """A part of a value that the code reads by a name has no digest, so changes of that part go unseen.

    All other parts count, and the code of its class. Given in each process that relies on it. Name it in
    ``ignore_globals`` if that is right, as for the connection to a database.

    Examples
    --------
    >>> import sqlite3
    >>> from cachepy import cache_file
    >>> DATABASE = sqlite3.connect(":memory:")
    >>> @cache_file("cache", ignore_globals=["DATABASE"])
    ... def ask(query):
    ...     return DATABASE.execute(query).fetchall()
    >>> ask("select 6 * 7")
    [(42,)]
    >>> DATABASE.close()
    """


def user_level() -> int:
    """How many frames up the user's code is."""
    frame: Any = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in ("cachepy", "dask_plugin"):
        frame = frame.f_back
        level += 1
    return level


class Warner:
    """Warns of each cause once; one for each session."""

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

    def warn_unseen(self, identity: str, opaque: Iterable[tuple[str, str]]) -> None:
        """Warn of values of which a part has no digest, in each process that relies on such code."""
        for label, types in opaque:
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
