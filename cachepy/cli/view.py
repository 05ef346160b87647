"""The commands that show the whole graph: graph (a tree, or a picture), export (for other tools)."""

from __future__ import annotations

import os

import click

from cachepy.cli import completing, words
from cachepy.cli.ask import code_of, look, say_left_out, seen
from cachepy.cli.console import Tell, WrongUse
from cachepy.cli.opening import Opened, opened
from cachepy.cli.options import command, history, looks_at_code
from cachepy.cli.outline import Outline
from cachepy.cli.tables import LEAST
from cachepy.staleness.api import cache_tree_nodes, graph_now, hidden_now, without

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cachepy.staleness.survey import Survey

    Nodes = dict[str, dict[str, Any]]

_PICTURES = (".png", ".svg", ".pdf")
_SUFFIXES = {
    ".graphml": "graphml", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".json": "json", ".html": "html",
    ".prov.json": "prov", "ro-crate-metadata.json": "rocrate", ".txt": "text",
}  # fmt: skip
_CRATE = "ro-crate-metadata.json"
_EXPORTS = ("graphml", "dot", "mermaid", "json", "html", "prov", "rocrate")
_MOST = 10  # calls shown below one caller
_output = click.option("-o", "--output", metavar="FILE", type=click.Path(dir_okay=False), help="Write it there.")


# ---------------------------------------------------------------- graph


@command(
    "graph",
    "cachepy graph --root report\ncachepy graph --by function --format mermaid\n"
    "cachepy graph -o graph.svg --direction data",
    "nodes functions files history unseen unimported",
)
@click.option("--format", "form", type=click.Choice(["text", "dot", "mermaid", "json"]), help="[default: as FILE ends]")
@click.option(
    "--by", type=click.Choice(["call", "function", "file"]), help="What one line or box stands for.  "
    "[default: call; in a picture what can be read]",
)  # fmt: skip
@_output
@click.option(
    "--root", "roots", metavar="CALL", multiple=True, shell_complete=completing.calls,
    help="Only this call or function, and those below.",
)  # fmt: skip
@click.option("--all", "show_all", is_flag=True, help=f"Also more than {_MOST} calls below one caller.")
@click.option(
    "--direction", type=click.Choice(["auto", "data", "calls"]),
    help="Of a picture: left to right along the data, or from callers to calls.",
)  # fmt: skip
@click.option("--theme", type=click.Choice(["light", "dark"]), help="Of a picture: its colours.")
@history
@looks_at_code
def graph(
    tell: Tell, cache_dir: str | None, *, form: str | None, by: str | None, output: str | None, roots: tuple[str, ...],
    show_all: bool, direction: str | None, theme: str | None, code: str, history: bool,
) -> int:  # fmt: skip
    """Show which call made which, with their states.

    As an indented tree, as text for Graphviz or Mermaid, as JSON, or as a picture if FILE ends in .png, .svg or .pdf.
    Calls below are shown once, under the first caller.

    --by function puts the calls of each function together and says how many of them are stale. --by file shows the
    files, each with the calls that read or wrote it.
    """
    form = _form(form, output, "text", ("text", "dot", "mermaid", "json"))
    if form in _PICTURES and len(roots) > 1:
        raise WrongUse("a picture takes one --root")
    looks = {name: value for name, value in (("direction", direction), ("theme", theme)) if value is not None}
    if looks and form not in _PICTURES:
        raise WrongUse(f"--{next(iter(looks))} is for pictures: name a file, as in -o graph.svg")
    with opened(cache_dir, tell.say) as cache:
        tops = [i for name in roots for i in sorted(cache.find(name), key=cache.label)]
        root = cache.find_one(roots[0]) if form in _PICTURES and roots else None
        survey = look(cache, tell, code, tops, history=history)
        nodes = _nodes(tops, survey.history)
        states = {i: survey.found[i].state if i in survey.found else "fresh" for i in nodes}
        if form in _PICTURES:
            shown = without(cache_tree_nodes(), survey.history)
            how = {"level": by or "auto", "root": root, "unchecked": unchecked(code)}
            _draw(tell, shown, output or "", _stale(survey, shown), **how, **looks)
        elif form in ("dot", "mermaid") and not tell.as_json:
            _deliver(tell, _exported(form, *_grouped(nodes, states, by)), output)
        elif form == "json" or tell.as_json:
            fields = _as_json(cache, nodes, states, by) | {"history": sorted(survey.past)}
            _deliver_json(tell, fields | seen(cache, survey), output)
        else:
            _deliver_tree(tell, cache, nodes, states, tops, by, None if show_all else _MOST, output)
    return code_of(cache)


def _grouped(nodes: Nodes, states: dict[str, str], by: str | None) -> tuple[Nodes, dict[str, str]]:
    """The nodes and states that a text for other tools shows."""
    from cachepy.views.grouped import by_function, with_files

    if by == "function":
        found = by_function(nodes, states)
        return found, {name: group["state"] for name, group in found.items()}
    return (with_files(nodes) if by == "file" else nodes), states


def _form(form: str | None, output: str | None, default: str, known: tuple[str, ...]) -> str:
    """The form that is meant: as told, or as the file's name ends."""
    suffix = _ending(output or "")
    if suffix in _PICTURES and "text" in known:
        if form is not None:
            raise WrongUse(f"--format {form} and a file that ends in {suffix} do not go together")
        return suffix
    if form is None and suffix and _SUFFIXES.get(suffix) not in known:
        pictures = ", .png, .svg, .pdf" if "text" in known else ""
        ends = ", ".join(s for s, f in _SUFFIXES.items() if f in known)
        draws = f"; `cachepy graph -o {output}` draws it" if suffix in _PICTURES else ""
        raise WrongUse(f"what to write to {output}? Say --format, or end its name in {ends}{pictures}{draws}")
    return form or _SUFFIXES.get(suffix, default)


def _ending(path: str) -> str:
    """The longest ending that says which form a file has, else its suffix."""
    name = os.path.basename(path).lower()
    known = [end for end in _SUFFIXES if name.endswith(end) and (end[0] == "." or name == end)]
    return max(known, key=len, default=os.path.splitext(name)[1])


def _nodes(tops: list[str], hidden: set[str], tell: Tell | None = None) -> dict[str, dict[str, Any]]:
    """All nodes but the hidden ones, or those below some calls; edges to others are left out.

    tell: says how many are left out, if nobody did.
    """
    if tell is not None:
        say_left_out(tell, len(hidden))
    if not tops:
        return without(cache_tree_nodes(), hidden)
    graph, todo = graph_now(), list(tops)
    found: dict[str, dict[str, Any]] = {}
    while todo:  # only these are made: there may be a million others
        call = todo.pop()
        node = None if call in found or call in hidden else graph.node(call)
        if node is not None:
            found[call] = node
            todo += node["children"]
    nodes = without({call: found[call] for call in sorted(found)}, hidden)
    return {i: {**n, "parents": [p for p in n["parents"] if p in nodes]} for i, n in nodes.items()}


def _stale(survey: Survey, nodes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """As `cache_tree_stale` gives it, of these nodes."""
    found = {call: each for call, each in survey.found.items() if call in nodes}
    return {call: {"state": each.state, "reasons": each.reasons} for call, each in found.items()}


def unchecked(code: str) -> str:
    """What a picture says of what was not looked at."""
    return "code not checked for changes" if code == "none" else ""


def _draw(tell: Tell, nodes: dict[str, Any], output: str, stale: dict[str, Any], **how: Any) -> None:
    from cachepy.views.show import picture

    picture(nodes, stale, _writable(output), **how)
    _say_written(tell, output, {"nodes": len(nodes)})


def _as_json(cache: Opened, nodes: Nodes, states: dict[str, str], by: str | None) -> dict[str, Any]:
    from cachepy.cli.trees import files_of
    from cachepy.views.grouped import by_function

    if by == "file":
        return {"cache_dir": cache.root, "files": list(files_of(cache, nodes, states).values())}
    if by == "function":
        names = ("id", "fname", "module", "state", "counts", "calls", "parents", "children", "elapsed")
        groups = by_function(nodes, states).values()
        return {"cache_dir": cache.root, "functions": [{name: group[name] for name in names} for group in groups]}
    keys = ("id", "fname", "module", "parents", "children", "inputs", "created", "elapsed")
    body = [
        {**{k: n[k] for k in keys}, "label": cache.label(i), "state": states[i], "files": list(n["file_hashes"])}
        for i, n in nodes.items()
    ]
    return {"cache_dir": cache.root, "nodes": body}


def _deliver_json(tell: Tell, fields: dict[str, Any], output: str | None) -> None:
    if output is None:
        tell.document(**fields)
        return
    _write(output, tell.encoded(**fields))
    _say_written(tell, output, {})


def _deliver_tree(
    tell: Tell, cache: Opened, nodes: Nodes, states: dict[str, str], tops: list[str], by: str | None, most: int | None,
    output: str | None,
) -> None:  # fmt: skip
    from cachepy.cli.trees import tree_of

    if not nodes:
        tell.say(f"no calls recorded in {cache.root}")
    tree = tree_of(cache, nodes, states, tops, by)
    outline = Outline(tree.nodes, tree.states, most, fancy=output is not None or tell.can_show("├└│─…✓"))
    lines = outline.lines(dict.fromkeys(tree.roots), tree.labels.__getitem__)
    if output is not None:
        texts = (f"{a}{b and b + ' '}{c} {d}".rstrip() for a, b, c, d in lines)
        _deliver(tell, "".join(f"{words.clean(text)}\n" for text in texts), output)
        return
    for before, state, label, behind in lines:
        sign = f"{tell.mark(state)} " if state else ""
        shown = f"  {state}" if state not in ("", "fresh", *tree.silent) else ""
        last = behind and f"  {behind}"
        room = tell.width - words.width(before + sign + shown + last) if tell.is_terminal else len(label) * 9
        text = tell.cut(words.clean(label), max(room, LEAST))
        tell.parts((before, "faint"), (sign, state), (text, ""), (shown, state), (last, "faint"))


# ---------------------------------------------------------------- export


@command(
    "export",
    "cachepy export -o graph.html\ncachepy export --format dot | dot -Tsvg > graph.svg\n"
    "cachepy export -o crate/ro-crate-metadata.json --name Rain --description 'Daily means' \\\n"
    "    --license https://spdx.org/licenses/CC-BY-4.0",
    "format nodes content path",
)
@click.option("--format", "form", type=click.Choice(_EXPORTS), help="[default: as FILE ends]")
@_output
@click.option("--name", metavar="TEXT", help="Of a crate: its name.")
@click.option("--description", metavar="TEXT", help="Of a crate: what it is about.")
@click.option("--license", "license_url", metavar="URL", help="Of a crate: the licence of the data.")
@click.option("--author", metavar="TEXT", help="Of a crate: who made the calls, a name or the URL of an ORCID.")
@history
@looks_at_code
def export(
    tell: Tell, cache_dir: str | None, *, form: str | None, output: str | None, code: str, history: bool,
    **about: str | None,
) -> int:  # fmt: skip
    """Write the graph for other tools.

    Writes all calls and files, to stdout or to FILE. The end of FILE says in which form: .graphml, .dot or .gv
    (Graphviz), .mmd (Mermaid), .json, or .html (one page to explore in a browser). For publishing: .prov.json
    (provenance, PROV-JSON) or ro-crate-metadata.json (a research object, RO-Crate). A crate needs --name,
    --description and --license.

    Only the page shows which calls are stale: the other forms tell what ran. `cachepy graph` shows states in Graphviz,
    Mermaid, JSON and pictures.
    """
    if form is None and output is None and not tell.as_json:
        raise WrongUse(f"say --format {', '.join(_EXPORTS[:-1])} or {_EXPORTS[-1]}, or name a file: -o graph.html")
    form = _form(form, output, "json", _EXPORTS)
    _check_crate(form, output, about)
    if output is not None:
        _writable(output)
    with opened(cache_dir, tell.say) as cache:
        nodes = _nodes([], hidden_now(history=history), tell)
        if not nodes:
            tell.say(f"no calls recorded in {cache.root}")
        text = _page(cache, tell, nodes, code) if form == "html" else _exported(form, nodes, about=about)
        if output is not None:
            _write(output, text)
        if tell.as_json:
            content = {"path": os.path.abspath(output)} if output else {"content": text}
            tell.document(cache_dir=cache.root, format=form, nodes=len(nodes), **content)
        elif output is None:
            tell.raw(text)
        else:
            _say_written(tell, output, {})
    return code_of(cache)


def _check_crate(form: str, output: str | None, about: Mapping[str, str | None]) -> None:
    """A crate cannot do without some texts, and has a name of its own; nothing else takes them."""
    options = {"name": "--name", "description": "--description", "license_url": "--license", "author": "--author"}
    given = [options[key] for key, text in about.items() if text]
    if form != "rocrate":
        if given:
            raise WrongUse(f"{given[0]} is for --format rocrate")
        return
    lacking = [option for option in options.values() if option != "--author" and option not in given]
    if lacking:
        raise WrongUse(f"a crate cannot do without {', '.join(lacking)}")
    if "://" not in (about["license_url"] or ""):
        text = "--license must be the URL of a licence, such as https://spdx.org/licenses/CC-BY-4.0"
        raise WrongUse(f"{text}, not {about['license_url']!r}")
    if output is not None and os.path.basename(output) != _CRATE:
        raise WrongUse(f"the file that describes a crate is called {_CRATE}, not {os.path.basename(output)}")


def _page(cache: Opened, tell: Tell, nodes: dict[str, Any], code: str) -> str:
    from cachepy.views.page import page

    title = f"cachepy graph of {os.path.basename(cache.root)}"
    survey = look(cache, tell, code, history=True)
    return page(nodes, _stale(survey, nodes), title=title, unchecked=unchecked(code))


def _exported(
    form: str, nodes: dict[str, Any], states: Mapping[str, str] | None = None, about: Mapping[str, Any] | None = None
) -> str:
    from cachepy.views import exports as forms

    if form == "prov":
        from cachepy.views.provenance import to_prov

        return to_prov(nodes)
    if form == "rocrate":
        from cachepy.views.crate import to_rocrate

        return to_rocrate(nodes, **(about or {}))
    if form == "graphml":
        import networkx as nx

        return "\n".join(nx.generate_graphml(forms.to_networkx(nodes))) + "\n"
    if form == "json":
        return forms.to_json(nodes)
    return (forms.to_dot if form == "dot" else forms.to_mermaid)(nodes, states)


# ---------------------------------------------------------------- files


def _deliver(tell: Tell, text: str, output: str | None) -> None:
    if output is None:
        tell.raw(text)
    else:
        _write(output, text)
        _say_written(tell, output, {})


def _say_written(tell: Tell, output: str, fields: dict[str, Any]) -> None:
    if tell.as_json:
        tell.document(path=os.path.abspath(output), **fields)
    else:
        tell.say(f"wrote {output}")


def _write(output: str, text: str) -> None:
    with open(_writable(output), "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _writable(output: str) -> str:
    folder = os.path.dirname(os.path.abspath(output))
    if not os.path.isdir(folder):
        raise WrongUse(f"cannot write {output}: there is no folder {folder}")
    return output
