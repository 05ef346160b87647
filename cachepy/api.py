"""The ``cache_tree_*`` functions: the graph of the current session, for users.

Imports session, graph, model.
"""

from __future__ import annotations

import os

from cachepy.errors import CacheReadWarning, UsageError, UsageValueError
from cachepy.graph import file_path, load_events, read_events
from cachepy.model import FILE
from cachepy.session import current_session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.graph import Graph
    from cachepy.model import Event
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
    current_session().graph.replace(load_events(name, root=root))


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
        events, damaged = read_events(name, root=root)
    except FileNotFoundError:
        return
    except OSError as error:
        session.warn(CacheReadWarning, f"cannot read the graph {name}: {error.strerror or error}", object())
        return
    if damaged:
        text = f"parts of the graph {name} are damaged; the {len(events)} whole records were taken"
        session.warn(CacheReadWarning, text, object())  # each time: the user asked for this file just now
    for event in events:
        session.graph.apply(event)


def cache_tree_for_file(path: AnyPath) -> dict[str, Node]:
    """The calls whose own trace holds a file: id -> node.

    Examples
    --------
    >>> cache_tree_for_file("no.csv")
    {}
    """
    graph = graph_now()
    nodes = graph.nodes()
    return {call: nodes[call] for call in graph.for_file(_path_text("path", path))}


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
    nodes = cache_tree_nodes().values()
    functions: dict[str, int] = {}
    for node in nodes:
        functions[node["fname"]] = functions.get(node["fname"], 0) + 1
    return {
        "nodes": len(nodes),
        "edges": sum(len(n["children"]) for n in nodes),
        "flows": sum(len(n["inputs"]) for n in nodes),
        "files": len(cache_tree_files()),
        "roots": sorted(n["id"] for n in nodes if not n["parents"]),
        "elapsed": sum(n["elapsed"] for n in nodes),
        "functions": dict(sorted(functions.items())),
    }


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
    now: dict[str, str | None] = {}
    found: dict[str, list[str]] = {}
    for event in graph_now().events():
        changed = _changed(event, now)
        if changed:
            found[event.id] = changed
    nodes = {call: session.graph.node(call) for call in found}
    return {
        call: {"node": nodes[call], "changed_files": [Path(p) for p in paths]}
        for call, paths in found.items()
    }


def _path_text(name: str, path: Any) -> str:
    """A path as text; an error that names the argument for what is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise UsageError(f"{name} must be a path (str or os.PathLike), not {path!r}")
    text = os.fsdecode(path)
    if not text or "\0" in text:
        raise UsageValueError(f"{name} must be a path, but {text!r} can name no file")
    return text


def _changed(event: Event, now: dict[str, str | None]) -> list[str]:
    """The files of one run that are not as they were."""
    files = ((file_path(event, d.name), d.digest) for d in event.trace.deps if d.kind == FILE)
    return [path for path, digest in files if _digest_once(now, path) != digest]


def _digest_once(now: dict[str, str | None], path: str) -> str | None:
    if path not in now:
        now[path] = current_session().files.digest(path)
    return now[path]
