"""The ``cache_tree_*`` functions: the graph of the current session, for users.

Imports session, graph, export, plot (the last two when they are used).
"""

from __future__ import annotations

import os

from cachepy.errors import CacheReadWarning, UsageError
from cachepy.graph import file_path, load_events, read_events
from cachepy.model import FILE
from cachepy.session import current_session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cachepy.graph import Graph
    from cachepy.model import Event

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
    return _graph().nodes()


def _graph() -> Graph:
    """The graph in memory, with what ran in other processes of a pool meanwhile."""
    session = current_session()
    session.refresh()
    return session.graph


def cache_tree_reset() -> None:
    """Empty the graph in memory; nothing on disk changes.

    Examples
    --------
    >>> cache_tree_reset()
    """
    _graph().clear()


def cache_tree_save(path: AnyPath) -> None:
    """Write the graph in memory to a file, whole or not at all.

    Examples
    --------
    >>> import tempfile
    >>> cache_tree_save(tempfile.mktemp())
    """
    _graph().save(os.fspath(path))


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
    name = os.fspath(path)
    if os.path.isdir(name):
        name = os.path.join(name, "graph.pkl")
    current_session().graph.replace(load_events(name))


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
    path = os.path.abspath(os.fspath(cache_dir))
    root = path if os.path.isdir(path) else None
    name = os.path.join(path, "graph.pkl") if root is not None else path
    try:
        events, damaged = read_events(name, root=root)
    except FileNotFoundError:
        return
    except OSError as error:
        session.warn(CacheReadWarning, f"cannot read the graph {name}: {error.strerror or error}")
        return
    if damaged:
        session.warn(
            CacheReadWarning, f"parts of the graph {name} are damaged; the {len(events)} whole records were taken"
        )
    for event in events:
        session.graph.apply(event)


def cache_tree_for_file(path: AnyPath) -> dict[str, Node]:
    """The calls whose own trace holds a file: id -> node.

    Examples
    --------
    >>> cache_tree_for_file("no.csv")
    {}
    """
    graph = _graph()
    nodes = graph.nodes()
    return {call: nodes[call] for call in graph.for_file(os.fspath(path))}


def cache_tree_files() -> dict[str, list[str]]:
    """Every file of the graph: path -> ids of the calls that depend on it.

    Examples
    --------
    >>> cache_tree_reset()
    >>> cache_tree_files()
    {}
    """
    return _graph().files()


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
    for event in _graph().events():
        changed = _changed(event, now)
        if changed:
            found[event.id] = changed
    nodes = {call: session.graph.node(call) for call in found}
    return {
        call: {"node": nodes[call], "changed_files": [Path(p) for p in paths]}
        for call, paths in found.items()
    }


def _changed(event: Event, now: dict[str, str | None]) -> list[str]:
    """The files of one run that are not as they were."""
    files = ((file_path(event, d.name), d.digest) for d in event.trace.deps if d.kind == FILE)
    return [path for path, digest in files if _digest_once(now, path) != digest]


def _digest_once(now: dict[str, str | None], path: str) -> str | None:
    if path not in now:
        now[path] = current_session().files.digest(path)
    return now[path]


def cache_tree_to_json(path: AnyPath | None = None) -> str:
    """The graph as JSON with a versioned schema, sorted; also written to `path`.

    Examples
    --------
    >>> cache_tree_reset()
    >>> "cachepy-graph" in cache_tree_to_json()
    True
    """
    from cachepy.export import to_json

    return _written(to_json(cache_tree_nodes()), path)


def cache_tree_to_dot(path: AnyPath | None = None) -> str:
    """The graph for Graphviz; also written to `path`.

    Examples
    --------
    >>> cache_tree_to_dot().startswith("digraph")
    True
    """
    from cachepy.export import to_dot

    return _written(to_dot(cache_tree_nodes()), path)


def cache_tree_to_mermaid(path: AnyPath | None = None) -> str:
    """The graph as a Mermaid flowchart; also written to `path`.

    Examples
    --------
    >>> cache_tree_to_mermaid().splitlines()[0].split()[0]
    'flowchart'
    """
    from cachepy.export import to_mermaid

    return _written(to_mermaid(cache_tree_nodes()), path)


def cache_tree_to_networkx() -> Any:
    """The graph as a ``networkx.DiGraph`` of calls and files; also the way to GraphML.

    Examples
    --------
    >>> cache_tree_reset()
    >>> len(cache_tree_to_networkx())
    0
    """
    from cachepy.export import to_networkx

    return to_networkx(cache_tree_nodes())


def _written(text: str, path: AnyPath | None) -> str:
    if path is not None:
        with open(os.fspath(path), "w", encoding="utf-8") as file:
            file.write(text)
    return text


def plot_cache_graph(
    output: AnyPath | None = None,
    highlight_stale: bool = True,
    *,
    level: str = "auto",
    root: str | None = None,
    ax: Axes | None = None,
    labels: str = "short",
    max_nodes: int = 60,
) -> Figure:
    """Draw the graph: callers left, calls below them to the right, files at the far right.

    Parameters
    ----------
    output : path, optional
        Also write it there: PNG, SVG or PDF by the suffix.
    highlight_stale : bool
        Look at the files and at the stored values, and colour stale and missing calls.
    level : {"auto", "call", "function", "file"}
        What a box is; "auto" takes calls as long as there are no more than `max_nodes` boxes.
    root : str, optional
        The id of a call: draw only it and what is below it.
    ax : matplotlib.axes.Axes, optional
        Draw there instead of into a new figure.
    labels : str
        "short": name and arguments; "name": the name only.
    max_nodes : int
        See `level`.

    Returns
    -------
    matplotlib.figure.Figure
        The user's matplotlib backend is not changed.

    Examples
    --------
    >>> cache_tree_reset()
    >>> type(plot_cache_graph()).__name__
    'Figure'
    """
    from cachepy.plot import draw

    if level not in ("auto", "call", "function", "file"):
        raise UsageError(f"level must be 'auto', 'call', 'function' or 'file', not {level!r}")
    nodes = cache_tree_nodes()
    states, reasons = _states(nodes) if highlight_stale else ({}, {})
    return draw(
        nodes,
        states,
        None if output is None else os.fspath(output),
        highlight_stale,
        reasons=reasons,
        level=level,
        root=root,
        ax=ax,
        labels=labels,
        max_nodes=max_nodes,
    )


def _states(nodes: dict[str, Node]) -> tuple[dict[str, str], dict[str, str]]:
    """Id -> fresh, stale or missing; a changed file makes all callers above stale too."""
    changed = cache_tree_changed_files()
    reasons = {call: f"{item['changed_files'][0].name} changed" for call, item in changed.items()}
    stale = set(changed)
    todo = list(changed)
    while todo:
        node = nodes[todo.pop()]
        above = [p for p in node["parents"] if p in nodes and p not in stale]
        stale.update(above)
        todo += above
    states = {call: "stale" if call in stale else "fresh" for call in nodes}
    for call, node in nodes.items():
        if node["outfile"] is None or not node["outfile"].exists():
            states[call] = "missing"
    return states, reasons
