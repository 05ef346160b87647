"""What users are told to do about a file that the body writes, and that it holds."""

from __future__ import annotations

import warnings

import pytest

from cachepy import ChangedInputWarning, Session, cache_file, track_file, use_session


@pytest.fixture
def cached(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with use_session(Session()):
        yield cache_file("cache", warn_cheap=False)


@pytest.mark.parametrize("name", ["out", "rest"])
def test_the_warning_says_what_to_do(cached, tmp_path, name):
    @cached(observe=False)  # as a library does that writes past Python
    def write(text, *rest):
        with open(rest[0], "w") as file:
            file.write(text)

    @cached(observe=False)
    def write_out(text, out):
        with open(out, "w") as file:
            file.write(text)

    with pytest.warns(ChangedInputWarning) as seen:
        (write if name == "rest" else write_out)("one", "a.txt")
    text = str(seen[0].message)
    assert f"its argument '{name}" in text
    for advice in ("'a.txt'", "was not stored", f"outputs=['{name}']", "ignore_args"):
        assert advice in text


def test_what_it_says_holds(cached, tmp_path):
    (tmp_path / "table.txt").write_text("1 2")

    @cached(file_args=["table"])
    def report(table, out):
        with open(table) as source, open(out, "w") as file:
            file.write(source.read())
        track_file(out)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report("table.txt", "a.txt")
        assert report.is_cached("table.txt", "a.txt")
        report("table.txt", "b.txt")  # another path is another call
        (tmp_path / "a.txt").unlink()
        report("table.txt", "a.txt")
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text() == "1 2"
    (tmp_path / "table.txt").write_text("3")
    assert not report.is_cached("table.txt", "a.txt")
