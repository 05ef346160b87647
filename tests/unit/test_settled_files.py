"""What a body writes is an output, and no input: `settled_files`."""

from __future__ import annotations

import ctypes
import functools
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cachepy
from cachepy import cache_file, cache_tree_nodes, cache_tree_stale
from tests.observed import again, folder, ran, write

__all__ = ["folder"]
pytestmark = pytest.mark.usefixtures("folder")


def to_path():
    Path("out.txt").write_text("made")


def to_open():
    with open("out.txt", "w") as file:
        file.write("made")


def to_new():
    Path("out.txt").unlink(missing_ok=True)
    with open("out.txt", "x") as file:
        file.write("made")


def to_replaced():
    Path("out.part").write_text("made")
    os.replace("out.part", "out.txt")


def to_renamed():
    Path("out.part").write_text("made")
    Path("out.part").rename("out.txt")


def to_temporary_then_moved():
    with tempfile.NamedTemporaryFile("w", dir=".", delete=False) as file:
        file.write("made")
    shutil.move(file.name, "out.txt")


def to_copied():
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "made")
        made.write_text("made")
        shutil.copy(made, "out.txt")


def to_linked():
    Path("out.txt").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        Path(scratch, "made").write_text("made")
        os.link(Path(scratch, "made"), "out.txt")


def to_numpy():
    np.savetxt("out.txt", [1])


def to_pandas():
    pd.DataFrame({"a": [1]}).to_csv("out.txt")


def to_program():
    with open("out.txt", "w") as file:
        subprocess.run([sys.executable, "-c", "print('made')"], stdout=file, check=True)


def to_shell():
    subprocess.run("echo made > out.txt", shell=True, check=True)


def to_system():
    os.system("echo made > out.txt")


WRITERS = [
    to_path, to_open, to_new, to_replaced, to_renamed, to_temporary_then_moved, to_copied, to_linked, to_numpy, to_pandas,
    to_program, to_shell, to_system,
]  # fmt: skip


@pytest.mark.parametrize("writer", WRITERS, ids=lambda fn: fn.__name__)
def test_what_was_written_is_an_output(writer, recwarn):
    def body():
        ran()
        writer()
        return 1

    assert again(body, lambda: Path("out.txt").unlink()) == 1
    assert again(body, lambda: write("out.txt", "damaged")) == 1
    assert Path("out.txt").read_text() != "damaged"
    assert not cache_tree_stale()
    assert [str(each.message) for each in recwarn] == []


@pytest.mark.parametrize("writer", WRITERS, ids=lambda fn: fn.__name__)
def test_an_output_is_no_input_because_an_argument_names_it(writer, recwarn):
    def body(out):
        ran()
        writer()
        return out

    assert again(body, lambda: None, "out.txt") == 0
    assert again(body, lambda: Path("out.txt").unlink(), "out.txt") == 1
    assert [str(each.message) for each in recwarn] == []


def test_a_caller_that_passes_a_path_on_is_not_blamed(recwarn):
    cached = cache_file("cache", warn_cheap=False)

    @cached
    def trim(source, out):
        Path(out).write_text(Path(source).read_text().upper())
        return out

    @cached
    def between(source, out):
        return trim(source, out)

    def main(source, out):
        ran()
        return Path(between(source, out)).read_text()

    write("in.txt", "a")
    assert again(main, lambda: write("in.txt", "b"), "in.txt", "out.txt") == 1
    assert Path("out.txt").read_text() == "B"
    assert [str(each.message) for each in recwarn] == []


def test_a_folder_that_an_argument_names_is_no_input_if_the_body_writes_there(recwarn):
    def split(folder):
        ran()
        os.makedirs(folder, exist_ok=True)
        for each in "ab":
            Path(folder, each).write_text(each)
        return sorted(os.listdir(folder))

    assert again(split, lambda: None, "parts") == 0
    assert again(split, lambda: Path("parts/a").unlink(), "parts") == 1
    assert [str(each.message) for each in recwarn] == []


def test_files_of_the_moment_are_nothing():
    def body():
        ran()
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch, "a")
            made.write_text("1")
            names = os.listdir(scratch)
            text = made.read_text()
        Path("here").write_text(text)
        assert Path("here").read_text() == "1"
        Path("here").unlink()
        return names

    assert again(body, lambda: None) == 0
    (node,) = cache_tree_nodes().values()
    assert node["files"] == []


def test_what_is_looked_for_and_then_made_is_no_input():
    def body():
        ran()
        if not os.path.exists("out/a.txt"):
            os.makedirs("out", exist_ok=True)
            Path("out/a.txt").write_text("1")
        return sorted(os.listdir("out"))

    assert again(body, lambda: None) == 0


def test_a_file_that_is_read_and_written_anew_is_neither_and_said_once():
    def count():
        ran()
        before = Path("count").read_text()
        Path("count").write_text(before + "1")

    write("count", "")
    with pytest.warns(cachepy.RewrittenFileWarning, match="count") as said:
        assert again(count, lambda: write("count", "12345")) == 0
    assert len(said) == 1


def test_a_file_that_is_opened_for_both_is_what_becomes_of_it(recwarn):
    def looks():
        ran()
        with open("table", "r+") as file:
            return file.read()

    write("table", "1")
    assert again(looks, lambda: write("table", "2")) == 1
    assert [str(each.message) for each in recwarn] == []


def test_a_file_that_changes_while_it_is_used_is_not_stored():
    def body():
        ran()
        text = Path("in.txt").read_text()
        changer = threading.Thread(target=_change_behind_its_back)
        changer.start()
        changer.join()
        return text

    write("in.txt", "old")
    cached = cache_file("cache", warn_cheap=False)(body)
    with pytest.warns(cachepy.ChangedInputWarning, match=r"in\.txt"):
        cached()
    assert cached.explain().state == "missing"


def _change_behind_its_back():
    subprocess.run([sys.executable, "-c", "open('in' + '.txt', 'w').write('new')"], check=True)


def test_a_folder_that_was_to_be_made_and_was_there_is_listed():
    def body():
        ran()
        os.makedirs("data", exist_ok=True)
        return sorted(os.listdir("data"))

    write("data/a", "1")
    assert again(body, lambda: write("data/b", "1")) == 1


def test_what_lies_behind_a_memo_counts_for_each_call():
    @functools.lru_cache
    def limit():
        return Path("limit.txt").read_text()

    cached = cache_file("cache", warn_cheap=False)

    @cached
    def scaled(x):
        return x, limit()

    write("limit.txt", "1")
    assert [scaled(1), scaled(2)] == [(1, "1"), (2, "1")]
    write("limit.txt", "2")
    limit.cache_clear()
    assert [scaled(1), scaled(2)] == [(1, "2"), (2, "2")]


def _write_and_read(number):
    Path(f"part{number}").write_text(Path("in.txt").read_text() + str(number))
    return Path(f"part{number}").read_text()


def in_carried_processes():
    ran()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(cachepy.with_caller(_write_and_read), range(2)))


def in_forked_processes():
    ran()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        return list(pool.map(_write_and_read, range(2)))


@pytest.mark.parametrize("body", [in_carried_processes, in_forked_processes], ids=lambda fn: fn.__name__)
def test_files_of_other_processes_count(body, recwarn):
    write("in.txt", "a")
    assert again(body, lambda: write("in.txt", "b")) == 1
    assert again(body, lambda: Path("part1").unlink()) == 1
    assert [str(each.message) for each in recwarn if "fork" not in str(each.message)] == []


def test_a_lock_is_no_output_and_one_that_is_read_is_an_input():
    def body():
        ran()
        Path("mine.lock").write_text("1")
        return Path("versions.lock").read_text()

    write("versions.lock", "1")
    assert again(body, lambda: Path("mine.lock").unlink()) == 0
    assert again(body, lambda: write("versions.lock", "2")) == 1


def test_a_walk_over_a_folder_with_the_cache_in_it_is_a_hit():
    def body():
        ran()
        return sorted(name for _, _, names in os.walk(".") for name in names if name.endswith(".csv"))

    write("data/a.csv", "1")
    Path("log").touch()
    assert again(body, lambda: None) == 0
    assert again(body, lambda: write("data/b.csv", "1")) == 1


def test_an_output_may_be_declared(recwarn):
    def body(source, out):
        ran()
        library = ctypes.CDLL(None)  # writes past Python
        file = library.creat(out.encode(), 0o644)
        library.write(file, Path(source).read_bytes(), 1)
        library.close(file)
        return 1

    write("in.txt", "a")
    assert again(body, lambda: Path("out.txt").unlink(), "in.txt", "out.txt", outputs=["out"]) == 1
    assert again(body, lambda: write("out.txt", "damaged"), "in.txt", "out.txt", outputs=["out"]) == 1
    assert [str(each.message) for each in recwarn] == []
    with pytest.raises(cachepy.UsageValueError, match="names no parameter"):
        cache_file("cache", outputs=["nothing"])(body)
