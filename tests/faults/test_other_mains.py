"""One script under whatever runs it: its code counts as the user's, and its calls have the same keys everywhere."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

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
            log.write("f ")
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


def run(folder: Path, *argv: str) -> tuple[list[str], list[str]]:
    """What the program printed, and the bodies that ran."""
    log = folder / "log"
    log.write_text("")
    command = [sys.executable, "-B", "-W", "ignore", *argv]  # Python takes two edits within a second for one
    done = subprocess.run(command, cwd=folder, input="q\n", capture_output=True, text=True, timeout=120, check=False)
    printed = [line for line in done.stdout.splitlines() if line.startswith("value")]
    assert printed, done.stderr
    return printed, log.read_text().split()


@pytest.mark.parametrize("way", WAYS)
def test_a_script_under_whatever_runs_it(tmp_path: Path, way: str) -> None:
    source = textwrap.dedent(SCRIPT)
    script = tmp_path / "main.py"
    script.write_text(source)
    assert run(tmp_path, "main.py") == (["value [6]"], ["f"] * 6)
    printed, ran = run(tmp_path, *WAYS[way])
    assert (printed[0], ran) == ("value [6]", [])
    script.write_text(source.replace("FACTOR = 2", "FACTOR = 3").replace("size = 1", "size = 5"))
    printed, ran = run(tmp_path, *WAYS[way])
    assert (printed[0], ran) == ("value [45]", ["f"] * 6)
    assert run(tmp_path, "main.py") == (["value [45]"], [])


def test_an_archive_that_is_run_and_edited(tmp_path: Path) -> None:
    source = textwrap.dedent(SCRIPT)
    for text, ran in ((source, 6), (source, 0), (source.replace("FACTOR = 2", "FACTOR = 4"), 6)):
        with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
            archive.writestr("__main__.py", text)
        printed, bodies = run(tmp_path, "app.pyz")
        assert printed == ["value [12]" if "FACTOR = 4" in text else "value [6]"]
        assert len(bodies) == ran


def test_a_package_that_is_run_and_imported(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "job.py").write_text(textwrap.dedent(SCRIPT))
    assert len(run(tmp_path, "-m", "pkg.job")[1]) == 6
    assert run(tmp_path, "-c", "from pkg import job; print('value', [job.one(i) for i in range(6)])")[1] == []
    assert run(tmp_path, "-m", "cProfile", "-m", "pkg.job")[1] == []
