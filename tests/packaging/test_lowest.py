"""The constraints of the job that tests the lower bounds of pyproject.toml."""

from __future__ import annotations

import importlib.util
import sys

import pytest
from building import ROOT, run

SCRIPT = ROOT / ".ci" / "lowest.py"


@pytest.fixture(scope="module")
def lowest():
    spec = importlib.util.spec_from_file_location("lowest", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def project(tmp_path, *dependencies: str):
    file = tmp_path / "pyproject.toml"
    file.write_text(f"[project]\ndependencies = {list(dependencies)}\n", encoding="utf-8")
    return file


def test_dependencies_are_pinned_at_their_bounds(lowest, tmp_path):
    file = project(tmp_path, "dask>=2026.8", "click >= 8.1,<9", "Some.Name_x>=1.0.2")
    assert lowest.constraints(file, []) == ["dask==2026.8", "click==8.1", "Some.Name_x==1.0.2"]
    assert lowest.constraints(file, ["click"]) == ["click==8.1"]


@pytest.mark.parametrize(("dependency", "names"), [("dask", []), ("dask<3", []), ("dask==3", []), ("dask>=3", ["dsk"])])
def test_what_cannot_be_pinned_is_an_error(lowest, tmp_path, dependency, names):
    with pytest.raises(SystemExit, match=r"dask|dsk"):
        lowest.constraints(project(tmp_path, dependency), names)


def test_dask_and_distributed_have_bounds_and_the_same(tmp_path):
    lines = run(sys.executable, SCRIPT, "dask", "distributed", cwd=tmp_path).split()
    assert [line.partition("==")[0] for line in lines] == ["dask", "distributed"]
    assert len({line.partition("==")[2] for line in lines}) == 1
