"""What calls are called in a picture: files by count and folder, names by origin, texts with odd letters whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cachepy.views.captions import View, arguments, told_apart
from cachepy.views.origins import common_folder, files_of, origins

Nodes = dict[str, dict[str, Any]]
TWELVE = [Path(f"in/data/{i:02}.csv") for i in range(12)]


def add(nodes: Nodes, fname: str, label: dict[str, str] | None = None, **more: Any) -> str:
    key = f"{fname}:{len(nodes):06x}"
    nodes[key] = {"fname": fname, "hash": key, "label": label or {}, "created": float(len(nodes))} | more
    return key


@pytest.mark.parametrize(
    ("label", "files", "shown"),
    [
        ({"paths": "list of 12"}, TWELVE, ["12 files of data/"]),
        ({"paths": "tuple of 12", "n": "3"}, TWELVE, ["12 files of data/, 3"]),
        ({"paths": "['in/data/00.csv', 'in/data/01.csv', …"}, TWELVE[:3], ["3 files of data/"]),
        ({"paths": "[in/data/00.csv, in/data/01.csv]"}, TWELVE[:2], ["00.csv, 01.csv"]),
        ({"paths": "list of 12", "more": "'in/x.csv'"}, [*TWELVE, Path("in/x.csv")], ["12 files of data/, x.csv"]),
        ({"numbers": "list of 12"}, [], ["list of 12"]),
        ({"numbers": "list of 7"}, TWELVE, ["list of 7"]),
        ({"numbers": "[1, 2, 3]"}, TWELVE, ["[1, 2, 3]"]),
        ({"path": "'in/data/00.csv'"}, TWELVE[:1], ["00.csv"]),
        ({"text": r"'\\d+/\\w+$'"}, [], [r"\\d+/\\w+$"]),
        ({"text": r"'a/b\nc/d'"}, [], [r"a/b\nc/d"]),
        ({"text": "a/b\x07c"}, [], [r"a/b\x07c"]),
        ({"text": "C:\\data\\in\\file.csv"}, [], ["C:\\data\\in\\file.csv"]),
        ({"a_text": "one_long_word_that_fills_more_than_a_line_of_a_box"}, [],
         ["one_long_word_that_fills_more_", "than_a_line_of_a_box"]),
    ],
)  # fmt: skip
def test_arguments_in_few_words(label: dict[str, str], files: list[Path], shown: list[str]) -> None:
    nodes: Nodes = {}
    call = add(nodes, "load", label, files=files)
    assert arguments(View(nodes, {}, {}), [call])[call] == shown


def test_a_file_that_the_call_wrote_is_not_one_of_those_in_its_list() -> None:
    nodes: Nodes = {}
    call = add(nodes, "merge", {"paths": "list of 12"}, files=[*TWELVE, Path("out.csv")])
    assert arguments(View(nodes, {}, {}), [call])[call] == ["list of 12"]
    assert arguments(View(nodes, {}, {}, outputs={call: {"out.csv"}}), [call])[call] == ["12 files of data/"]


def two_chains() -> tuple[Nodes, list[str]]:
    nodes: Nodes = {}
    ends = []
    for i in (3, 4):
        load = add(nodes, "load", {"path": f"data/{i:02}.csv"}, files=[Path(f"data/{i:02}.csv")])
        ends += [load, add(nodes, "clean", {"x": "DataFrame 9×9"}, inputs={"x": load})]
        ends.append(add(nodes, "clean", {"x": "DataFrame 9×9"}, inputs={"x": ends[-1]}))
    return nodes, ends


def test_calls_are_named_by_the_files_that_their_data_come_from() -> None:
    nodes, ends = two_chains()
    merge = add(nodes, "merge", {"a": "DataFrame 9×9"}, inputs={"a": ends[2], "b": ends[5]})
    found = told_apart(View(nodes, {}, {}))
    assert [found[call] for call in [*ends, merge]] == [
        ["03.csv"], ["of 03.csv", "1 of 2"], ["of 03.csv", "2 of 2"],
        ["04.csv"], ["of 04.csv", "1 of 2"], ["of 04.csv", "2 of 2"],
        ["of 03.csv, 04.csv"],
    ]  # fmt: skip


def test_origin_is_added_where_two_calls_would_look_alike() -> None:
    nodes, ends = two_chains()
    fits = [add(nodes, "fit", {"x": "DataFrame 9×9", "k": "5"}, inputs={"x": end}) for end in (ends[0], ends[3])]
    found = told_apart(View(nodes, {}, {}))
    assert [found[fit] for fit in fits] == [["5, of 03.csv"], ["5, of 04.csv"]]


def test_no_name_shows_hex_digits() -> None:
    nodes: Nodes = {}
    for _ in range(3):
        add(nodes, "fit", {"x": "ndarray 9×9"})
    assert sorted(map(tuple, told_apart(View(nodes, {}, {})).values())) == [
        ("ndarray 9×9", "1 of 3"), ("ndarray 9×9", "2 of 3"), ("ndarray 9×9", "3 of 3"),
    ]  # fmt: skip


def test_files_that_calls_wrote_are_no_origin() -> None:
    nodes: Nodes = {}
    write = add(nodes, "write", files=[Path("in.csv"), Path("out.csv")])
    read = add(nodes, "read", files=[Path("out.csv")], inputs={"path": write})
    assert origins(nodes, {write: {"out.csv"}}, [read])[read] == {"in.csv"}


def test_origins_of_a_circle_and_of_very_many_files() -> None:
    nodes: Nodes = {}
    ping = add(nodes, "ping", files=[Path("a.csv")])
    pong = add(nodes, "pong", children=[ping], inputs={"x": ping})
    nodes[ping]["inputs"] = {"y": pong}
    assert origins(nodes, {}, [pong])[pong] == {"a.csv"}
    many = add(nodes, "many", files=[Path(f"{i}.csv") for i in range(1000)])
    after = add(nodes, "after", inputs={"x": many})
    assert origins(nodes, {}, [after])[after] == frozenset()


def test_a_chain_of_thousands_does_not_recurse() -> None:
    nodes: Nodes = {}
    last = add(nodes, "load", files=[Path("a.csv")])
    for _ in range(3000):
        last = add(nodes, "step", inputs={"x": last})
    assert origins(nodes, {}, [last])[last] == {"a.csv"}


@pytest.mark.parametrize(
    ("paths", "folder", "words"),
    [
        (["/a/b/1.csv", "/a/b/2.csv", "/a/b/3.csv"], "b/", "3 files of b/"),
        (["/a/b/1.csv", "/a/c/2.csv", "/a/c/3.csv"], "a/", "3 files of a/"),
        (["/a/1.csv", "/b/2.csv", "/c/3.csv"], "", "3 files"),
        (["/a/1.csv", "b/2.csv", "b/3.csv"], "", "3 files"),
        (["/a/10.csv", "/a/9.csv"], "a/", "9.csv, 10.csv"),
        (["/a/x\n.csv"], "a/", r"x\n.csv"),
    ],
)
def test_files_in_few_words(paths: list[str], folder: str, words: str) -> None:
    assert common_folder(paths) == folder
    assert files_of(paths) == words
