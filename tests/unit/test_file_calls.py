"""Files that a body reads, lists and looks for count, by whatever way: `file_calls` and `globs`."""

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
import shutil
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from glob import glob as found_by
from os import listdir, stat
from os.path import exists
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cachepy import cache_file, cache_tree_nodes
from tests.observed import again, folder, ran, write

__all__ = ["folder"]
pytestmark = pytest.mark.usefixtures("folder")


def by_open():
    with open("in.txt") as file:
        return file.read()


def by_bytes():
    return io.open(b"in.txt", "rb").read()  # noqa: UP020 - another name of it


def by_path():
    return Path("in.txt").read_text()


def by_computed_path():
    return Path(chr(105) + "n").with_suffix(".txt").read_bytes()


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
        (partial(gzip.open, "in.z", "wt"), partial(gzip.open, "in.z", "rt")),
        (partial(bz2.open, "in.z", "wt"), partial(bz2.open, "in.z", "rt")),
        (partial(lzma.open, "in.z", "wt"), partial(lzma.open, "in.z", "rt")),
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
        return open("extra.txt").read()
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


def test_what_a_link_says_counts():
    def body():
        ran()
        return Path("latest").resolve().name

    def point(name):
        Path("latest").unlink(missing_ok=True)
        Path("latest").symlink_to(name)

    write("v1", "1")
    write("v2", "1")
    point("v1")
    assert again(body, lambda: point("v2")) == 1
