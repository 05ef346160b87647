"""What a session makes when somebody asks for it: a program whose calls are all hits never loads these parts.

Called by `Session.__getattr__` only, under its lock.  Imports claims, closures, extensions, files, graph, hot,
imports, miss, mounts, outbox, registry, source, each when it is asked for.
"""

from __future__ import annotations

from cachepy.errors import SubinterpreterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.session import Session


def make_graph(session: Session) -> None:
    """The graph, with what ended before; what another thread folds in meanwhile is not lost: see `Session.fold`."""
    from cachepy.graph import Graph

    graph = Graph()
    for event in list(session._early.values()):
        graph.apply(event)
    session.graph = session._graph = graph
    for event in list(session._early.values()):
        graph.apply(event)
    session._early = {}
    session._early_era.is_over = True


def make_files(session: Session) -> None:
    """Digests of files, remembered as far as the session's trust goes."""
    from cachepy.disk.files import Files
    from cachepy.disk.statmemo import ReadMemo, StatMemo

    files = Files(ReadMemo() if session.is_asked else StatMemo(), session.mounts)
    files.memo.trusts, files.memo.on_disk = session._trusts, not session._signs
    files.memo_file = session._memo_file
    session.files = files


def make_mounts(session: Session) -> None:
    """The kinds of the mounts that files lie on."""
    from cachepy.disk.mounts import Mounts

    session.mounts = Mounts.of_environment()


def make_claims(session: Session) -> None:
    """Claims, with the modes that the session's trust asks for."""
    from cachepy.disk.claims import Claims

    if not _is_main_interpreter():
        raise SubinterpreterError
    opens_up = None if session.trust.umask is None else session.trust.open_up
    session.claims = Claims(opens_up, session.trust.make_folder, session.inherited, session.mounts.is_far)


def _is_main_interpreter() -> bool:
    import _thread
    from importlib import import_module

    known = getattr(_thread, "_is_main_interpreter", None)
    if known is not None:
        return bool(known())
    try:  # Python 3.11
        interpreters = import_module("_xxsubinterpreters")
    except ImportError:
        return True
    return bool(interpreters.get_current() == interpreters.get_main())


def make_outbox(session: Session) -> None:
    """The mailbox of work that is sent to other processes."""
    from cachepy.recording.outbox import Outbox

    session.outbox = Outbox(session)


def make_miss(session: Session) -> None:
    """The modules of what a call that is no hit goes through, and those that the walk of some code needs.

    A process that loses sight of them has all or cannot store anything.
    """
    import cachepy.calls.miss
    import cachepy.hot
    import cachepy.reach.extensions
    import cachepy.reach.imports
    import cachepy.values.registry

    session.hot, session.miss = cachepy.hot, cachepy.calls.miss


make_hot = make_miss


def make_namer(session: Session) -> None:
    """Digests in which code counts by its name."""
    from cachepy.calls.closures import Namer

    session.namer = Namer(session.origins)


def make_sources(session: Session) -> None:
    """The source of code as it is now, for reasons that show what changed."""
    from cachepy.reach.source import Sources

    session.sources = Sources(session.reader.code_digest)


def make_written(session: Session) -> None:
    """What is known of the source files of the code that runs here."""
    from cachepy.reach.written import Written

    session.written = Written(session.origins, session.reader.digester, session._file_digest, session.edits)
