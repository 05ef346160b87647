"""Where things lie in a cache directory.

    CACHEDIR.TAG   marks the directory for backup programs
    graph.pkl      the journal of the graph
    graph.size     how long that was when a record was last added (see `graph_extent`)
    graph.live     how much of it was needed when that was last counted (see `compact`)
    size.note      how large the entries are together, where that has a bound (see `eviction`)
    size.dropped   what went for that
    stat.memo      digests of files by their stat
    entries/ab/<name>-<digest>.entry         newest value; its meta lists the older ones
    entries/ab/<name>-<digest>.<run>.old     the value of an older trace
    entries/ab/<name>-<digest>.valid         which of several runs was last seen to hold
    entries/ab/<name>-<digest>.claim         somebody is running this call
    entries/ab/<name>-<digest>.unended       a topmost call that began and did not end: the claim it had
    code/<digest><names>                     pieces of a code digest of code of these names
    runs/<run>                               what other processes leave for a run: its mailbox
    runs/<run>.tally                         receipts for what is in it
    runs/children-<host>-<pid>               what child processes leave for the bodies of a process
    programs/past                            calls that no program makes any more
    programs/unnamed                         what processes made that are no programs: prompts, tests
    programs/<name>-<digest>                 what one program made when it last ended
    programs/<mark>.made                     what child processes of a program made that runs now
    values/<function>/<arguments>-<key>-<content>.<suffix>    a value in a form of others (see `value_files`)
    broken/<time>/...                        what `cache_repair` put aside

What is not listed here is somebody else's, and stays as it is.
"""

from __future__ import annotations

import os

from xxhash import xxh3_64_hexdigest

from cachepy.store.fs import OWN_NAMES, listed, names_in, safe_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BROKEN = "broken"  # the folder of what `cache_repair` put aside
ENTRY, OLD, CLAIM, TEMPORARY, VALID, UNENDED = ".entry", ".old", ".claim", ".tmp", ".valid", ".unended"
MADE = ".made"
VALUES = "values"  # the folder of values in forms that others read


def root_of_run(mailbox: str) -> str:
    """The cache directory that the mailbox of a run is in."""
    return os.path.dirname(os.path.dirname(mailbox))


def stem_of(path: str) -> str:
    """What the names of the files of one call have in common, by one of them: an entry, an older value, a note."""
    return path.removesuffix(OLD).rpartition(".")[0]


def call_named(stem: str) -> str:
    """The id of the call that a file is about, by its name without the suffix; of an odd function near enough."""
    fname, _, key = os.path.basename(stem).rpartition("-")
    return f"{fname}:{key}"


_MORE = 8  # characters


def code_name(digest: str, names: Iterable[str]) -> str:
    """The file name for what is kept of a code digest of code with these names; empty for what is no digest."""
    more = xxh3_64_hexdigest("\0".join(names).encode("utf-8", "surrogatepass"))[:_MORE]
    return digest + more if digest.isalnum() else ""


def digest_in(path: str) -> str:
    """The code digest after which a file is named."""
    return os.path.basename(path)[:-_MORE]


class Places:
    """The paths of one cache directory; names from files that somebody made lead nowhere else."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.memo_file = os.path.join(root, "stat.memo")
        self.size_file = os.path.join(root, "size.note")
        self.dropped_file = os.path.join(root, "size.dropped")
        self.live_file = os.path.join(root, "graph.live")
        self.entries = os.path.join(root, "entries", "")
        self.runs = os.path.join(root, "runs", "")
        self.listed: set[str] | None = None  # for who asks next: a command looks once
        self.programs = os.path.join(root, "programs", "")
        self._names: dict[str, str] = {}

    def path_of(self, call: str) -> str:
        """Where the entry of a call is; bounded and safe whatever the function is called."""
        fname, _, digest = call.rpartition(":")
        safe = self._names.get(fname)
        if safe is None:
            safe = self._names[fname] = safe_name(fname)
        if not digest.isalnum():  # read from a file that somebody made: it must not lead elsewhere
            digest = xxh3_64_hexdigest(call.encode("utf-8", "replace"))
        return f"{self.entries}{digest[:2]}{os.sep}{safe}-{digest}{ENTRY}"

    def claim_path(self, call: str) -> str:
        return self.path_of(call)[: -len(ENTRY)] + CLAIM

    def valid_path(self, call: str) -> str:
        return self.path_of(call)[: -len(ENTRY)] + VALID

    def unended_path(self, call: str) -> str:
        return self.path_of(call)[: -len(ENTRY)] + UNENDED

    def outfile(self, path: str) -> str:
        """The path of an entry as events have it."""
        return "entries/" + path[len(self.entries) :].replace(os.sep, "/")

    def listing(self) -> set[str]:
        """The files of the entries that are there, named as in `Event.outfile`."""
        before, self.listed = self.listed, None
        if before is not None:
            return before
        top = os.path.basename(os.path.dirname(self.entries))
        found: set[str] = set()
        for folder in self.folders():
            start = f"{top}/{os.path.basename(folder)}/"
            found.update([start + name for name in names_in(folder)])
        return found

    def calls(self) -> Iterator[str]:
        """The paths of all entries."""
        return self.files(ENTRY)

    def files(self, *suffixes: str) -> Iterator[str]:
        """The paths of all files below ``entries`` with one of the suffixes, sorted; no link leads out of there."""
        if os.path.islink(self.entries.rstrip(os.sep)):
            return
        for folder in self.folders():
            yield from self.files_in(folder, *suffixes)

    def files_in(self, folder: str, *suffixes: str) -> Iterator[str]:
        """Those in one of the folders."""
        if not os.path.islink(folder):
            for name in listed(folder):
                if name.endswith(suffixes):
                    yield os.path.join(folder, name)

    def folders(self) -> list[str]:
        """The folders that hold the entries."""
        return [self.entries + name for name in listed(self.entries)]

    def others(self, name: str = "") -> list[str]:
        """The paths in ``code`` or ``runs``; without a name: of all that is ours at the top."""
        folder = os.path.join(self.root, name)
        if name and os.path.islink(folder):
            return []
        return [os.path.join(folder, each) for each in (listed(folder) if name else sorted(OWN_NAMES))]


def unwritable(root: str, error: OSError) -> str:
    """What a warning says of a cache directory in which nothing can be stored."""
    return (
        f"the cache at {root} cannot be written ({error.strerror or error}); results are returned, but not stored. "
        f"Make it writable, or name another directory"
    )
