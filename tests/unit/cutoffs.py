"""Modules that are imported again and again, each time as a new process would."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cachepy.session import Session, use_session
from tests.programs import Project

HEAD = """
import asyncio, os, threading, time
from pathlib import Path
from cachepy import cache_file, track_file
from cutlog import DIR, ran
"""
LOG = """
import os
DIR = os.environ["CUTDIR"]

def ran(name):
    with open(os.environ["CUTLOG"], "a") as log:
        log.write(name + "\\n")
"""


class Reimported:
    """Modules that are written and imported again and again, and a log of the bodies that ran."""

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self.place, self.stack = place, stack
        self.log = place / "log.txt"
        (place / "cutlog.py").write_text(LOG)

    def write(self, text: str, **parts: str) -> None:
        for name, part in parts.items():
            text = text.replace("{" + name + "}", part)
        (self.place / "cutmod.py").write_text(HEAD + textwrap.dedent(text))

    def load(self, text: str, **parts: str) -> Any:
        self.write(text, **parts)
        self.stack.enter_context(use_session(Session()))
        for name in ("cutmod", "cutlog"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("cutmod")

    def ran(self) -> list[str]:
        """The bodies that ran since this was asked last."""
        lines = self.log.read_text().split() if self.log.exists() else []
        self.log.write_text("")
        return lines

    def start(self, code: str) -> subprocess.Popen[str]:
        """A process of its own."""
        own = {name: os.environ[name] for name in ("CUTDIR", "CUTLOG")}
        return Project(self.place, **own).start("-c", code)


def claims(project: Reimported) -> list[Path]:
    return [p for p in (project.place / "cache").rglob("*") if "claim" in p.name or p.suffix in (".tmp", ".lock")]
