"""The ``cache_tree_*`` functions: the graph of the current session, for users.

Imports errors, session.
"""

from __future__ import annotations

import os

from cachepy.errors import CacheReadWarning, UsageError, UsageValueError
from cachepy.session import current_session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.graph import Graph
    from cachepy.session import Session

    AnyPath = str | os.PathLike[str]
    Node = dict[str, Any]


def cache_tree_nodes() -> dict[str, Node]:
    """Every call of the graph in memory: id -> node.

    Returns
    -------
    dict
        Plain dicts with ``id, fname, module, hash, parents, children, files`` (list of Path)``,
        file_hashes`` (path -> digest, None for a missing file)``, outfile`` (Path)``, created``
        (seconds since the epoch)``, elapsed`` (s)``, inputs`` (argument -> id of the call whose
        result it is)``, label``. A copy: changing it changes nothing.

    Examples
    --------
    >>> cache_tree_reset()
    >>> cache_tree_nodes()
    {}
    """
    return graph_now().nodes()


def graph_now(session: Session | None = None) -> Graph:
    """The graph in memory, with what ran in other processes of a pool meanwhile."""
    session = session or current_session()
    session.refresh()
    return session.graph


def cache_tree_reset() -> None:
    """Empty the graph in memory; nothing on disk changes.

    Examples
    --------
    >>> cache_tree_reset()
    """
    graph_now().clear()


def cache_tree_save(path: AnyPath) -> None:
    """Write the graph in memory to a file, whole or not at all.

    Examples
    --------
    >>> import tempfile
    >>> cache_tree_save(tempfile.mktemp())
    """
    graph_now().save(_path_text("path", path))


def cache_tree_load(path: AnyPath) -> None:
    """Replace the graph in memory by a saved one.

    Raises
    ------
    GraphFileError
        If the file is missing or damaged; the graph in memory is then as it was.

    Examples
    --------
    >>> import tempfile
    >>> name = tempfile.mktemp()
    >>> cache_tree_save(name)
    >>> cache_tree_load(name)
    """
    name, root = os.path.abspath(_path_text("path", path)), None
    if os.path.isdir(name):
        name, root = os.path.join(name, "graph.pkl"), name
    current_session().graph.load(name, root)


def cache_tree_sync(cache_dir: AnyPath) -> None:
    """Merge the graph of a cache directory (or a saved graph file) into the graph in memory.

    The newer run of a node wins; order and repetition do not matter. Never raises on what it finds:
    damage gives a `CacheReadWarning`, and what is whole is taken.

    Examples
    --------
    >>> import tempfile
    >>> cache_tree_sync(tempfile.mkdtemp())
    """
    session = current_session()
    path = os.path.abspath(_path_text("cache_dir", cache_dir))
    root = path if os.path.isdir(path) else None
    name = os.path.join(path, "graph.pkl") if root is not None else path
    try:
        taken, damaged = session.graph.merge(name, root)
    except FileNotFoundError:
        return
    except OSError as error:
        session.warn(CacheReadWarning, f"cannot read the graph {name}: {error.strerror or error}", object())
        return
    if damaged:
        text = f"parts of the graph {name} are damaged; the {taken} whole records were taken"
        session.warn(CacheReadWarning, text, object())  # each time: the user asked for this file just now


def cache_tree_for_file(path: AnyPath) -> dict[str, Node]:
    """The calls whose own trace holds a file: id -> node.

    Examples
    --------
    >>> cache_tree_for_file("no.csv")
    {}
    """
    graph = graph_now()
    return {call: node for call in graph.for_file(_path_text("path", path)) if (node := graph.node(call)) is not None}


def cache_tree_files() -> dict[str, list[str]]:
    """Every file of the graph: path -> ids of the calls that depend on it.

    Examples
    --------
    >>> cache_tree_reset()
    >>> cache_tree_files()
    {}
    """
    return graph_now().files()


def cache_tree_summary() -> dict[str, Any]:
    """Counts: ``nodes, edges, flows, files, roots`` (calls without a caller)``, elapsed`` (s)``, functions``.

    ``functions`` maps each name to its number of calls.

    Examples
    --------
    >>> cache_tree_reset()
    >>> cache_tree_summary()["nodes"]
    0
    """
    return graph_now().summary()


def cache_tree_changed_files() -> dict[str, dict[str, Any]]:
    """The calls whose own files changed or vanished since: id -> ``{"node", "changed_files"}``.

    Each file is looked at once. After the calls have been made again, the answer is empty.

    Examples
    --------
    >>> cache_tree_reset()
    >>> cache_tree_changed_files()
    {}
    """
    from pathlib import Path

    session = current_session()
    graph = graph_now(session)
    found = {call: (graph.node(call), paths) for call, paths in graph.changed(session.files.digest).items()}
    return {
        call: {"node": node, "changed_files": [Path(path) for path in paths]}
        for call, (node, paths) in found.items()
        if node is not None
    }


def _path_text(name: str, path: Any) -> str:
    """A path as text; an error that names the argument for what is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise UsageError(f"{name} must be a path (str or os.PathLike), not {path!r}")
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise UsageValueError(f"{name} must be a path, but {text!r} can name no file")
    return text
