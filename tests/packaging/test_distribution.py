"""What is built: the same bytes each time, all that users need, and nothing else."""

from __future__ import annotations

import email
import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from building import ROOT, build, copy_of_sources, run

import cachepy

pytestmark = pytest.mark.packaging


def names_in(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_a_second_build_gives_the_same_bytes(built, tmp_path):
    elsewhere = copy_of_sources(tmp_path / "in another folder")
    for file in elsewhere.rglob("*"):
        file.touch()  # other times than the first copy has
    (elsewhere / ".git").mkdir()  # and a repository around it
    again = build(elsewhere, tmp_path / "dist", "sdist", "wheel")
    assert {kind: file.name for kind, file in again.items()} == {kind: file.name for kind, file in built.items()}
    assert again["sdist"].read_bytes() == built["sdist"].read_bytes()
    assert again["wheel"].read_bytes() == built["wheel"].read_bytes()


def test_the_sdist_builds_the_same_wheel(built, tmp_path):
    with tarfile.open(built["sdist"]) as archive:
        # Python 3.11 got filters with 3.11.4; without one, what was just built here may go where it says
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    [unpacked] = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert build(unpacked, tmp_path / "dist", "wheel")["wheel"].read_bytes() == built["wheel"].read_bytes()


def test_what_lies_about_is_not_taken_along(built, tmp_path):
    used = copy_of_sources(tmp_path / "used")
    for name in (".cachepy/graph.pkl", "site/index.html", "cachepy/__pycache__/api.cpython-311.pyc", ".venv/x.py"):
        (used / name).parent.mkdir(parents=True, exist_ok=True)
        (used / name).write_text("left over", encoding="utf-8")
    again = build(used, tmp_path / "dist", "sdist", "wheel")
    assert again["sdist"].read_bytes() == built["sdist"].read_bytes()
    assert again["wheel"].read_bytes() == built["wheel"].read_bytes()


def test_the_wheel_holds_the_two_packages_and_nothing_else(built, sources):
    packages = {
        path.relative_to(sources).as_posix()
        for package in ("cachepy", "dask_plugin")
        for path in (sources / package).rglob("*")
        if path.is_file()
    }
    info = f"cachepy_dask-{cachepy.__version__}.dist-info"
    own = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    assert names_in(built["wheel"]) == packages | own
    assert {"cachepy/py.typed", "dask_plugin/py.typed", "cachepy/cli/group.py", "cachepy/cli/main.py"} <= packages
    assert {Path(name).suffix for name in packages if "page_parts/" in name} == {".css", ".html", ".js"}
    assert {Path(name).suffix for name in packages if name.startswith("dask_plugin/page/")} == {".css", ".html", ".js"}


def test_the_sdist_holds_what_its_tests_need(built, sources):
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        path.relative_to(sources).as_posix()
        for folder in ("tests", "examples", "benchmarks", "docs", ".ci", ".github", "cachepy", "dask_plugin")
        for path in (sources / folder).rglob("*")
        if path.is_file()
    }
    assert needed <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "CITATION.cff"} <= names


def test_the_metadata(built):
    said = metadata(built["wheel"])
    assert said["Name"] == "cachepy-dask"
    assert said["Version"] == cachepy.__version__
    assert said["License-Expression"] == "BSD-3-Clause"
    assert said["License-File"] == "LICENSE"
    assert said["Requires-Python"] == ">=3.11"
    assert said["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in said.get_all("Classifier")
    needed = {re.split(r"[^\w-]", text)[0] for text in said.get_all("Requires-Dist") if "extra ==" not in text}
    assert needed == {"click", "cloudpickle", "dask", "distributed", "matplotlib", "networkx", "pyyaml", "rich", "xxhash"}


def test_the_version_is_written_in_one_place(sources):
    version = re.compile(rf"(?<![\w.]){re.escape(cachepy.__version__)}(?![\w.])")
    read = {".py", ".toml", ".cff", ".yml", ".yaml", ".md", ".json", ".ipynb", ".js", ".html", ""}
    told = {
        path.relative_to(sources).as_posix()
        for path in sources.rglob("*")
        if path.is_file() and path.suffix in read and "data" not in path.parts
        and version.search(path.read_text(encoding="utf-8"))
    }
    assert told - {"CHANGELOG.md"} == {"cachepy/__init__.py"}


@pytest.mark.parametrize("tool", ["twine", "check-wheel-contents", "validate-pyproject"])
def test_what_an_index_would_complain_about(built, tool):
    if tool == "twine":
        run(sys.executable, "-m", "twine", "check", "--strict", *built.values(), cwd=ROOT)
        return
    script = shutil.which(tool, path=str(Path(sys.executable).parent))
    assert script, f"{tool} is not installed"
    # W002: empty py.typed and __init__ files are the same file twice; W009: two packages are meant
    told = [built["wheel"], "--ignore", "W002,W009"] if tool == "check-wheel-contents" else [ROOT / "pyproject.toml"]
    run(script, *told, cwd=ROOT)
