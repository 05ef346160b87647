"""Stored results go from one cache to another: directories, or addresses.

Runs have a name for good, so that what is there already is not moved again, and what was begun goes on.  Each is read
and checked whole before it is stored.
"""

from __future__ import annotations

import os
from functools import partial

from cachepy.calls.options import root_of
from cachepy.calls.state import current_session, refuse_if_quiet
from cachepy.core.model import Event, Record, Report
from cachepy.errors import EntryError, UsageValueError
from cachepy.store.asking import RemoteError, at_once
from cachepy.store.entries import Store
from cachepy.store.entryfile import EntryFile
from cachepy.store.far import Far, Fetched, files_beside, folder_of
from cachepy.store.fs import read_plain
from cachepy.store.meta import rows_of
from cachepy.store.objects import Objects
from cachepy.store.relocation import moved_event
from cachepy.store.remote import check_trusted, urls_of
from cachepy.store.value_files import arrive, carried
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cachepy.store.far import Place
    from cachepy.store.payload import Payload
    from cachepy.store.trust import Trust

_BATCH = 64  # runs that are under way together


class Merged(Report):
    """What became of the runs of one cache that were to be in another.

    Attributes
    ----------
    moved : int
        Runs that were stored there.
    there : int
        Runs that were there already.
    size : int
        Bytes of those that were stored.
    troubles : tuple of str
        What could not be moved, and why.
    dry_run : bool
        Whether this is only what would be moved.

    Examples
    --------
    >>> from cachepy import cache_file, cache_merge
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> cache_merge("cache", "memory://team", trust_remote=True).moved
    1
    """

    __slots__ = ("moved", "there", "size", "troubles", "dry_run")
    moved: int
    there: int
    size: int
    troubles: tuple[str, ...]
    dry_run: bool

    def __bool__(self) -> bool:
        """Whether all is there now."""
        return not self.troubles

    def __str__(self) -> str:
        return "\n".join([line_of(self), *(f"  {each}" for each in self.troubles)])


def line_of(merged: Merged, place: str = "") -> str:
    """What became of the runs, on one line; place: where they were to be."""
    would = "would store" if merged.dry_run else "stored"
    where = f" in {place}" if place else ""
    moved = f"{humanize.count(merged.moved, 'result')} ({humanize.size(merged.size)})"
    return f"{would} {moved}{where}{there_of(merged)}"


def there_of(merged: Merged) -> str:
    """How many were there already, as the end of a line."""
    return f"; {merged.there:,} {'was' if merged.there == 1 else 'were'} there already" if merged.there else ""


class Run(Record):
    """One run: of which call, when it ended, how many bytes it takes; whole: reads all of it, checked.

    name: of its object, or of its file.
    """

    __slots__ = ("name", "call", "run", "created", "size", "whole")
    name: str
    call: str  # the folder of its runs, which says which call it is
    run: str
    created: float
    size: int
    whole: Callable[[], tuple[Event, Payload, bytes]]


# ---------------------------------------------------------------- the two kinds of ends


class Directory:
    """A cache directory."""

    def __init__(self, root: str, trust: Trust) -> None:
        self.root = self.name = root
        self.store = Store(root, trust)
        self.troubles: list[str] = []

    def runs(self) -> Iterator[Run]:
        """All that is stored; what is damaged is a trouble."""
        for path in self.store.calls():
            try:
                rows = rows_of(path, EntryFile(path, self.store.trust))
            except (EntryError, OSError) as error:
                self.troubles.append(str(error))
                continue
            for event, name in rows:
                value = os.path.join(os.path.dirname(path), name)
                if os.path.exists(value):
                    yield self._run(moved_event(event, self.root), value)

    def _run(self, event: Event, path: str) -> Run:
        def whole() -> tuple[Event, Payload, bytes]:
            file = EntryFile(path, self.store.trust)
            return event, file.payload(), file.call()

        return Run(path, folder_of(self.store, event.id), event.run, event.created, os.path.getsize(path), whole)

    def known(self) -> set[str]:
        """The runs that are there."""
        return {run.run for run in self.runs()}

    def files(self, event: Event) -> dict[str, bytes]:
        """What lies beside the entry of a run, by its name."""
        return {name: read_plain(path) for name, path in carried(self.root, event).items()}

    def put(self, event: Event, payload: Payload, call: bytes, files: dict[str, bytes]) -> None:
        arrive(self.root, event, files, self.store.trust)
        self.store.keep(moved_event(event, self.root), payload, call)

    def codes(self) -> dict[str, Callable[[], bytes]]:
        """What is kept of code digests."""
        names = map(os.path.basename, self.store.others("code"))
        return {name: lambda name=name: self.store.get_code(name) or b"" for name in names}  # type: ignore[misc]  # a default binds it

    def put_code(self, name: str, wire: bytes) -> None:
        self.store.put_code(name, wire)

    def end(self) -> None:
        """Nothing more comes."""
        self.store.close()


class Address:
    """A remote cache; its runs lie as `store.far` says."""

    def __init__(self, url: str, trust: Trust) -> None:
        self.name = url
        self.remote = Objects(url)
        self.near = Store(os.path.join(os.getcwd(), ".cachepy"), trust)  # which names things alike; nothing is made
        self.far = Far([self.remote], self.near, trusts=True, warn=self._warn)
        self.troubles: list[str] = []

    def _warn(self, _: str, url: str, text: str) -> None:
        raise RemoteError(text or url)

    def runs(self) -> Iterator[Run]:
        for folder, places in self.far.list_all(anew=True).items():
            for place in places:
                created = int(place.name.rpartition("/")[2].partition("-")[0] or 0) / 1000
                whole = partial(self._whole, place)
                yield Run(place.name, folder, place.run, created, place.size, whole)

    def _whole(self, place: Place) -> tuple[Event, Payload, bytes]:
        name = f"{self.name}/{place.name}"
        data = self.remote.read(place.name, place.size)
        file = Fetched(name, data, len(data), self.near.trust)
        payload = file.payload()
        return rows_of(name, file)[0][0], payload, file.call()

    def known(self) -> set[str]:
        return {place.run for places in self.far.list_all(anew=True).values() for place in places}

    def files(self, event: Event) -> dict[str, bytes]:
        return files_beside(self.remote, event)

    def put(self, event: Event, payload: Payload, call: bytes, files: dict[str, bytes]) -> None:
        if self.far.target is None:
            raise RemoteError(f"the remote cache {self.name} can only be read")
        self.far.send_run(event, payload, call, files)

    def codes(self) -> dict[str, Callable[[], bytes]]:
        names = self.remote.names("code/")
        return {
            name.partition("/")[2]: lambda name=name, size=size: self.remote.read(name, size)  # type: ignore[misc]  # likewise
            for name, size in names.items()
        }

    def put_code(self, name: str, wire: bytes) -> None:
        self.remote.write(f"code/{name}", wire)

    def end(self) -> None:
        self.far.flush()


def end_of(place: str | os.PathLike[str], *, is_source: bool, trusts: bool) -> Directory | Address:
    """One of the two caches, as it was named."""
    trust, text = current_session().trust, os.fspath(place)
    if "://" not in text:
        return Directory(root_of(text) if is_source else os.path.abspath(text), trust)
    (url,) = urls_of("remote", text)
    if is_source and trust.key is None and not trusts:
        check_trusted((url,))
    return Address(url, trust)


# ---------------------------------------------------------------- what goes


def cache_merge(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    calls: Iterable[str] = (),
    since: float | None = None,
    trust_remote: bool = False,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Merged:
    """Store in one cache what another one has: results, their traces, and so the graph.

    Parameters
    ----------
    source, target : str or os.PathLike
        Each a cache directory, or an address such as ``"s3://bucket/prefix"``.
    calls : iterable of str, optional
        Ids of calls (``node["id"]``): only these, and all below them.
    since : float, optional
        Only what ran later than this, in seconds since the epoch.
    trust_remote : bool, default False
        Results from an address are taken without a signature. Loading them can run their writers' code.
    dry_run : bool, default False
        Only say what would be moved.
    progress : callable, optional
        Is told how many of how many runs were moved.

    Returns
    -------
    Merged
        True if all is there now.

    Raises
    ------
    UsageError
        If the source is an address, and results from there are not trusted.
    OSError
        If one of the two cannot be used; the text names it. FileNotFoundError: the source is no directory.

    Examples
    --------
    >>> from cachepy import cache_file, cache_merge
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> merged = cache_merge("cache", "other")
    >>> merged.moved, merged.there
    (1, 0)
    >>> cache_merge("cache", "other").there
    1
    """
    if not dry_run:
        refuse_if_quiet("cache_merge")
    ends = end_of(source, is_source=True, trusts=trust_remote), end_of(target, is_source=False, trusts=trust_remote)
    if ends[0].name == ends[1].name:
        raise UsageValueError(f"cache_merge is to move results from {ends[0].name} to itself; name two caches")
    return _merge(*ends, set(calls), since, dry_run=dry_run, progress=progress)


def _merge(
    source: Directory | Address, target: Directory | Address, calls: set[str], since: float | None, *,
    dry_run: bool, progress: Callable[[int, int], None] | None,
) -> Merged:  # fmt: skip
    runs = sorted(_wanted(source, calls, since), key=lambda run: (run.created, run.run))  # the newest comes last
    known = target.known() if isinstance(target, Address) or os.path.isdir(target.root) else set()
    new = [run for run in runs if run.run not in known]
    if dry_run:
        return Merged(len(new), len(runs) - len(new), sum(run.size for run in new), tuple(source.troubles), True)
    moved = size = 0
    troubles: list[str] = []
    for start in range(0, len(new), _BATCH):
        batch = new[start : start + _BATCH]
        for run, error in zip(batch, _move(batch, source, target), strict=True):
            if error is None:
                moved, size = moved + 1, size + run.size
            else:
                troubles.append(str(error))
        if progress is not None:
            progress(min(start + _BATCH, len(new)), len(new))
    _move_codes(source, target)
    target.end()
    return Merged(moved, len(runs) - len(new), size, (*source.troubles, *troubles), False)


def _move(
    runs: list[Run], source: Directory | Address, target: Directory | Address
) -> list[Exception | None]:
    """Runs that are read side by side, and stored; what went wrong with each."""

    def read(run: Run) -> tuple[Event, Payload, bytes, dict[str, bytes]]:
        event, payload, call = run.whole()
        return event, payload, call, source.files(event)

    if isinstance(target, Address):
        return at_once(lambda run: target.put(*read(run)), runs)
    found: list[Exception | None] = []
    for whole in at_once(read, runs):
        try:
            if isinstance(whole, Exception):
                raise whole
            target.put(*whole)
            found.append(None)
        except Exception as error:
            found.append(error)
    return found


def _move_codes(source: Directory | Address, target: Directory | Address) -> None:
    """What reasons go by; without it they say less."""
    there = target.codes().keys()
    missing = {name: read for name, read in source.codes().items() if name not in there}

    def move(name: str) -> None:
        wire = missing[name]()
        if wire:
            target.put_code(name, wire)

    at_once(move, missing)


def _wanted(source: Directory | Address, calls: set[str], since: float | None) -> Iterator[Run]:
    runs = [*source.runs()]
    if calls:
        folders = _below(source, runs, calls)
        runs = [run for run in runs if run.call in folders]
    yield from (run for run in runs if since is None or run.created >= since)


def _below(source: Directory | Address, runs: list[Run], calls: set[str]) -> set[str]:
    """The folders of some calls, and of all that their runs made."""
    places = source.store if isinstance(source, Directory) else source.near
    by_folder: dict[str, list[Run]] = {}
    for run in runs:
        by_folder.setdefault(run.call, []).append(run)
    found, todo = set[str](), sorted(calls)
    while todo:
        folders = {folder_of(places, call) for call in todo} - found
        found |= folders
        events = at_once(lambda run: run.whole()[0], [run for each in folders for run in by_folder.get(each, ())])
        todo = [dep.name for event in events if type(event) is Event for dep in event.trace.calls]
    return found
