"""Exports for publishing, read back by the packages prov and rocrate, and checked by roc-validator where it is.

A package that is missing skips its tests, or fails them if CACHEPY_NEEDS_TOOLS=1; roc-validator is optional always.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from export_cases import NASTY, nasty, node, package, pipeline, real, shuffled  # noqa: F401

import cachepy
from cachepy.views.crate import to_rocrate
from cachepy.views.provenance import to_prov
from cachepy.views.show import cache_tree_to_prov, cache_tree_to_rocrate

MAKES = pytest.mark.parametrize("make", [pipeline, nasty, dict])
ABOUT = {"name": "Rain", "description": "Means of stations", "license_url": "https://spdx.org/licenses/CC-BY-4.0"}


# ---------------------------------------------------------------- PROV-JSON


def read_prov(text: str) -> Any:
    return package("prov.model").ProvDocument.deserialize(content=text, format="json")


def relations(document: Any, kind: str) -> set[tuple[str, ...]]:
    """The two ends of each relation of a kind."""
    records = [r for r in document.get_records() if type(r).__name__ == kind]
    return {tuple(str(value) for _, value in record.formal_attributes[:2]) for record in records}


@MAKES
def test_prov_reads_back_equal_and_is_valid(make):
    document = read_prov(to_prov(make()))
    assert read_prov(document.serialize(format="json")) == document
    assert document.unified() == document  # nothing is said of one thing twice in two ways
    document.serialize(format="provn").encode()


def test_prov_says_who_used_and_made_what():
    document = read_prov(to_prov(pipeline()))
    assert relations(document, "ProvUsage") == {
        ("call:load/0a", "file:ff/data/raw.csv"), ("call:clean/0b", "result:load/0a"),
    }  # fmt: skip
    assert relations(document, "ProvCommunication") == {
        ("call:report/0c", "call:load/0a"), ("call:report/0c", "call:clean/0b"),
    }  # fmt: skip
    assert relations(document, "ProvGeneration") == {
        (f"result:{name}", f"call:{name}") for name in ("load/0a", "clean/0b", "report/0c")
    }
    (load,) = document.get_record("call:load/0a")
    assert load.get_startTime().timestamp() == 1.25
    assert load.get_endTime().timestamp() == 1.5


def test_prov_keeps_every_name_apart():
    document = read_prov(to_prov(nasty()))
    names = [str(record.identifier) for record in document.get_records() if record.is_element()]
    assert [name for name in names if not re.fullmatch(r"[a-z]+:[\w./~%-]+", name, re.ASCII)] == []
    kinds = [type(record).__name__ for record in document.get_records()]
    assert kinds.count("ProvActivity") == len(NASTY)
    assert kinds.count("ProvUsage") == 2 * len(NASTY) - 1
    assert len(set(names)) == 4 * len(NASTY) + 1


def test_prov_of_a_real_graph(real):
    document = read_prov(cache_tree_to_prov())
    gone = [r for r in document.get_records() if "cachepy:MissingFile" in {str(kind) for kind in r.get_asserted_types()}]
    assert [Path(str(next(iter(r.get_attribute("prov:label"))))).name for r in gone] == ["none.txt"]
    assert len(relations(document, "ProvUsage")) == 3 + 3 + 3  # load: its file; shout: the result of load, and none.txt


def test_prov_is_the_same_whatever_the_order():
    assert len({to_prov(shuffled(nasty(), seed)) for seed in range(4)}) == 1


# ---------------------------------------------------------------- RO-Crate


def read_crate(text: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The entities that a reader of crates finds, by id."""
    rocrate = package("rocrate.rocrate")
    (folder / "ro-crate-metadata.json").write_text(text, encoding="utf-8")
    return {entity.id: entity.properties() for entity in rocrate.ROCrate(folder).get_entities()}


def ids(value: Any) -> list[str]:
    return [each["@id"] for each in (value if isinstance(value, list) else [value] if value else [])]


def test_a_crate_says_who_used_and_made_what(tmp_path):
    found = read_crate(to_rocrate(pipeline(), **ABOUT, author="Ann"), tmp_path)
    load, clean = found["#call/load/0a"], found["#call/clean/0b"]
    assert (load["@type"], load["name"]) == ("CreateAction", "load(path=raw.csv)")
    assert (load["startTime"], load["endTime"]) == ("1970-01-01T00:00:01.250+00:00", "1970-01-01T00:00:01.500+00:00")
    assert ids(load["object"]) == ["data/raw.csv"] and ids(clean["object"]) == ids(load["result"])
    assert found[ids(load["instrument"])[0]]["name"] == "jobs:load"
    assert found[ids(load["agent"])[0]]["name"] == found[ids(found["./"]["author"])[0]]["name"] == "Ann"
    assert found["data/raw.csv"]["encodingFormat"] == "text/csv"
    assert found["data/raw.csv"]["identifier"] == "xxh3-128:ff"
    assert (found["./"]["name"], found["./"]["datePublished"]) == ("Rain", load["endTime"])


@MAKES
def test_a_crate_is_whole(make, tmp_path):
    """Every record that is referred to is there, but for the two specifications."""
    graph = json.loads(to_rocrate(make(), **ABOUT))["@graph"]
    there = [record["@id"] for record in graph]
    assert len(set(there)) == len(there)
    named = {each for record in graph for value in record.values() if isinstance(value, list | dict) for each in ids(value)}
    assert named - set(there) == {"https://w3id.org/ro/crate/1.1"}
    assert set(read_crate(to_rocrate(make(), **ABOUT), tmp_path)) == set(there)


def test_a_crate_keeps_contents_of_one_file_apart():
    file = Path("/d/a b#1.csv")
    nodes = {f"f:{i}": node("f", str(i), files=[file], file_hashes={str(file): f"0{i}"}) for i in range(2)}
    graph = json.loads(to_rocrate(nodes, **ABOUT))["@graph"]
    files = [record["@id"] for record in graph if record["@type"] == "File"]
    assert files == ["file:///d/a%20b%231.csv#00", "file:///d/a%20b%231.csv#01"]


def test_a_crate_is_the_same_whatever_the_order():
    assert len({to_rocrate(shuffled(nasty(), seed), **ABOUT) for seed in range(4)}) == 1


def test_a_crate_is_written_into_its_folder(real, tmp_path):
    folder = tmp_path / "new" / "crate"
    text = cache_tree_to_rocrate(folder, **ABOUT, author="https://orcid.org/0000-0002-1825-0097")
    assert (folder / "ro-crate-metadata.json").read_text(encoding="utf-8") == text
    found = read_crate(text, tmp_path)
    assert sum(record["@type"] == "CreateAction" for record in found.values()) == len(real)
    names = sorted(record["name"] for record in found.values() if record["@type"] == "File")
    assert names == ['<b> & "quote".txt', "größe 数据 'x'.txt", "plain.txt"]  # not the missing one
    assert sorted(found[each]["name"] for each in ids(found["./"]["hasPart"])) == names
    assert found["https://orcid.org/0000-0002-1825-0097"]["@type"] == "Person"


@pytest.mark.parametrize(
    ("change", "told"),
    [({"name": " "}, "name must be"), ({"description": 3}, "description must"), ({"license_url": "MIT"}, "'MIT'")],
)
def test_a_crate_needs_its_texts(change, told):
    with pytest.raises(cachepy.UsageValueError, match=told):
        cache_tree_to_rocrate(**{**ABOUT, **change})


VALIDATE = """
import email.message, io, pathlib, sys, urllib.response
import rdflib._networking as networking
import rdflib.parser, rocrate
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings

DATA = (pathlib.Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()


def from_disk(request, *_, **__):  # the context that the crate names, without a network
    url = request if isinstance(request, str) else request.full_url
    assert url.startswith("https://w3id.org/ro/crate/"), url
    headers = email.message.Message()
    headers["Content-Type"] = "application/ld+json"
    return urllib.response.addinfourl(io.BytesIO(DATA), headers, url, 200)


for module in (networking, rdflib.parser):
    for name in ("urlopen", "_urlopen"):
        if hasattr(module, name):
            setattr(module, name, from_disk)
profile = {"profile_identifier": "process-run-crate-0.5", "requirement_severity": Severity.REQUIRED}
result = services.validate(ValidationSettings(rocrate_uri=sys.argv[1], metadata_only=True, **profile))
sys.exit("\\n".join(str(issue.message) for issue in result.get_issues(Severity.REQUIRED)) or 0)
"""


@MAKES
def test_a_crate_is_valid(make, tmp_path):
    for name in ("rocrate_validator", "rocrate"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"the package {name} is not installed (optional)")
    (tmp_path / "ro-crate-metadata.json").write_text(to_rocrate(make(), **ABOUT), encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", VALIDATE, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
