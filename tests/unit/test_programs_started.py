"""Programs that a body starts: `programs`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cachepy import cache_tree_nodes
from tests.observed import again, folder, ran, write

__all__ = ["folder"]
pytestmark = pytest.mark.usefixtures("folder")


def test_programs_and_the_files_they_are_told_of_count():
    write("tool.sh", "#!/bin/sh\ncat in.txt $1\n")
    os.chmod("tool.sh", 0o755)
    write("in.txt", "a")
    write("more.txt", "b")

    def body():
        ran()
        return subprocess.check_output(["./tool.sh", "more.txt"], text=True)

    assert again(body, lambda: write("more.txt", "c")) == 1
    assert again(body, lambda: write("tool.sh", "#!/bin/sh\ncat $1\n")) == 1


def test_words_of_a_shell_are_files_and_programs():
    write("in.txt", "b\na\n")

    def body():
        ran()
        subprocess.run("sort in.txt | head -n 1 > out.txt", shell=True, check=True)
        return Path("out.txt").read_text()

    assert again(body, lambda: write("in.txt", "d\nc\n")) == 1
    (node,) = cache_tree_nodes().values()
    assert {"in.txt", "out.txt", "sort", "head"} <= {Path(path).name for path in node["files"]}


@pytest.mark.parametrize(
    "command",
    [
        ["sh", "-c", "cat in.txt | tr a-z A-Z"],
        "cat *.txt",
        ["dd", "if=in.txt", "status=none"],
        ["grep", "-fin.txt", "in.txt"],
        ["sort", "--files0-from=in.list"],
    ],
    ids=str,
)
def test_what_words_mean_counts(command):
    write("in.txt", "a")
    write("in.list", "in.txt")

    def body():
        ran()
        return subprocess.run(command, shell=isinstance(command, str), capture_output=True, check=False).stdout

    changed = "in.list" if "list" in str(command) else "in.txt"
    assert again(body, lambda: write(changed, "b")) == 1


def test_what_a_program_does_not_find_counts():
    def body():
        ran()
        return subprocess.run(["cat", "in.txt"], capture_output=True, check=False).stdout

    assert again(body, lambda: write("in.txt", "b")) == 1
