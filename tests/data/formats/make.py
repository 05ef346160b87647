"""Makes the cache that is kept of a released format: `python tests/data/formats/make.py` in a checkout of that release.

It goes to a folder named after the format. Made once for each format and never again: that it is read is the test.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from cachepy.store.entryfile import MAGIC
from cachepy.store.stat_cache import _row

PROGRAM = """
from cachepy import cache_file

@cache_file("cache")
def load(path):
    with open(path) as file:
        return file.read()

@cache_file("cache")
def table(path, rows):
    return {"text": load(path), "rows": list(range(rows))}

@cache_file("cache")
def fail(path):
    raise ValueError(path)

if __name__ == "__main__":
    table("a.txt", 3)
    try:
        fail("a.txt")
    except ValueError:
        pass
"""


def main() -> None:
    kept = Path(__file__).parent / str(MAGIC[-1])
    folder = Path("/tmp/cachepy/formats")  # a name that tells nothing of a machine: it is kept in the files
    folder.mkdir(parents=True)
    try:
        _make(folder)
        shutil.copytree(folder, kept, ignore=shutil.ignore_patterns("__pycache__"))
    finally:
        shutil.rmtree(folder.parent)


def _make(folder: Path) -> None:
    (folder / "flow.py").write_text(PROGRAM)
    (folder / "python.txt").write_text("{}.{}\n".format(*sys.version_info))
    for text in ("one\n", "two\n"):  # the second leaves an older run of each
        (folder / "a.txt").write_text(text)
        subprocess.run([sys.executable, "flow.py"], cwd=folder, check=True)
    (folder / "cache" / "stat.memo").write_bytes(_row((1, 2, 3, 4, 5), "ab" * 16))


if __name__ == "__main__":
    main()
