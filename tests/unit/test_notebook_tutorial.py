"""docs/tutorials/tutorial.ipynb runs as a user runs it, in a real kernel, and shows what it says.

Needs nbclient and ipykernel: skipped without, failed if CACHEPY_NEEDS_TOOLS=1.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import time
from tempfile import gettempdir

import pytest
from export_cases import needed

import cachepy
from tests.docs import notebook
from tests.docs.notebook import TUTORIAL as PATH
from tests.docs.pages import ROOT, prose_of, timeless

CELLS = json.loads(PATH.read_text(encoding="utf-8"))["cells"]
CODE = {cell["id"]: "".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"}
PROSE = prose_of(PATH)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The notebook as it is when it has run now."""
    for name in ("nbclient", "nbformat", "ipykernel"):
        needed(f"the package {name}", is_there=importlib.util.find_spec(name) is not None)
    began = time.monotonic()
    made = notebook.executed(tmp_path_factory.mktemp("tutorial"))
    assert time.monotonic() - began < 60
    return made


@pytest.fixture(scope="module")
def outputs(book):
    """What each code cell showed: id -> its printed text, and the forms of its value."""
    return {cell.id: notebook.shown(cell.outputs) for cell in book.cells if cell.cell_type == "code"}


def test_calls_run_once(outputs):
    assert outputs["first-run"]["printed"].splitlines()[0] == "report ['oslo', 'rome']"
    assert outputs["second-run"]["printed"] == ""
    assert outputs["first-run"]["text/plain"] == outputs["second-run"]["text/plain"] == "{'oslo': 3.0, 'rome': 17.5}"
    assert re.findall(r"^\w+", outputs["other-call"]["printed"], re.MULTILINE) == ["report", "read", "clean", "mean"]


def test_the_graph_is_shown(outputs):
    assert outputs["view"]["text/plain"] == "11 calls, 4 files: 11 fresh"
    assert outputs["view"]["text/html"].count("✓ fresh") == 11
    assert "path = oslo.txt" in outputs["node"]["text/plain"] and "<table" in outputs["node"]["text/html"]
    assert base64.b64decode(outputs["plot"]["image/png"]).startswith(b"\x89PNG")
    assert "read    called by ['report', 'report'], [], files ['oslo.txt']" in outputs["edges"]["printed"]
    assert outputs["summary"]["text/plain"] == "{'clean': 3, 'mean': 3, 'read': 3, 'report': 2}"
    assert outputs["diamond"]["text/plain"].count("stations") == 2
    assert "'rome.txt': 1" in outputs["file-query"]["printed"]


def test_what_is_stale_is_found_and_made_again(outputs):
    assert re.fullmatch(r"\{'read:\w{32}': \['rome\.txt'\]\}", outputs["changed-files"]["text/plain"])
    first, *others = outputs["stale-all"]["printed"].splitlines()
    assert first.startswith("stale read - file ") and len(others) == 4
    assert outputs["explain"]["text/plain"] == "stale: read(rome.txt) below it is stale: file rome.txt changed"
    certain, possible, *_ = outputs["plan"]["text/plain"].split("; ")
    assert certain.startswith("1 of 11 calls would run")
    assert possible.startswith("up to 5,")
    assert outputs["refresh"]["text/plain"].startswith("5 ran")
    assert outputs["fresh"]["text/plain"] == "({}, {'oslo': 3.0, 'rome': 18.0})"
    assert "+    return round(sorted(values)" in outputs["edit-code"]["text/html"]
    assert outputs["run-again"]["text/plain"] == "{'oslo': 2.0, 'rome': 18.0}"


def test_the_graph_is_saved_and_exported(outputs):
    lines = ["0 calls after a reset", "13 calls loaded; as before", "13 calls from the cache directory"]
    assert outputs["save"]["printed"].splitlines() == lines
    assert outputs["mermaid"]["printed"].startswith("flowchart LR")
    assert outputs["exports"]["printed"] == "cachepy-graph 1 with 11 calls\n"  # two of the 13 are history
    assert outputs["networkx"]["printed"].startswith("DiGraph with 15 nodes")


def test_the_cluster_gives_the_same_graph(outputs):
    assert outputs["compute"]["text/plain"] == "{'lima': 20.0, 'quito': 13.0}"
    assert outputs["same-graph"]["printed"] == "6 calls; the same graph\n"
    assert outputs["cluster-view"]["text/plain"] == "6 calls, 3 files: 6 fresh"


def test_its_stored_outputs_are_those_of_a_run(outputs):
    """As texts; pictures and pages are there, in the same forms. After a change: `python -m tests.docs.fill` with its name."""
    stored = {cell.id: notebook.shown(cell.outputs) for cell in notebook.read().cells if cell.cell_type == "code"}
    assert texts(stored) == texts(outputs)
    forms = {cell_id: sorted(form for form, text in found.items() if text) for cell_id, found in outputs.items()}
    assert {cell_id: sorted(form for form, text in found.items() if text) for cell_id, found in stored.items()} == forms


def texts(found: dict[str, dict[str, str]]) -> dict[str, tuple[str, str]]:
    """What is read, but for times and the sizes of pictures."""
    return {cell_id: (lasting(each["printed"]), lasting(each.get("text/plain", ""))) for cell_id, each in found.items()}


def lasting(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d|(?<=<Figure size )[^>]*", "…", timeless(text))


def test_its_stored_outputs_name_no_place_of_this_machine():
    text = PATH.read_text(encoding="utf-8")
    assert notebook.FOLDER in text
    assert [place for place in (str(ROOT), gettempdir() + "/pytest") if place in text] == []


def test_its_cells_have_names():
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)


def test_all_of_the_graph_api_is_in_it():
    code = "\n".join(CODE.values())
    api = {name for name in cachepy.__all__ if name.startswith("cache_tree_")} | {"plot_cache_graph", "track_file"}
    assert {name for name in api if f"{name}(" not in code} == set()


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", PROSE) if "://" not in link]
    assert links
    assert [link for link in links if not (PATH.parent / link).exists()] == []


def test_names_in_the_prose_exist():
    names = set(re.findall(r"\b(?:cache_(?!tree\b)\w+|plot_cache_graph|track_file)\b", PROSE))
    assert {name for name in names if not hasattr(cachepy, name)} <= {"cache_tree_view"}
