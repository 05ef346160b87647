"""The graph as an RO-Crate for publishing, by the profile Process Run Crate.

Each call is a CreateAction: made with a SoftwareApplication (its function), of files and results of other calls,
giving a result.  The crate refers to files by their ``file://`` URIs and copies none.  Works on plain nodes, as
``cache_tree_nodes()`` returns them; the same graph gives the same text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any

from cachepy.core.kind import is_address
from cachepy.views.exports import Nodes, clean_text, flow_edges
from cachepy.views.provenance import (
    cachepy_version,
    call_name,
    filled,
    function_of,
    quoted,
    read_files,
    times_of,
    title_of,
)

Record = dict[str, Any]

FILE_NAME = "ro-crate-metadata.json"  # what every reader of crates looks for
CRATE = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
DONE = "http://schema.org/CompletedActionStatus"
UNKNOWN_FORMAT = "application/octet-stream"


def to_rocrate(nodes: Nodes, *, name: str, description: str, license_url: str, author: str | None = None) -> str:
    """The text of ``ro-crate-metadata.json``."""
    files = _files(nodes)
    person = None if author is None else author if "://" in author else "#author"
    taken: dict[str, list[str]] = {}
    for producer, consumer, _ in flow_edges(nodes):
        taken.setdefault(consumer, []).append(_result(producer))
    found: dict[str, Record] = {}
    for node_id in sorted(nodes):
        read = [_file_id(path, digest, files) for path, digest in read_files(nodes[node_id]) if digest]
        for record in _call(node_id, nodes[node_id], [*read, *taken.get(node_id, [])], person):
            found[record["@id"]] = filled(record)
    for path, digests in files.items():
        for digest in digests:
            found[_file_id(path, digest, files)] = _file(path, digest, files)
    if person is not None:
        found[person] = {"@id": person, "@type": "Person", "name": clean_text(author or "")}
    about = {"name": clean_text(name), "description": clean_text(description), "license": _ref(license_url)}
    root = filled(_root(nodes, [each for each in sorted(found) if found[each]["@type"] == "File"], about, person))
    graph = [*_head(license_url), root, *(found[each] for each in sorted(found))]
    return json.dumps({"@context": f"{CRATE}/context", "@graph": graph}, indent=2, allow_nan=False) + "\n"


def _ref(name: str) -> Record:
    return {"@id": name}


def _refs(names: list[str]) -> Record | list[Record]:
    """One alone stands without brackets."""
    return _ref(names[0]) if len(names) == 1 else [_ref(name) for name in names]


def _head(license_url: str) -> list[Record]:
    """The crate's word about itself, and what its records refer to."""
    about = {"about": _ref("./"), "conformsTo": _ref(CRATE)}
    profile = {"name": "Process Run Crate", "version": "0.5"}
    return [
        {"@id": FILE_NAME, "@type": "CreativeWork", **about},
        {"@id": PROFILE, "@type": "CreativeWork", **profile},
        {"@id": license_url, "@type": "CreativeWork", "name": license_url},
        {"@id": "#cachepy", "@type": "SoftwareApplication", "name": "cachepy", "softwareVersion": cachepy_version()},
    ]


def _root(nodes: Nodes, files: list[str], about: Mapping[str, Any], person: str | None) -> Record:
    """The data set: all files that calls read; as of the newest call."""
    ends = [times[1] for node in nodes.values() if (times := times_of(node))]
    return {
        "@id": "./",
        "@type": "Dataset",
        **about,
        "author": _ref(person) if person else None,
        "datePublished": max(ends, default="1970-01-01T00:00:00.000+00:00"),
        "conformsTo": _ref(PROFILE),
        "hasPart": _refs(files),
        "mentions": _refs([_action(each) for each in sorted(nodes)]),
    }


def _files(nodes: Nodes) -> dict[str, list[str]]:
    """Path -> the digests that calls saw there; what was missing has none."""
    found: dict[str, set[str]] = {}
    for node in nodes.values():
        for path, digest in read_files(node):
            if digest:
                found.setdefault(path, set()).add(digest)
    return {path: sorted(digests) for path, digests in sorted(found.items())}


def _file_id(path: str, digest: str, files: Mapping[str, list[str]]) -> str:
    """A URI; of a file that was changed between calls, one for each content."""
    place = path if is_address(path) else f"file://{quoted(path)}" if PurePath(path).is_absolute() else quoted(path)
    return place if len(files[path]) == 1 else f"{place}#{digest}"


def _file(path: str, digest: str, files: Mapping[str, list[str]]) -> Record:
    from mimetypes import guess_type

    form = guess_type(path)[0] or UNKNOWN_FORMAT
    name = {"name": clean_text(PurePath(path).name or path), "encodingFormat": form, "identifier": f"xxh3-128:{digest}"}
    return {"@id": _file_id(path, digest, files), "@type": "File", **name}


def _action(node_id: str) -> str:
    return f"#call/{call_name(node_id)}"


def _result(node_id: str) -> str:
    return f"#result/{call_name(node_id)}"


def _accepted(node: Mapping[str, Any]) -> str:
    return f"; its result was accepted {clean_text(node['accepted'])}" if node.get("accepted") else ""


def _call(node_id: str, node: Mapping[str, Any], used: list[str], person: str | None) -> Iterator[Record]:
    begin, end = times_of(node) or (None, None)
    function, title = f"#function/{quoted(function_of(node))}", title_of(node)
    yield {
        "@id": _action(node_id),
        "@type": "CreateAction",
        "name": title,
        "description": f"The call {title}, as cachepy recorded it{_accepted(node)}",
        "instrument": _ref(function),
        "object": _refs(used),
        "result": _ref(_result(node_id)),
        "agent": _ref(person) if person else None,
        "startTime": begin,
        "endTime": end,
        "actionStatus": DONE,
    }
    about = {"name": clean_text(function_of(node)), "softwareRequirements": _ref("#cachepy")}
    yield {"@id": function, "@type": "SoftwareApplication", **about}
    value = {"name": f"result of {title}", "value": clean_text(node_id)}
    yield {"@id": _result(node_id), "@type": "PropertyValue", **value}
