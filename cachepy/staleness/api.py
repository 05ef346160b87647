"""The ``cache_tree_*`` functions: the graph of the current session, for users."""

from __future__ import annotations

import os

from cachepy.answers import Calls, ChangedCalls, Files, Summary
from cachepy.calls.state import current_session
from cachepy.core.kind import is_address
from cachepy.errors import CacheReadWarning, UsageError, UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from cachepy.calls.state import State
    from cachepy.graph.graph import Graph
    from cachepy.graph.program_files import History

    Node = dict[str, Any]


def cache_tree_nodes() -> dict[str, Node]:
    """Every call of the graph in memory.

    The graph has the calls that this process made, those that other processes made for them, and what
    `cache_tree_sync` and `cache_tree_load` read. In a new process it is empty.

    Returns
    -------
    dict of str to dict
        The id of each call, ``"load:3ea47914..."``, with its node. A node is a plain dict with

        - ``id``, ``fname``, ``qualname``, ``module``, ``hash`` (the key's digest): texts
        - ``parents``, ``children``: ids of the calls that made it, and of those that it made
        - ``inputs``: argument -> id of the call whose result it is
        - ``files``: list of pathlib.Path, addresses as text; ``file_hashes``: path -> digest, None if it was missing
        - ``outfile``: pathlib.Path of the stored value, None if it was not stored
        - ``created``: end of the run, in seconds since the epoch; ``elapsed``: its length, in seconds
        - ``label``: argument -> a short text of its value
        - ``accepted``: ``"by ann on 2026-11-30"`` if somebody accepted the result, else ``""``

        It is a copy: changing it changes nothing.

    See Also
    --------
    cache_tree_sync : Read the graph of a cache directory first.
    cache_tree_view : The same for eyes, in a notebook.

    Examples
    --------
    >>> from cachepy import cache_file, cache_tree_nodes
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> [(node["fname"], node["label"]) for node in cache_tree_nodes().values()]
    [('square', {'x': '3'})]
    """
    return Calls(graph_now().nodes())


def graph_now(session: State | None = None) -> Graph:
    """The graph in memory, with what ran in other processes of a pool meanwhile."""
    session = session or current_session()
    session.refresh()
    return session.graph


def history_of(session: State) -> History:
    """What is history by the programs that made the calls of its graph."""
    from cachepy.graph.program_files import History

    return History(session.store(root) for root in sorted(session.graph.roots()))


def nodes_shown(*, history: bool) -> dict[str, Node]:
    """The nodes for pictures and other tools: those that nothing makes any more on request only."""
    return without(graph_now().nodes(), hidden_now(history=history))


def hidden_now(*, history: bool) -> set[str]:
    """The calls that are left out, as far as that can be told without looking at anything."""
    session = current_session()
    if history:
        return set()
    told = history_of(session)
    return session.graph.history({}, told.dropped, told.made)


def without(nodes: dict[str, Node], hidden: Collection[str]) -> dict[str, Node]:
    """The nodes but some, and without edges to these."""
    if not hidden:
        return nodes
    return {
        call: node
        | {"parents": [each for each in node["parents"] if each not in hidden]}
        | {"inputs": {name: each for name, each in node["inputs"].items() if each not in hidden}}
        for call, node in nodes.items()
        if call not in hidden
    }


def cache_tree_reset() -> None:
    """Empty the graph in memory; nothing on disk changes.

    Results stay stored, and calls that were hits before are hits again.

    Examples
    --------
    >>> from cachepy import cache_tree_nodes, cache_tree_reset
    >>> cache_tree_reset()
    >>> cache_tree_nodes()
    {}
    """
    graph_now().clear()


def cache_tree_save(path: str | os.PathLike[str]) -> None:
    """Write the graph in memory to a file, whole or not at all.

    The graph of a cache directory is kept there by itself, in ``graph.pkl``; this is for a copy elsewhere.

    Parameters
    ----------
    path : str or os.PathLike
        The file, which is replaced if it exists.

    Raises
    ------
    UsageValueError
        If `path` is a folder, or its folder does not exist.

    See Also
    --------
    cache_tree_load : Read it again.
    cache_tree_to_json : The graph for other programs.

    Examples
    --------
    >>> from cachepy import cache_tree_load, cache_tree_save
    >>> cache_tree_save("yesterday.graph")
    >>> cache_tree_load("yesterday.graph")
    """
    graph_now().save(output_path("path", path))


def cache_tree_load(path: str | os.PathLike[str]) -> None:
    """Replace the graph in memory by a saved one.

    Loading never executes code from the file.

    Parameters
    ----------
    path : str or os.PathLike
        A file of `cache_tree_save`, or a cache directory.

    Raises
    ------
    GraphFileError
        If the file is missing or damaged; the graph in memory is then as it was.

    See Also
    --------
    cache_tree_sync : Add to the graph in memory instead.

    Examples
    --------
    >>> from cachepy import cache_tree_load, cache_tree_nodes, cache_tree_save
    >>> cache_tree_save("empty.graph")
    >>> cache_tree_load("empty.graph")
    >>> cache_tree_nodes()
    {}
    """
    name, root = os.path.abspath(path_text("path", path)), None
    if os.path.isdir(name):
        name, root = os.path.join(name, "graph.pkl"), name
    current_session().graph.load(name, root)


def cache_tree_sync(cache_dir: str | os.PathLike[str]) -> None:
    """Merge the graph of a cache directory into the graph in memory.

    The newer run of a call wins and edges unite; order and repetition do not matter. Calls that its ``graph.pkl``
    lacks are taken from their entries, and added to it where that may be written.

    Parameters
    ----------
    cache_dir : str or os.PathLike
        A cache directory, a file of `cache_tree_save`, or an address such as ``"s3://bucket/prefix"``. One that does
        not exist yet adds nothing.

    Warns
    -----
    CacheReadWarning
        If the graph cannot be read, or only in parts; what is whole is taken.

    Examples
    --------
    >>> from cachepy import cache_file, cache_tree_nodes, cache_tree_reset, cache_tree_sync
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    >>> cache_tree_reset()  # as in a new process
    >>> cache_tree_sync("cache")
    >>> [node["fname"] for node in cache_tree_nodes().values()]
    ['square']
    """
    session = current_session()
    if "://" in os.fspath(path_text("cache_dir", cache_dir)):
        _sync_far(session, os.fspath(cache_dir))
        return
    path = os.path.abspath(path_text("cache_dir", cache_dir))
    try:
        name, taken, damaged = _merge(session, path)
    except FileNotFoundError:
        return
    except OSError as error:
        where = error.filename or path
        session.warn(CacheReadWarning, f"cannot read the graph {where}: {error.strerror or error}", object())
        return
    if damaged:
        way = "" if name == path else ", and what its entries tell; `cachepy repair` rebuilds it"
        text = f"parts of the graph {name} are damaged; the {taken} whole records were taken{way}"
        session.warn(CacheReadWarning, text, object())  # each time: the user asked for this file just now
    other = session.graph.other_format(name)
    if other is not None:
        text = f"{other}; the {taken} records that are alike in both were taken. Upgrade cachepy here to see all"
        session.warn(CacheReadWarning, text, object())


def _sync_far(session: State, url: str) -> None:
    """Fold in the graph of a remote cache; what cannot be asked or read is said."""
    from cachepy.graph.far_graph import merge_far
    from cachepy.store.entries import Store

    try:
        read = merge_far(session.graph, url, Store(os.getcwd(), session.trust))
    except OSError as error:
        session.warn(CacheReadWarning, f"{error}; nothing was taken", object())
        return
    for each in read.troubles[:1]:
        session.warn(CacheReadWarning, f"{each}; the rest of the graph was taken", object())


def _merge(session: State, path: str) -> tuple[str, int, bool]:
    """Fold in a saved graph, or all that a cache directory has."""
    if not os.path.isdir(path):
        return path, *session.graph.merge(path)
    from cachepy.graph.missing_records import read_graph

    store = session.store(path)
    try:
        read = read_graph(session.graph, store)
    finally:
        store.listed = None
    return store.journal.path, read.whole or 0, read.damaged


def cache_tree_for_file(path: str | os.PathLike[str]) -> dict[str, Node]:
    """The calls that read a file themselves, not only through calls below them.

    Parameters
    ----------
    path : str or os.PathLike
        A file or directory that an argument or `track_file` named; relative to the working directory.

    Returns
    -------
    dict of str to dict
        Ids with their nodes, as of `cache_tree_nodes`.

    See Also
    --------
    cache_tree_files : All files at once.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_tree_for_file
    >>> @cache_file("cache")
    ... def load(path):
    ...     return path.read_text()
    >>> _ = Path("a.txt").write_text("one"), load(Path("a.txt"))
    >>> [node["label"] for node in cache_tree_for_file("a.txt").values()]
    [{'path': 'a.txt'}]
    """
    graph = graph_now()
    found = ((call, graph.node(call)) for call in graph.for_file(path_text("path", path)))
    return Calls((call, node) for call, node in found if node is not None)


def cache_tree_files() -> dict[str, list[str]]:
    """Every file of the graph, with the calls that read it themselves.

    Returns
    -------
    dict of str to list of str
        Absolute paths with the ids of calls.

    See Also
    --------
    cache_tree_for_file : The calls of one file.

    Examples
    --------
    >>> import os
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_tree_files
    >>> @cache_file("cache")
    ... def load(path):
    ...     return path.read_text()
    >>> _ = Path("a.txt").write_text("one"), load(Path("a.txt"))
    >>> [(os.path.basename(path), len(calls)) for path, calls in cache_tree_files().items()]
    [('a.txt', 1)]
    """
    return Files(graph_now().files())


def cache_tree_summary(*, history: bool = False) -> dict[str, Any]:
    """How many calls, edges and files the graph has.

    Parameters
    ----------
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    dict
        ``nodes`` (calls), ``edges`` (caller to callee), ``flows`` (results that are arguments of other calls) and
        ``files`` are numbers; ``roots`` are the ids of the calls without a caller; ``elapsed`` is the length of all
        runs, in seconds, calls below counted again in their callers; ``functions`` maps each name to its number
        of calls.

    Examples
    --------
    >>> from cachepy import cache_file, cache_tree_summary
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> square(3), square(4)
    (9, 16)
    >>> summary = cache_tree_summary()
    >>> summary["nodes"], summary["edges"], summary["functions"]
    (2, 0, {'square': 2})
    """
    return Summary(graph_now().summary(hidden_now(history=history)))


def cache_tree_changed_files(*, history: bool = False) -> dict[str, dict[str, Any]]:
    """The calls whose own files have changed or vanished since.

    Each file is looked at once. After the calls have been made again, the answer is empty.

    Parameters
    ----------
    history : bool, default False
        Also the calls that their programs no longer make.

    Returns
    -------
    dict of str to dict
        Ids with ``{"node": node, "changed_files": list of pathlib.Path}``.

    See Also
    --------
    cache_tree_stale : Every cause, not only files, and the calls above too.

    Examples
    --------
    >>> from pathlib import Path
    >>> from cachepy import cache_file, cache_tree_changed_files
    >>> @cache_file("cache")
    ... def load(path):
    ...     return path.read_text()
    >>> _ = Path("a.txt").write_text("one"), load(Path("a.txt")), Path("a.txt").write_text("two")
    >>> for call in cache_tree_changed_files().values():
    ...     print(call["node"]["fname"], "read", call["changed_files"][0].name)
    load read a.txt
    """
    from pathlib import Path

    session = current_session()
    graph = graph_now(session)
    hidden = hidden_now(history=history)
    found = {call: (graph.node(call), paths) for call, paths in graph.changed(session.files.digest).items()}
    return ChangedCalls({
        call: {"node": node, "changed_files": [path if is_address(path) else Path(path) for path in paths]}
        for call, (node, paths) in found.items()
        if node is not None and call not in hidden
    })


def path_text(name: str, path: Any) -> str:
    """A path as text; an error that names the argument for what is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise UsageError(f"{name} must be a path (str or os.PathLike), not {path!r}")
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise UsageValueError(f"{name} must be a path, but {text!r} can name no file")
    return text


def output_path(name: str, path: Any) -> str:
    """The path of a file that can be written, as far as its place goes; an error says what is in the way."""
    text = path_text(name, path)
    folder = os.path.dirname(os.path.abspath(text))
    if os.path.isdir(text):
        raise UsageValueError(f"{name}={text!r} is a folder; name a file in it")
    if not os.path.isdir(folder):
        raise UsageValueError(f"cannot write {name}={text!r}: there is no folder {folder}; make it first")
    return text


def written(text: str, path: str | os.PathLike[str] | None) -> str:
    """The text, after writing it to a file if one is given."""
    if path is not None:
        with open(output_path("path", path), "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    return text
