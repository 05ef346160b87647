"""Each program of the catalogue: what the cache makes of its edit is what the program says."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.catalogue import judge
from tests.catalogue.chapters import CHAPTERS
from tests.catalogue.program import Program

ALL = [(chapter, program) for chapter, programs in CHAPTERS.items() for program in programs]
HERE = "tests/catalogue/test_catalogue.py::test_program["
ROWS = judge.ROOT.joinpath("docs", "explanation", "invalidates.md").read_text(encoding="utf-8").partition("## What is not seen")[2]


@pytest.fixture(scope="module")
def court(request: pytest.FixtureRequest) -> Iterator[judge.Court]:
    chosen = [item.callspec.params["program"] for item in request.session.items if item.nodeid.startswith(HERE)]
    court = judge.Court([] if "PYTEST_XDIST_WORKER" in os.environ else [p for p in chosen if judge.usable(p)])
    yield court
    court.close()


@pytest.mark.parametrize(("chapter", "program"), [pytest.param(c, p, id=f"{c}: {p.name}") for c, p in ALL])
def test_program(court: judge.Court, chapter: str, program: Program) -> None:
    if not judge.usable(program):
        pytest.skip(f"needs {program.needs or f'Python {program.python}'}")
    complaint = judge.complaint(program, court.verdict(program))
    assert not complaint, f"{chapter}: {complaint}"


def test_names_are_distinct() -> None:
    names = [f"{chapter}: {program.name}" for chapter, program in ALL]
    assert len(names) == len(set(names)), sorted({name for name in names if names.count(name) > 1})


def test_what_is_not_seen_is_documented() -> None:
    rows = {program.stale for _, program in ALL if program.stale}
    assert [row for row in sorted(rows) if row not in ROWS] == []


def not_seen_before(version: str) -> str:
    """What of the catalogue is seen only from some version of Python on, as a table for the page."""
    kinds: dict[str, list[str]] = {}
    for _, program in ALL:
        if program.stale and program.seen == version:
            kind, _, what = program.name.partition(", ")
            kinds.setdefault(kind, []).append(what)
    rows = [f"| {kind} | {'; '.join(filter(None, whats))} |" for kind, whats in kinds.items()]
    return "\n".join(["| way to code | to what of it |", "|---|---|", *rows])


def test_what_older_pythons_do_not_see_is_on_the_page() -> None:
    block = ROWS.partition("<!-- table -->")[2].partition("<!-- /table -->")[0]
    assert block.strip() == not_seen_before("3.12")
