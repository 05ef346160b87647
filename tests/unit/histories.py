"""Programs that make a call no more, and what `status` says of it."""

from __future__ import annotations

LIB = """
from pathlib import Path
from cachepy import cache_file

@cache_file(Path(__file__).parent / ".cachepy")
def load(path):
    return Path(path).read_text()

@cache_file(Path(__file__).parent / ".cachepy")
def total(*paths):
    return "".join(load(path) for path in paths)
"""
LOAD_BOTH = "from lib import load\nload('a.txt')\nload('b.txt')\n"
LOAD_A = "from lib import load\nload('a.txt')\n"


def python(project, *args, **how):
    return project.run("-W", "error::cachepy.CacheWarning", *args, **how)


def run(project, text, *args, name="job.py", **how):
    project.write(name, text)
    return python(project, name, *args, **how)


def status(project, *args):
    """The exit code, how many calls are shown, and how many are history."""
    done = project.cachepy("status", "--json", *args)
    document = done.json()
    return done.returncode, document["counts"]["calls"], len(document["history"])


def nothing_is_concluded(project):
    """B is an alarm still."""
    project.write("b.txt", "changed")
    return status(project) == (1, 2, 0)
