"""What must and what must not run again after an edit: every case of the tables, in forked processes."""

from __future__ import annotations

import collections
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.table import (
    argument_edits,
    array_edits,
    call_edits,
    caller_edits,
    class_edits,
    closure_edits,
    code_edits,
    declared_edits,
    deeper_file_edits,
    file_edits,
    live_edits,
    path_edits,
    reach_edits,
    roundabout_edits,
    type_edits,
    value_edits,
)
from tests.table.firsts import FIRST
from tests.table.harness import Case, CaseFailed, CaseFolder, Server, check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES = (
    code_edits,
    class_edits,
    roundabout_edits,
    live_edits,
    argument_edits,
    array_edits,
    file_edits,
    deeper_file_edits,
    call_edits,
    declared_edits,
    type_edits,
    reach_edits,
    closure_edits,
    path_edits,
    caller_edits,
    value_edits,
)
EDITS: list[Case] = [case for table in TABLES for case in table.CASES]
STATED = {name: first for cases in FIRST.values() for name, first in cases.items()}
CASES = [replace(case, first=STATED.get(case.name)) for case in EDITS]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def aged(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, CaseFolder]:
    """Projects that are made early, so that their files grow old while other cases run."""
    folder = tmp_path_factory.mktemp("aged")
    aged = [case for case in CASES if case.aged]
    return {case.name: CaseFolder(case, folder / str(number), server) for number, case in enumerate(aged)}


def test_names_are_unique() -> None:
    names = collections.Counter(case.name for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []


def test_the_first_reason_is_stated_for_many_kinds_of_change() -> None:
    assert len(FIRST) >= 45
    assert len(STATED) == sum(map(len, FIRST.values())) >= 80
    assert [name for name in STATED if name not in {case.name for case in CASES if case.runs and not case.live}] == []


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_edit(case: Case, tmp_path: Path, server: Server, aged: dict[str, CaseFolder]) -> None:
    try:
        check(aged.get(case.name) or CaseFolder(case, tmp_path, server))
    except CaseFailed as failure:
        problem = str(failure)
    else:
        return
    pytest.fail(problem, pytrace=False)
