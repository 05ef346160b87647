"""Prints constraints that pin dependencies at the lower bounds of pyproject.toml, for the job that tests those bounds.

`python .ci/lowest.py` pins all dependencies, `python .ci/lowest.py dask distributed` only these. A dependency without a
lower bound is an error: nobody could say what it was tested with. Runs before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*>=\s*(?P<version>[0-9][0-9.]*)")


def bounds(pyproject: Path) -> dict[str, str]:
    """Each dependency and its lower bound."""
    with pyproject.open("rb") as file:
        given: list[str] = tomllib.load(file)["project"]["dependencies"]
    found = {text: BOUND.match(text) for text in given}
    unbound = [text for text, match in found.items() if match is None]
    if unbound:
        raise SystemExit(f"no lower bound: {', '.join(unbound)}")
    return {match["name"]: match["version"] for match in found.values() if match is not None}


def constraints(pyproject: Path, names: list[str]) -> list[str]:
    """The lines of a constraints file, of all dependencies or of those that are named."""
    lowest = bounds(pyproject)
    unknown = sorted(set(names) - set(lowest))
    if unknown:
        raise SystemExit(f"not among the dependencies: {', '.join(unknown)}")
    return [f"{name}=={version}" for name, version in lowest.items() if not names or name in names]


if __name__ == "__main__":
    print(*constraints(PYPROJECT, sys.argv[1:]), sep="\n")
