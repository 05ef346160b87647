"""The distribution, built from clean copies of the project's files, and installed where the sources cannot be seen."""

from __future__ import annotations

import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from building import build, copy_of_sources, run


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> Path:
    return copy_of_sources(tmp_path_factory.mktemp("sources") / "one")


@pytest.fixture(scope="session")
def built(sources, tmp_path_factory) -> dict[str, Path]:
    return build(sources, tmp_path_factory.mktemp("dist"), "sdist", "wheel")


@pytest.fixture(scope="session")
def installed(built, tmp_path_factory) -> Path:
    """The `bin` of a new venv with the wheel, whose dependencies are those of the venv that runs the tests.

    A .pth file adds that venv's site-packages. The .pth files in there, an editable cachepy's among them, are not
    read: Python reads them only in its own site-packages, not in folders that a .pth file adds.
    """
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False, symlinks=True)
    scheme = sysconfig.get_paths("venv", {"base": str(home), "platbase": str(home)})
    others = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    Path(scheme["purelib"], "dependencies.pth").write_text("".join(f"{path}\n" for path in others), encoding="utf-8")
    python = Path(scheme["scripts"], "python")
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index"]
    run(*command, "--ignore-installed", "--disable-pip-version-check", built["wheel"], cwd=home)
    return python.parent


@pytest.fixture
def user(installed, tmp_path):
    """``user(command, ...)``: run a command of that venv in an empty directory."""

    def call(command: str, *arguments: object, **environment: str) -> str:
        return run(installed / command, *arguments, cwd=tmp_path, HOME=str(tmp_path), **environment)

    return call
