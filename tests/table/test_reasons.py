"""Reasons that no call tells by itself: of calls that take the result of one that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.table.harness import Case, CaseFolder, Server, function, module, write

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = module(
    "",
    function("[int(n) for n in track_file('a.txt').read_text().split()]", "", name="load"),
    function("[n + 1 for n in numbers]", "numbers", name="clean"),
    function("sum(numbers)", "numbers", name="total"),
    function("total(clean(load()))", "", name="whole"),
)


def test_of_a_pipeline_every_call_names_the_file_at_its_start(tmp_path: Path) -> None:
    case = Case("", {"m.py": PIPELINE, "a.txt": "1 2 3 4 5"}, write("a.txt", "1 2 3 4 6"), None, "m.whole()")
    server = Server()
    try:
        project = CaseFolder(case, tmp_path, server)
        project.run()
        write("a.txt", "1 2 3 4 6")(project)
        told = project.ask()
    finally:
        server.close()
    first = {call.partition(":")[0]: reasons[0] for call, reasons in told.stale.items()}
    texts = {name: reason["text"].replace(f"{project.root}/", "") for name, reason in first.items()}
    assert texts == {
        "load": "file a.txt changed",
        "clean": "its input load() is stale: file a.txt changed",
        "total": "its input load() is stale: file a.txt changed",
        "whole": "load() below it is stale: file a.txt changed",
    }
    assert {name: (reason["cue"], reason["link"]) for name, reason in first.items()} == {
        "load": ("file", ""),
        "clean": ("file", "input"),
        "total": ("file", "input"),
        "whole": ("file", "below"),
    }
