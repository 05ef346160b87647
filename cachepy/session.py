"""A `Session` makes the parts that hold the state of one cache user, and puts them together.

What a hit does not need is made, and imported, when it is asked for (see `lazyparts`).
"""

from __future__ import annotations

import os
import time

from cachepy.calls.functions import Functions, Remembered
from cachepy.calls.import_refusal import ASKED, EVERY_THREAD
from cachepy.calls.state import QUIET, State, current_session, mode_of, use_session
from cachepy.calls.stored_code import StoredCode
from cachepy.code.edit_times import Edits
from cachepy.code.fingerprint import CodeReader
from cachepy.core.lazyparts import is_made, part
from cachepy.errors import SubinterpreterError, Warner
from cachepy.graph.recorder import GraphRecorder, LazyGraph, QuietRecorder
from cachepy.store.sizes import size_of_environment
from cachepy.store.stores import Stores
from cachepy.store.trust import Trust
from cachepy.values.modules import Origins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.calls.slow import Slow
    from cachepy.code.namer import Namer
    from cachepy.code.recorded_sources import Written
    from cachepy.code.source import Sources
    from cachepy.code.source_texts import SourceTexts
    from cachepy.core.hooks import Hooks
    from cachepy.core.ports import Recorder
    from cachepy.graph.remote_deps import Outbox
    from cachepy.store.claims import Claims
    from cachepy.store.files import Files
    from cachepy.store.mounts import Mounts

__all__ = ["Session", "current_session", "use_session"]


class Session(State):
    """The state behind cached functions and the ``cache_tree_*`` functions.

    A program has one, and never has to think of it. Make one for a test, so that it sees no graph of another one.

    Parameters
    ----------
    recorder : Recorder, optional
        Takes each ended call. By default it goes into the graph in memory, and into ``graph.pkl`` on disk.
    import_code : bool, default True
        Whether verifying a call may import the modules of functions below it, as running it would.
    mode : {"off", "readonly", "required", "refresh"}, optional
        What cached calls do, by default as the environment variable ``CACHEPY`` says: run without the cache; take hits
        and write nothing; likewise, and raise `MissingResultError` instead of running a body; run, and be stored anew.

    Examples
    --------
    >>> from cachepy import Session, cache_tree_nodes, use_session
    >>> with use_session(Session()):
    ...     cache_tree_nodes()
    {}
    """

    _warner = Warner

    def __init__(
        self, recorder: Recorder | None = None, *, import_code: bool = True, mode: str | None = None
    ) -> None:
        self.mode, self.listeners = mode_of(mode), ()
        self.is_special, self._heeds_modes, self.meter = bool(self.mode), False, None
        self.warner = warner = self._warner()
        self.warn, self.is_first = warner.warn, warner.is_first
        self.origins = Origins()
        self.reader = CodeReader(self.origins, self._file_digest)
        self.digester = self.reader.digester
        self.stores = Stores(Trust.of_environment(), size_of_environment(), warner, self._is_far)
        self.stores.digest = self.digester.digest
        self.nodes = LazyGraph(self.stores)
        self.inherited = set()
        self.is_asked = ASKED in os.environ
        self._is_quiet = self.is_asked or self.mode in QUIET
        self.refusing = {EVERY_THREAD: []} if self.is_asked else {}
        self.refused = {}
        self.recorder = self._own_recorder = recorder or (QuietRecorder if self.is_quiet else GraphRecorder)(self)
        self.import_code = import_code
        self.owners, self.waiting, self.shared, self.watches = {}, {}, {}, {}
        self.functions, self.remembered = Functions(), Remembered()
        self.edits = Edits()
        self.stored_code = StoredCode(self, self.edits)
        self.revision = object()
        self._memo_file = None
        self.clock = time.time

    def __repr__(self) -> str:
        roots = ", ".join(store.root for store in self.stores) or "none yet"
        calls = len(self.nodes)
        return f"<Session: {calls:,} {'call' if calls == 1 else 'calls'} in memory; cache directories: {roots}>"

    # -- parts that are made when somebody asks for them

    @part
    def slow(self) -> Slow:
        """What a call that is no hit goes through."""
        from cachepy.calls.slow import Slow

        if "CACHEPY_PROGRESS" in os.environ:
            from cachepy.calls.progress_line import begin

            begin(self)
        return Slow()

    @part
    def hooks(self) -> Hooks:
        """Those who carry calls elsewhere: pools of processes, and who is plugged in."""
        from cachepy.calls.pools import ProcessPools

        return ProcessPools(self._drain)

    @part
    def files(self) -> Files:
        """Digests of files, remembered as far as the session's trust goes."""
        from cachepy.store.files import Files
        from cachepy.store.stat_cache import ReadMemo, StatMemo

        files = Files(ReadMemo() if self.is_quiet else StatMemo(), self.mounts)
        files.memo.trusts, files.memo.on_disk = self.stores.trusts, not self.stores.signs
        files.memo_file = self._memo_file
        return files

    @part
    def mounts(self) -> Mounts:
        """The kinds of the mounts that files lie on."""
        from cachepy.store.mounts import Mounts

        return Mounts.of_environment()

    @part
    def claims(self) -> Claims:
        """Claims, with the modes that the session's trust asks for."""
        from cachepy.store.claims import Claims, is_main_interpreter

        if not is_main_interpreter():
            raise SubinterpreterError
        opens_up = None if self.trust.umask is None else self.trust.open_up
        return Claims(opens_up, self.trust.make_folder, self.inherited, self.mounts.is_far)

    @part
    def outbox(self) -> Outbox:
        """The mailbox of work that is sent to other processes."""
        from cachepy.graph.remote_deps import Outbox

        return Outbox(self.stores, self.nodes)

    @part
    def namer(self) -> Namer:
        """Digests in which code counts by its name."""
        from cachepy.code.namer import Namer

        return Namer(self.origins)

    @part
    def sources(self) -> Sources:
        """The source of code as it is now, for reasons that show what changed."""
        from cachepy.code.source import Sources

        return Sources(self.reader.code_digest)

    @part
    def texts(self) -> SourceTexts:
        """Source files as code that may run."""
        from cachepy.code.source_texts import SourceTexts

        return SourceTexts(self.sources, self.edits)

    @part
    def written(self) -> Written:
        """What is known of the source files of the code that runs here."""
        from cachepy.code.recorded_sources import Written

        return Written(self.origins, self.reader.digester, self._file_digest, self.edits)

    # -- what the parts ask of each other before they are all made

    def _drain(self) -> None:
        if is_made(self, "outbox"):
            self.outbox.drain()

    def _file_digest(self, path: str) -> str | None:
        """Of a file that code runs or loads; what makes it is only made when it is needed."""
        return self.files.digest(path)

    def _is_far(self, path: str) -> bool:
        return self.mounts.is_far(path)

