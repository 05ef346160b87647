"""What must and what must not run again after an edit: every case of the tables, in forked processes."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

import pytest

from tests.table import argument_edits, call_edits, code_edits, file_edits
from tests.table.harness import Case, CaseFailed, Project, Server, check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CASES: list[Case] = code_edits.CASES + argument_edits.CASES + file_edits.CASES + call_edits.CASES


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="session")
def aged(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Projects that are made early, so that their files grow old while other cases run."""
    folder = tmp_path_factory.mktemp("aged")
    aged = [case for case in CASES if case.aged]
    return {case.name: Project(case, folder / str(number), server) for number, case in enumerate(aged)}


def test_names_are_unique() -> None:
    names = collections.Counter(case.name for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_edit(case: Case, tmp_path: Path, server: Server, aged: dict[str, Project]) -> None:
    try:
        check(aged.get(case.name) or Project(case, tmp_path, server))
    except CaseFailed as failure:
        problem = str(failure)
    else:
        return
    pytest.fail(problem, pytrace=False)
