"""The resubmitted job, as Python and as a batch script: only what is stale is computed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CALLS = 3 * 12 + 1


@pytest.fixture
def job(tmp_path):
    """Starts the script or the program in a folder of its own; returns exit code and output."""
    for name in ("resubmit.py", "resubmit.sh"):
        shutil.copy(EXAMPLES / name, tmp_path)

    def start(*command: str) -> tuple[int, str]:
        env = os.environ | {"RESUBMIT_DIR": str(tmp_path / "out"), "PYTHON": sys.executable, "COLUMNS": "200"}
        env["PYTHONPATH"] = str(EXAMPLES.parent)
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=200, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        assert "Warning" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr

    return start


def python(job, *options):
    code, printed = job(sys.executable, "resubmit.py", *options)
    assert code == 0, printed
    return printed


def test_the_program(job, tmp_path):
    assert f"{CALLS} new calls" in python(job)
    printed = python(job)
    assert f"0 of {CALLS} calls would run" in printed
    assert "refreshed" not in printed
    (tmp_path / "out/data/03.txt").write_text("20.5")
    printed = python(job, "--plan")
    assert "1 x day: file" in printed
    assert "03.txt changed" in printed
    assert "refreshed" not in printed, "asking runs nothing"
    printed = python(job)
    assert "refreshed: 4 ran" in printed
    assert "03  mean  20.50  high  20.50" in printed
    assert "0 new calls" in printed
    assert "calls would run, about" not in python(job)


def test_an_edit_of_code_that_changes_no_result(job, tmp_path):
    python(job)
    source = tmp_path / "resubmit.py"
    source.write_text(source.read_text().replace("value <= 50", "value <= 51"))
    printed = python(job)
    assert re.search(r"12 x clean: code of resubmit:clean changed \(resubmit.py:\d+\)", printed)
    assert "refreshed: 12 ran, 13 did not have to run" in printed
    assert "0 new calls" in printed


def test_the_batch_script(job, tmp_path):
    code, printed = job("bash", "resubmit.sh")
    assert (code, f"{CALLS} new calls" in printed) == (0, True), printed
    assert job("bash", "resubmit.sh") == (0, "nothing to do: every result is fresh\n")
    (tmp_path / "out/data/07.txt").write_text("1 2 3")
    code, printed = job("bash", "resubmit.sh")
    assert (code, "refreshed: 4 ran" in printed) == (0, True), printed
    source = tmp_path / "resubmit.py"
    source.write_text(source.read_text().replace("value <= 50", "value <= 20"))
    code, printed = job("bash", "resubmit.sh")
    assert (code, "12 x clean" in printed) == (0, True), printed
    assert job("bash", "resubmit.sh") == (0, "nothing to do: every result is fresh\n")


def test_the_batch_script_passes_errors_on(job, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/cache").write_text("a file, no cache directory")
    code, printed = job("bash", "resubmit.sh")
    assert code not in (0, 1)
    assert "a file, not a cache directory" in printed
    assert "cachepy status failed" in printed
