"""One script under whatever runs it: its code counts as the user's, and its calls have the same keys everywhere."""

from __future__ import annotations

import textwrap
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.programs import Project

if TYPE_CHECKING:
    pass

SCRIPT = """
    import enum
    import sys
    from dataclasses import dataclass

    from cachepy import cache_file

    class Colour(enum.Enum):
        RED = 1

    class Mark:
        size = 1

    @dataclass
    class Point:
        x: int

    class Known(Exception):
        pass

    FACTOR = 2

    def helper(x):
        return x * FACTOR

    def annotated(x: list[Point], y: Mark = Mark()) -> Colour:
        return x

    @cache_file("c", warn_cheap=False)
    def f(*given):
        with open("log", "a") as log:
            log.write("f\\n")
        return helper(annotated(3)) * Mark.size, str(Known("a"))

    def given():
        return [(), (Colour.RED,), (Mark,), (Point(3),), (helper,), ([Colour, Point, Known],)]

    def one(i):
        return f(*given()[i])[0]

    def by_value():
        from joblib import Parallel, delayed
        return [row[0] for row in Parallel(2)(delayed(f)(*each) for each in given())]

    def by_number():
        from joblib import Parallel, delayed
        return Parallel(2)(delayed(one)(i) for i in range(6))

    def pool(kind):
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(kind)) as executor:
            return list(executor.map(one, range(6)))

    if __name__ == "__main__":
        way = sys.argv[1] if len(sys.argv) > 1 else ""
        values = by_value() if way == "value" else by_number() if way == "number" else pool(way) if way else [*map(one, range(6))]
        print("value", sorted(set(values)))
    """
WAYS = {
    "python -m": ["-m", "main"],
    "imported": ["-c", "import main; print('value', sorted({*map(main.one, range(6))}))"],
    "run_path": ["-c", "import runpy; runpy.run_path('main.py', run_name='__main__')"],
    "runpy": ["-m", "runpy", "main"],
    "cProfile": ["-m", "cProfile", "main.py"],
    "profile": ["-m", "profile", "main.py"],
    "trace": ["-m", "trace", "--count", "-C", "cov", "main.py"],
    "pdb": ["-m", "pdb", "-c", "continue", "main.py"],
    "timeit": ["-m", "timeit", "-n1", "-r1", "import main; print('value', sorted({*map(main.one, range(6))}))"],
    "IPython": ["-m", "IPython", "main.py"],
    "loky": ["main.py", "number"],
    "loky, arguments by value": ["main.py", "value"],
    "loky in IPython": ["-m", "IPython", "main.py", "value"],
    "spawn": ["main.py", "spawn"],
    "forkserver": ["main.py", "forkserver"],
    "fork": ["main.py", "fork"],
}


def run(project: Project, *argv: str) -> tuple[list[str], list[str]]:
    """What the program printed, and the bodies that ran."""
    project.ran()
    done = project.run("-W", "ignore", *argv, stdin="q\n", code=None)
    printed = [line for line in done.lines if line.startswith("value")]
    assert printed, done.stderr
    return printed, project.ran()


@pytest.mark.parametrize("way", WAYS)
def test_a_script_under_whatever_runs_it(project: Project, way: str) -> None:
    project.write("main.py", SCRIPT)
    assert run(project, "main.py") == (["value [6]"], ["f"] * 6)
    printed, ran = run(project, *WAYS[way])
    assert (printed[0], ran) == ("value [6]", [])
    project.edit("main.py", "FACTOR = 2", "FACTOR = 3")
    project.edit("main.py", "size = 1", "size = 5")
    printed, ran = run(project, *WAYS[way])
    assert (printed[0], ran) == ("value [45]", ["f"] * 6)
    assert run(project, "main.py") == (["value [45]"], [])


def test_an_archive_that_is_run_and_edited(project: Project) -> None:
    source = textwrap.dedent(SCRIPT)
    for text, ran in ((source, 6), (source, 0), (source.replace("FACTOR = 2", "FACTOR = 4"), 6)):
        with zipfile.ZipFile(project / "app.pyz", "w") as archive:
            archive.writestr("__main__.py", text)
        printed, bodies = run(project, "app.pyz")
        assert printed == ["value [12]" if "FACTOR = 4" in text else "value [6]"]
        assert len(bodies) == ran


def test_a_package_that_is_run_and_imported(project: Project) -> None:
    project.write("pkg/__init__.py", "")
    project.write("pkg/job.py", SCRIPT)
    assert len(run(project, "-m", "pkg.job")[1]) == 6
    assert run(project, "-c", "from pkg import job; print('value', [job.one(i) for i in range(6)])")[1] == []
    assert run(project, "-m", "cProfile", "-m", "pkg.job")[1] == []
