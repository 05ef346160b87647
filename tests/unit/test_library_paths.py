"""Which files an argument, a query or a mode means to `library_files`; and the page that says what is seen."""

from __future__ import annotations

import re

import pytest

from cachepy.calls import library_files
from tests.docs.pages import ROOT
from tests.unit.library_cells import Recorder, page_table


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select * from '{0}/a.csv' where x = 'EUR'", [("read", "a.csv")]),
        ("select 'it''s' from \"{0}/a.csv\"", [("read", "a.csv")]),
        ("copy t to '{0}/out.csv'", [("write", "out.csv")]),
        ("COPY t FROM '{0}/a.csv'", [("read", "a.csv")]),
        ("attach '{0}/new.db' as n", [("rewrite", "new.db")]),
        ("ATTACH IF NOT EXISTS '{0}/a.csv' (READ_ONLY)", [("read", "a.csv")]),
        ("attach ':memory:' as n", []),
        ("select * from read_csv(['{0}/a.csv', '{0}/b.csv'])", [("read", "a.csv"), ("read", "b.csv")]),
        ("select * from '{0}/*.csv'", [("read", "a.csv"), ("read", "b.csv")]),
        ("select 1", []),
    ],
)
def test_files_in_a_query(tmp_path, query, expected):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x\n1\n")
    told = Recorder()
    row = library_files.Row("any", "any", library_files.SQL, "query")
    library_files.Notes(told, lambda: True).pick(row).tell(query.format(tmp_path))
    assert [(what, path.rpartition("/")[2]) for what, path in told.seen] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{0}/a.csv", ["a.csv"]),
        (b"{0}/a.csv", ["a.csv"]),
        (b"no such file", []),
        (["{0}/a.csv", ("{0}/b.csv",)], ["a.csv", "b.csv"]),
        ("{0}/[ab].csv", ["a.csv", "b.csv"]),
        ("{0}/**/*.csv", ["a.csv", "b.csv"]),
        ("file://{0}/a.csv", ["a.csv"]),
        ("~/a.csv", ["a.csv"]),
        ("zip://{0}/z.zip!a.shp", ["z.zip"]),
        ("/vsizip/{0}/z.zip/a.shp", ["z.zip"]),
        ('NETCDF:"{0}/a.csv":v', ["a.csv"]),
        ("{0}/none", ["none"]),
        ("", []),
        (None, []),
        (7, []),
        (object, []),
    ],
)
def test_paths_in_an_argument(tmp_path, monkeypatch, value, expected):
    for name in ("a.csv", "b.csv", "z.zip"):
        (tmp_path / name).write_text("x")
    monkeypatch.setenv("HOME", str(tmp_path))

    def filled(value):
        if isinstance(value, (list, tuple)):
            return [*map(filled, value)]
        if isinstance(value, bytes):
            return value.replace(b"{0}", str(tmp_path).encode())
        return value.replace("{0}", str(tmp_path)) if isinstance(value, str) else value

    found = [path.rpartition("/")[2] for path in library_files.paths_in(filled(value))]
    assert found == expected


def test_a_pattern_is_told_as_such_to_whoever_listens(tmp_path):
    told, matched = Recorder(), []
    told.match = matched.append
    row = library_files.Row("any", "any", library_files.READ, "source")
    library_files.Notes(told, lambda: True).pick(row).tell(f"{tmp_path}/*.none")
    assert (told.seen, matched) == ([], [f"{tmp_path}/*.none"])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("r", "read"), ("rb", "read"), ("r+", "rewrite"), ("a", "rewrite"), ("w", "write"), ("w-", "write"), ("x", "write"),
     ("w+", "rewrite"), ("wb", "write"), (None, "read"), ("rs", "read"), ("as", "rewrite")],
)  # fmt: skip
def test_modes(mode, expected):
    row = library_files.Row("any", "any", library_files.MODE, "name", 0, ("mode", 1, "r"))
    assert library_files.action_of(row, mode) == expected


def test_the_page_says_what_is_seen():
    page = ROOT.joinpath("docs", "explanation", "invalidates.md").read_text(encoding="utf-8")
    made = re.findall(r"<!-- table -->\n(.*?)\n<!-- /table -->", page, flags=re.DOTALL)
    assert [block for block in made if block.endswith(f"\n\n{page_table()}")]
