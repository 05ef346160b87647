"""A fork server for `test_undeclared_files.py`: a fresh process for each request, with or without cachepy.

A request is a list of phases in one process: edits of files, then the calls. Run as a script.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from dag_server import main, oracle

from tests.forked import begin_now

WARM = ("asyncio", "concurrent.futures.thread", "csv", "fileinput", "glob", "shutil", "subprocess", "tempfile")


def operate(edit: list[Any]) -> None:
    """Change a file; what is not there cannot be touched, and is left as it is."""
    what, name, *rest = edit
    path = Path(name)
    if what == "write":
        content, keep_time, replace = rest
        put(path, content, keep_time=keep_time, replace=replace)
    elif path.is_file():
        if what == "delete":
            path.unlink()
        elif what == "touch":
            os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 5_000_000_000))
        elif what == "anew":
            put(path, path.read_text(), keep_time=False, replace=rest[0])
        elif what == "rename":
            Path(rest[0]).parent.mkdir(parents=True, exist_ok=True)
            path.replace(rest[0])
        elif what == "link" and not path.is_symlink():
            other = Path("elsewhere", name.replace("/", "-")).absolute()
            other.parent.mkdir(exist_ok=True)
            path.replace(other)
            path.symlink_to(other)


def put(path: Path, text: str, *, keep_time: bool, replace: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.stat() if path.exists() else None
    written = path.with_suffix(".beside") if replace else path
    written.write_text(text)
    if keep_time and before is not None:
        os.utime(written, ns=(before.st_atime_ns, before.st_mtime_ns))
    written.replace(path)


def tree() -> dict[str, str | None]:
    """All files below with their content, and all folders."""
    return {str(path): path.read_text() if path.is_file() else None for path in sorted(Path().rglob("*"))}


def serve(request: dict[str, Any]) -> dict[str, Any]:
    begin_now()
    sys.dont_write_bytecode = True
    os.chdir(request["data"])
    sys.path.insert(0, request["src"])
    if request["oracle"]:
        sys.modules["cachepy"] = oracle()
    log = Path(request["data"] + "-log")
    phases = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for edits in request["phases"]:
            for edit in edits:
                operate(edit)
            log.unlink(missing_ok=True)
            before = tree()
            program = importlib.import_module("program")
            values = [repr(getattr(program, f"f{index}")(n)) for index, n in request["calls"]]
            ran = log.read_text().splitlines() if log.exists() else []
            phases.append({"values": values, "ran": ran, "before": before, "after": tree()})
    said = [f"{each.category.__name__}: {each.message}" for each in caught]
    return {"phases": phases, "warnings": said}


if __name__ == "__main__":
    for name in WARM:  # what the programs import
        importlib.import_module(name)
    main(serve)
