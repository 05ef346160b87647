"""A call that reads a file which another call wrote goes by that call: in the graph, status, plan, explain and refresh."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from tests.programs import Project

HEAD = """
import sys
from pathlib import Path
from cachepy import cache_file, track_file
cached = cache_file("cache", warn_cheap=False)
def ran(name):
    with open("log", "a") as log: log.write(name + "\\n")
@cached
def count(out):
    ran("count"); return len(Path(out).read_text())
"""
# name -> the rest of the module, what it calls, and edges: reader, what its input is called, writer
CASES: dict[str, tuple[str, str, list[tuple[str, str, str]]]] = {
    "out among the arguments, tracked": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip()); track_file(out); return 1
        """,
        "trim('in.txt', 'o.txt'); count('o.txt')",
        [("count", "out", "trim")],
    ),
    "a path object": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); out.write_text(Path(path).read_text().strip()); track_file(out)
        """,
        "trim('in.txt', Path('o.txt')); count(Path('o.txt'))",
        [("count", "out", "trim")],
    ),
    "all arguments are looked at": (
        """
        @cached
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip())
        """,
        "trim('in.txt', 'o.txt'); count('o.txt')",
        [("count", "out", "trim")],
    ),
    "a computed path, tracked": (
        """
        @cached
        def trim(path):
            ran("trim"); out = path + ".trimmed"; Path(out).write_text(Path(path).read_text().strip()); track_file(out)
        """,
        "trim('in.txt'); count('in.txt.trimmed')",
        [("count", "out", "trim")],
    ),
    "the result names it": (
        """
        @cached
        def trim(path):
            ran("trim"); Path("o.txt").write_text(Path(path).read_text().strip()); return track_file("o.txt")
        """,
        "count(trim('in.txt'))",
        [("count", "out", "trim")],
    ),
    "read by track_file": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip()); track_file(out)
        @cached
        def total(n):
            ran("total"); return len(track_file("o.txt").read_text()) + n
        """,
        "trim('in.txt', 'o.txt'); total(1)",
        [("total", "o.txt", "trim")],
    ),
    "relative and absolute": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip()); track_file(out)
        """,
        "trim('in.txt', 'o.txt'); count(str(Path('o.txt').resolve()))",
        [("count", "out", "trim")],
    ),
    "from another folder": (
        """
        import os
        @cached(file_args=["path"])
        def trim(path, out):
            Path("log").open("a").write("trim\\n"); Path(out).write_text(Path(path).read_text()); track_file(out)
        @cached
        def far(out):
            Path("../log").open("a").write("far\\n"); return len(Path(out).read_text())
        """,
        "trim('in.txt', 'o.txt'); Path('sub').mkdir(exist_ok=True); os.chdir('sub'); far('../o.txt')",
        [("far", "out", "trim")],
    ),
    "in a list": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip()); track_file(out)
        @cached
        def total(paths):
            ran("total"); return sum(len(p.read_text()) for p in paths)
        """,
        "trim('in.txt', 'o.txt'); trim('in.txt', 'p.txt'); total([Path('o.txt'), Path('p.txt')])",
        [("total", "o.txt", "trim"), ("total", "p.txt", "trim")],
    ),
    "below another call": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip()); track_file(out)
        @cached(file_args=[])
        def stage(path):
            ran("stage"); trim(path, "o.txt")
        """,
        "stage('in.txt'); count('o.txt')",
        [("count", "out", "trim")],
    ),
    "both below one call": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip()); track_file(out)
        @cached(file_args=[])
        def stage(path):
            ran("stage"); trim(path, "o.txt"); return count("o.txt")
        """,
        "stage('in.txt')",
        [("count", "out", "trim")],
    ),
    "a chain of three": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip()); track_file(out)
        @cached(file_args=["path"])
        def upper(path, out):
            ran("upper"); Path(out).write_text(Path(path).read_text().upper()); track_file(out)
        """,
        "trim('in.txt', 'o.txt'); upper('o.txt', 'p.txt'); count('p.txt')",
        [("upper", "path", "trim"), ("count", "out", "upper")],
    ),
    "a folder, written and read": (
        """
        @cached(file_args=["path"])
        def split(path, out):
            ran("split"); Path(out).mkdir(exist_ok=True)
            for i, word in enumerate(Path(path).read_text().split()): Path(out, f"{i}.txt").write_text(word)
            track_file(out)
        @cached
        def total(folder):
            ran("total"); return sum(len(p.read_text()) for p in Path(folder).iterdir())
        """,
        "split('in.txt', 'parts'); total('parts')",
        [("total", "folder", "split")],
    ),
    "files written into a folder that is read": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip()); track_file(out)
        @cached
        def total(folder):
            ran("total"); return sum(len(p.read_text()) for p in Path(folder).iterdir())
        """,
        "Path('d').mkdir(exist_ok=True); trim('in.txt', 'd/o.txt'); trim('in.txt', 'd/p.txt'); total('d')",
        [("total", "d/o.txt", "trim"), ("total", "d/p.txt", "trim")],
    ),
    "a file in a folder that was written": (
        """
        @cached(file_args=["path"])
        def split(path, out):
            ran("split"); Path(out).mkdir(exist_ok=True)
            for i, word in enumerate(Path(path).read_text().split()): Path(out, f"{i}.txt").write_text(word)
            track_file(out)
        """,
        "split('in.txt', 'parts'); count('parts/0.txt')",
        [("count", "out", "split")],
    ),
    "who only passes the path on is not blamed": (
        """
        @cached(file_args=["path"])
        def trim(path, out):
            ran("trim"); Path(out).write_text(Path(path).read_text().strip()); track_file(out)
        @cached
        def checked(out):
            ran("checked"); return out
        """,
        "trim('in.txt', 'o.txt'); checked('o.txt'); count('o.txt')",
        [("checked", "out", "trim"), ("count", "out", "trim")],
    ),
    "a file that is only read has no writer": (
        """
        @cached
        def total(path):
            ran("total"); return Path(path).read_text().upper()
        """,
        "total('in.txt'); count('in.txt')",
        [],
    ),
}


def run(project: Project) -> list[str]:
    """Run the program, and what bodies ran."""
    project.ran()  # not those that `refresh` ran
    project.run("job.py")
    return project.ran()


def ask(project: Project, command: str, *args: str) -> tuple[int, dict[str, Any]]:
    done = project.cachepy(command, *args, "--import", "--json", "--cache-dir", "cache")
    return done.returncode, done.json()


def refresh(project: Project) -> str:
    text = "import job, cachepy; cachepy.cache_tree_sync('cache'); print(cachepy.cache_tree_refresh())"
    return project.run("-c", text).stdout.strip()


def edges(project: Project) -> list[tuple[str, str, str]]:
    text = "import cachepy; cachepy.cache_tree_sync('cache'); print(cachepy.cache_tree_to_json())"
    nodes = project.run("-c", text).json()["nodes"]
    found = [(node["fname"], name, by) for node in nodes for name, by in node["inputs"].items()]
    return sorted((f, name.replace(str(project.folder.resolve()), "HERE"), by.partition(":")[0]) for f, name, by in found)


def made(project: Project, module: str, calls: str) -> None:
    project.write("in.txt", " some words \n")
    text = f"{HEAD}{textwrap.dedent(module)}\nif __name__ == '__main__':\n    {calls}\n"
    project.write("job.py", text)
    run(project)
    run(project)  # one that changes a file which its argument names is stored when that is as it was


@pytest.mark.parametrize("case", CASES)
def test_who_reads_a_file_goes_by_who_wrote_it(project, case):
    module, calls, expected = CASES[case]
    made(project, module, calls)
    assert run(project) == []
    assert ask(project, "status")[0] == 0
    assert edges(project) == sorted(expected)

    project.write("in.txt", "  other, and more words  ")
    code, answer = ask(project, "status")
    told = {call["id"].partition(":")[0] for call in answer["calls"]}
    involved = {name for reader, _, writer in expected for name in (reader, writer)}
    assert code == 1
    assert told >= involved
    planned = [call["fname"] for call in ask(project, "plan")[1]["calls"] if call["runs"]]
    assert set(planned) >= involved
    for reader, _, writer in expected:
        assert planned.index(writer) < planned.index(reader)
    for reader, _, writer in expected[:1]:
        reasons = [r["text"] for call in ask(project, "explain", reader)[1]["calls"] for r in call["reasons"]]
        assert any(f"its input {writer}(" in r or "below it" in r for r in reasons), reasons
    assert involved <= set(run(project))
    run(project)
    assert ask(project, "status")[0] == 0
    assert edges(project) == sorted(expected)


@pytest.mark.parametrize("case", ["out among the arguments, tracked", "a chain of three", "a computed path, tracked"])
def test_refresh_makes_the_writer_first(project, case):
    module, calls, expected = CASES[case]
    made(project, module, calls)
    project.write("in.txt", "  other, and more words  ")
    told = refresh(project)
    assert told == f"{len(expected) + 1} ran"
    assert run(project) == []
    assert ask(project, "status")[0] == 0


@pytest.mark.parametrize("case", ["out among the arguments, tracked", "a chain of three"])
def test_an_equal_file_cuts_off_who_reads_it(project, case):
    module, calls, expected = CASES[case]
    made(project, module, calls)
    project.write("in.txt", "some words")
    assert ask(project, "status")[0] == 1
    assert refresh(project) == f"1 ran, {len(expected)} did not have to run"
    assert run(project) == []


def test_an_output_that_is_gone_is_written_before_it_is_read(project):
    module, calls, _ = CASES["a chain of three"]
    made(project, module, calls)
    (project / "o.txt").unlink()
    answer = ask(project, "status")[1]
    assert {call["id"].partition(":")[0] for call in answer["calls"]} == {"trim", "upper", "count"}
    own = {c["id"].partition(":")[0] for c in answer["calls"] if any(not r["link"] for r in c["reasons"])}
    assert own == {"trim"}, "who reads the file goes by who will write it, and may be a hit then"
    assert refresh(project) == "1 ran, 2 did not have to run"
    assert run(project) == []


def test_who_reads_what_the_program_wrote_right_before_did_not_write_it(project):
    made(
        project,
        """
        @cached
        def first(n):
            ran("first"); return track_file(f"plain{n}.txt").read_text()
        @cached
        def second(n):
            ran("second"); return len(track_file(f"plain{n}.txt").read_text())
        def written(path):
            path.write_text("x")
            while Path("probe").write_text("") or Path("probe").stat().st_ctime_ns == path.stat().st_ctime_ns:
                pass  # the clock of files goes by ticks
        """,
        """for n in range(0 if Path("plain9.txt").exists() else 10):
        written(Path(f"plain{n}.txt")); first(n); second(n)""",
    )
    assert edges(project) == []


CIRCLES = {
    "a call that reads and writes one file": (
        """
        @cached(file_args=[])
        def tidy(path):
            ran("tidy"); Path(path).write_text(Path(path).read_text().strip()); track_file(path)
        """,
        "tidy('in.txt'); count('in.txt')",
        {"tidy", "count"},
    ),
    "two that write what the other reads": (
        """
        @cached
        def there(n):
            ran("there"); Path("b.txt").write_text(Path(track_file("a.txt")).read_text()); track_file("b.txt")
        @cached
        def back(n):
            ran("back"); Path("a.txt").write_text(Path(track_file("b.txt")).read_text()); track_file("a.txt")
        """,
        "Path('a.txt').exists() or Path('a.txt').write_text('1'); there(1); back(1)",
        {"there", "back"},
    ),
}


@pytest.mark.parametrize("case", CIRCLES)
def test_no_circle_arises(project, case):
    module, calls, names = CIRCLES[case]
    made(project, module, calls)
    pairs = {(reader, writer) for reader, _, writer in edges(project)}
    assert not pairs & {(writer, reader) for reader, writer in pairs}
    project.write("job.py", (project / "job.py").read_text().replace('ran("', 'len([]) or ran("'))
    assert ask(project, "status")[0] == 1
    assert {c["fname"] for c in ask(project, "plan")[1]["calls"] if c["runs"]} == names
    refresh(project)
    run(project)
    assert ask(project, "status")[0] == 0
