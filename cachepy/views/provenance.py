"""The graph as provenance for publishing: PROV-JSON of the W3C.

Each call is an activity, made by a plan (its function), that used files and results of other calls and gave a
result.  A file with another content is another entity.  Works on plain nodes, as ``cache_tree_nodes()`` returns
them; the same graph gives the same text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from xxhash import xxh3_128_hexdigest

from cachepy.core import lazyparts
from cachepy.views.exports import Nodes, call_edges, clean_text, flow_edges

Record = dict[str, Any]

PREFIXES = {
    "cachepy": "urn:cachepy:terms:", "call": "urn:cachepy:call:", "file": "urn:cachepy:file:",
    "function": "urn:cachepy:function:", "result": "urn:cachepy:result:",
}  # fmt: skip
_AGENT = "cachepy:cachepy"


# ---------------------------------------------------------------- words


def quoted(text: str) -> str:
    """Text as part of a URI or a qualified name; every text, also a lone surrogate, and no two alike."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="/")


def call_name(node_id: str) -> str:
    """An id as part of a URI."""
    fname, _, key = node_id.rpartition(":")
    return f"{quoted(fname)}/{quoted(key)}"


def function_of(node: Mapping[str, Any]) -> str:
    """Module and qualified name."""
    return f"{node.get('module') or ''}:{node.get('qualname') or node.get('fname') or ''}"


def title_of(node: Mapping[str, Any]) -> str:
    """The call for people."""
    return clean_text(f"{node.get('fname') or node.get('id')}({', '.join(_arguments(node))})")


def _arguments(node: Mapping[str, Any]) -> list[str]:
    return [clean_text(f"{name}={text}") for name, text in (node.get("label") or {}).items()]


def read_files(node: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """Path and digest of each file; a file without a digest was missing when the call looked."""
    digests = node.get("file_hashes") or {}
    return sorted({str(path): digests.get(str(path)) for path in node.get("files") or ()}.items())


def times_of(node: Mapping[str, Any]) -> tuple[str, str] | None:
    """Begin and end, as ISO 8601 in UTC; nothing if the node does not know them."""
    end, length = node.get("created"), node.get("elapsed") or 0.0
    if end is None or not math.isfinite(end) or not math.isfinite(length):
        return None
    try:
        return tuple(datetime.fromtimestamp(t, UTC).isoformat(timespec="milliseconds") for t in (end - length, end))  # type: ignore[return-value]  # two items: a generator has no length to mypy
    except (OverflowError, OSError, ValueError):
        return None  # a clock that was far off


def filled(record: Record) -> Record:
    """Without what is not known: publications have no null."""
    return {key: value for key, value in record.items() if value not in (None, "", [])}


def _text(graph: Record) -> str:
    return json.dumps(graph, indent=2, sort_keys=True, allow_nan=False) + "\n"


def cachepy_version() -> str:
    """Which cachepy wrote this."""
    return str(lazyparts.get("version"))


# ---------------------------------------------------------------- the document


def to_prov(nodes: Nodes) -> str:
    """A PROV-JSON document: activities are calls, entities are files, results and functions (as plans)."""
    found: dict[str, dict[str, Record]] = {"agent": {_AGENT: _prov_agent()}}
    for node_id in sorted(nodes):
        for kind, name, record in _prov_call(node_id, nodes[node_id]):
            found.setdefault(kind, {})[name] = filled(record)
    for caller, callee in call_edges(nodes):
        ends = {"prov:informed": _prov_name(caller), "prov:informant": _prov_name(callee)}
        found.setdefault("wasInformedBy", {})[_relation(*ends.values())] = ends
    for producer, consumer, arguments in flow_edges(nodes):
        ends = {"prov:activity": _prov_name(consumer), "prov:entity": f"result:{call_name(producer)}"}
        found.setdefault("used", {})[_relation(*ends.values())] = ends | {"prov:role": clean_text(arguments)}
    return _text({"prefix": PREFIXES, **found})


def _prov_agent() -> Record:
    kind = {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"}
    return {"prov:type": kind, "prov:label": "cachepy", "cachepy:version": cachepy_version()}


def _prov_name(node_id: str) -> str:
    return f"call:{call_name(node_id)}"


def _prov_call(node_id: str, node: Mapping[str, Any]) -> Iterator[tuple[str, str, Record]]:
    """The activity, what it used of files, its function, and its result."""
    call, result = _prov_name(node_id), f"result:{call_name(node_id)}"
    function = f"function:{quoted(function_of(node))}"
    begin, end = times_of(node) or (None, None)
    yield "activity", call, _prov_activity(node, begin, end)
    yield "entity", function, {"prov:type": _name("prov:Plan"), "prov:label": clean_text(function_of(node))}
    association = {"prov:activity": call, "prov:agent": _AGENT, "prov:plan": function}
    yield "wasAssociatedWith", _relation(call, _AGENT), association
    outfile = clean_text(str(node["outfile"])) if node.get("outfile") is not None else None
    yield "entity", result, {"prov:label": f"result of {title_of(node)}", "cachepy:outfile": outfile}
    made = {"prov:entity": result, "prov:activity": call, "prov:time": end}
    yield "wasGeneratedBy", _relation(result, call), made
    for path, digest in read_files(node):
        file = f"file:{digest or 'missing'}/{quoted(path)}"
        there = {"cachepy:digest": digest} if digest else {"prov:type": _name("cachepy:MissingFile")}
        yield "entity", file, {"prov:label": clean_text(path), **there}
        yield "used", _relation(call, file), {"prov:activity": call, "prov:entity": file}


def _prov_activity(node: Mapping[str, Any], begin: str | None, end: str | None) -> Record:
    return {
        "prov:label": title_of(node),
        "prov:startTime": begin,
        "prov:endTime": end,
        "cachepy:argument": _arguments(node),
        "cachepy:digest": node.get("hash"),
        "cachepy:accepted": node.get("accepted"),
    }


def _name(text: str) -> Record:
    return {"$": text, "type": "prov:QUALIFIED_NAME"}


def _relation(*ends: str) -> str:
    """A blank name, made of what is related, so that the same relation has the same name."""
    return f"_:r{xxh3_128_hexdigest(' '.join(ends).encode())}"
