"""What a body does with files is observed: `file_watch` and the modules that it puts together.

Each body is cached, called, called again after an edit of a file, and called a third time: which of these ran is told
by the lines that it added to a file, which counts neither as input nor as output.
"""

from __future__ import annotations

import asyncio
import bz2
import configparser
import csv
import fileinput
import glob
import gzip
import io
import json
import lzma
import mmap
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from glob import glob as found_by
from os import listdir, stat
from os.path import exists
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cachepy
from cachepy import cache_file, cache_tree_nodes, cache_tree_stale
from cachepy.calls.file_events import events


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with cachepy.use_session(cachepy.Session()):
        yield tmp_path


def ran():
    with open("log", "a") as log:
        log.write("x")


def runs():
    return len(Path("log").read_text())


def write(name, text):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)


def again(body, edit, *args, **options):
    """How often it runs: first, after the edit, and once more."""
    Path("log").unlink(missing_ok=True)
    cached = cache_file("cache", warn_cheap=False, **options)(body)
    cached.clear()
    cached(*args)
    first = runs()
    edit()
    value = cached(*args)
    second = runs() - first
    assert cached(*args) == value
    assert runs() == first + second, "it runs again though nothing changed"
    assert first == 1
    return second


# ---------------------------------------------------------------- reading


def by_open():
    with open("in.txt") as file:
        return file.read()


def by_bytes():
    return io.open(b"in.txt", "rb").read()  # noqa: UP020, SIM115 - another name of it


def by_path():
    return Path("in.txt").read_text()


def by_computed_path():
    return Path("".join(["i", "n"])).with_suffix(".txt").read_bytes()


def by_absolute_path():
    return Path("in.txt").resolve().read_text()


def by_system():
    number = os.open("in.txt", os.O_RDONLY)
    try:
        return os.read(number, 100)
    finally:
        os.close(number)


def by_mmap():
    with open("in.txt", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return bytes(data)


def by_csv():
    with open("in.txt", newline="") as file:
        return list(csv.reader(file))


def by_config():
    parser = configparser.ConfigParser()
    parser.read("in.txt")
    return parser.sections()


def by_json():
    return json.loads(Path("in.txt").read_bytes() and "1")


def by_fileinput():
    with fileinput.input(["in.txt"]) as lines:
        return list(lines)


def by_numpy_text():
    return np.genfromtxt("in.txt", dtype=str).tolist()


def by_numpy_bytes():
    return np.fromfile("in.txt", dtype="u1").tolist()


def by_numpy_map():
    return bytes(np.memmap("in.txt", dtype="u1", mode="r"))


def by_pandas():
    return pd.read_csv("in.txt").shape


def by_pandas_of_python():
    return pd.read_csv("in.txt", engine="python").shape


def by_copy():
    shutil.copy("in.txt", "copy.txt")
    return 1


def by_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(Path("in.txt").read_text()))
    thread.start()
    thread.join()
    return found


def by_pool():
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(Path.read_text, [Path("in.txt")]))


def by_loop():
    async def read():
        return await asyncio.to_thread(Path("in.txt").read_text)

    return asyncio.run(read())


def by_changed_folder():
    before = os.getcwd()
    os.chdir("..")
    try:
        return Path(os.path.basename(before), "in.txt").read_text()
    finally:
        os.chdir(before)


READERS = [
    by_open, by_bytes, by_path, by_computed_path, by_absolute_path, by_system, by_mmap, by_csv, by_config, by_json,
    by_fileinput, by_numpy_text, by_numpy_bytes, by_numpy_map, by_pandas, by_pandas_of_python, by_copy, by_thread, by_pool,
    by_loop, by_changed_folder,
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS, ids=lambda fn: fn.__name__)
def test_a_file_that_is_read_counts(reader):
    write("in.txt", "[a]\nb=1\n")

    def body():
        ran()
        return reader()

    assert again(body, lambda: write("in.txt", "[a]\nb=2\n")) == 1
    assert again(body, lambda: Path("in.txt").touch()) == 0


@pytest.mark.parametrize("reader", READERS, ids=lambda fn: fn.__name__)
def test_a_file_that_is_read_is_a_file_of_the_node(reader, folder):
    write("in.txt", "[a]\nb=1\n")
    cached = cache_file("cache", warn_cheap=False)(reader)
    cached()
    (node,) = cache_tree_nodes().values()
    assert folder / "in.txt" in [Path(os.path.abspath(path)) for path in node["files"]]


@pytest.mark.parametrize(
    ("pack", "unpack"),
    [
        (lambda: gzip.open("in.z", "wt"), lambda: gzip.open("in.z", "rt")),
        (lambda: bz2.open("in.z", "wt"), lambda: bz2.open("in.z", "rt")),
        (lambda: lzma.open("in.z", "wt"), lambda: lzma.open("in.z", "rt")),
    ],
    ids=["gzip", "bz2", "lzma"],
)
def test_packed_files_count(pack, unpack):
    def put(text):
        with pack() as file:
            file.write(text)

    def body():
        ran()
        with unpack() as file:
            return file.read()

    put("a")
    assert again(body, lambda: put("b")) == 1


def test_archives_count():
    def put(text):
        write("member", text)
        with tarfile.open("in.tar", "w") as tar, zipfile.ZipFile("in.zip", "w") as packed:
            tar.add("member")
            packed.write("member")

    def of_tar():
        ran()
        with tarfile.open("in.tar") as tar:
            return tar.extractfile("member").read()

    def of_zip():
        ran()
        with zipfile.ZipFile("in.zip") as packed:
            return packed.read("member")

    put("a")
    assert again(of_tar, lambda: put("b")) == 1
    assert again(of_zip, lambda: put("c")) == 1


# ---------------------------------------------------------------- folders, patterns, what is there and what is not


def names_by_listdir():
    return sorted(os.listdir("data"))


def names_by_own_name():
    return sorted(listdir("data"))


def names_by_scandir():
    with os.scandir("data") as found:
        return sorted(each.name for each in found)


def names_by_path():
    return sorted(each.name for each in Path("data").iterdir())


def names_by_walk():
    return [sorted(names) for _, _, names in os.walk("data")]


LISTERS = [names_by_listdir, names_by_own_name, names_by_scandir, names_by_path, names_by_walk]


@pytest.mark.parametrize("lister", LISTERS, ids=lambda fn: fn.__name__)
def test_names_in_a_folder_count(lister):
    write("data/a.csv", "1")

    def body():
        ran()
        return lister()

    assert again(body, lambda: write("data/b.csv", "2")) == 1
    assert again(body, lambda: write("data/a.csv", "another content")) == 0
    assert again(body, lambda: Path("data/a.csv").unlink()) == 1


def by_glob():
    return sorted(glob.glob("data/*.csv"))


def by_iglob():
    return sorted(glob.iglob("data/*.csv"))


def by_own_name_of_glob():
    return sorted(found_by("data/*.csv"))


def by_root_of_glob():
    return sorted(glob.glob("*.csv", root_dir="data"))


def by_path_glob():
    return sorted(Path("data").glob("*.csv"))


def by_deep_glob():
    return sorted(Path().rglob("*.csv"))


GLOBS = [by_glob, by_iglob, by_own_name_of_glob, by_root_of_glob, by_path_glob, by_deep_glob]


@pytest.mark.parametrize("looks", GLOBS, ids=lambda fn: fn.__name__)
def test_names_that_match_count_and_no_others(looks):
    write("data/a.csv", "1")

    def body():
        ran()
        return looks()

    assert again(body, lambda: write("data/b.csv", "2")) == 1
    assert again(body, lambda: write("data/b.txt", "2")) == 0
    assert again(body, lambda: write("data/b.csv", "another content")) == 0


def asked_by_os():
    return os.path.exists("extra.txt")


def asked_by_own_name():
    return exists("extra.txt")


def asked_by_path():
    return Path("extra.txt").is_file()


def asked_by_stat():
    try:
        return bool(stat("extra.txt"))
    except OSError:
        return False


def asked_by_access():
    return os.access("extra.txt", os.R_OK)


def asked_by_opening():
    try:
        return open("extra.txt").read()  # noqa: SIM115 - as people write it
    except FileNotFoundError:
        return ""


ASKERS = [asked_by_os, asked_by_own_name, asked_by_path, asked_by_stat, asked_by_access, asked_by_opening]


@pytest.mark.parametrize("asks", ASKERS, ids=lambda fn: fn.__name__)
def test_what_was_looked_for_counts(asks):
    def body():
        ran()
        return asks()

    assert again(body, lambda: write("extra.txt", "1")) == 1
    assert again(body, lambda: Path("extra.txt").unlink()) == 1
    assert again(body, lambda: write("other.txt", "1")) == 0


def test_the_size_counts_where_it_was_asked_for():
    write("in.txt", "1")

    def sizes():
        ran()
        return os.path.getsize("in.txt")

    assert again(sizes, lambda: write("in.txt", "12")) == 1

    def is_there():
        ran()
        return os.path.exists("in.txt")

    assert again(is_there, lambda: write("in.txt", "123")) == 0


# ---------------------------------------------------------------- writing


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
    subprocess.run("echo made > out.txt", shell=True, check=True)  # noqa: S602, S607 - a shell it shall be


def to_system():
    os.system("echo made > out.txt")  # noqa: S605, S607 - likewise


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


# ---------------------------------------------------------------- programs


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
        subprocess.run("sort in.txt | head -n 1 > out.txt", shell=True, check=True)  # noqa: S602, S607 - a shell it shall be
        return Path("out.txt").read_text()

    assert again(body, lambda: write("in.txt", "d\nc\n")) == 1
    (node,) = cache_tree_nodes().values()
    assert {"in.txt", "out.txt", "sort", "head"} <= {Path(path).name for path in node["files"]}


# ---------------------------------------------------------------- what does not count, and options


def test_what_packages_and_the_system_have_does_not_count():
    def body():
        Path(os.__file__).read_text()
        Path(np.__file__).read_text()
        Path("/proc/self/status").read_text()
        return 1

    cached = cache_file("cache", warn_cheap=False)(body)
    cached()
    (node,) = cache_tree_nodes().values()
    assert node["files"] == []


def test_the_cache_itself_does_not_count():
    inner = cache_file("cache", warn_cheap=False)(lambda x: x + 1)

    def body():
        ran()
        return inner(1), sorted(os.listdir(".")), sorted(map(str, Path().rglob("*.entry")))[:0]

    Path("log").touch()
    assert again(body, lambda: inner(2)) == 0


def test_options():
    write("in.txt", "1")
    write("my.status", "1")

    def body():
        ran()
        return Path("in.txt").read_text()

    def other():
        ran()
        return Path("my.status").read_text()

    assert again(body, lambda: write("in.txt", "2"), observe=False) == 0
    assert again(other, lambda: write("my.status", "2"), ignore_files=["*.status"]) == 0


# ---------------------------------------------------------------- what stands in the way is what it stands for


def test_it_is_called_as_before_where_nobody_runs(folder):
    @cache_file("cache", warn_cheap=False)
    def body():
        return 1

    body()
    assert events.is_on
    assert pickle.loads(pickle.dumps(open)) is open  # noqa: S301 - ours
    assert pickle.loads(pickle.dumps(os.stat)) is os.stat  # noqa: S301 - ours
    assert repr(os.stat) == "<built-in function stat>"

    class Holder:
        lists = os.listdir

    write("data/a", "1")
    assert Holder().lists("data") == ["a"]
    with pytest.raises(FileNotFoundError):
        open("nothing")  # noqa: SIM115 - it is not there


@pytest.mark.parametrize("name", ["listdir", "stat", "scandir"])
def test_the_code_of_who_names_it_is_what_it_was(name, folder):
    scope = {}
    exec(f"from os import {name}\ndef body(x):\n    return {name} is not None, open is not None, os_name(x)\ndef os_name(x):\n    return x", scope)  # noqa: S102, E501 - a module of its own
    body = cache_file("cache", warn_cheap=False)(scope["body"])
    events.stop()
    before = body.key(open), cachepy.current_session().reader.reach(body.__cachepy__.target).digest
    body(1)
    assert type(open) is not type(len)
    scope[name] = getattr(os, name)
    assert before == (body.key(open), cachepy.current_session().reader.reach(body.__cachepy__.target).digest)
