"""One helper for "a program in a fresh process, edited": files in a folder, what runs them, and what came of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 240  # seconds for one process: it hangs
PASSING = (".claim", ".tmp", ".break", ".dead")  # how files are named that are there while something happens
# Where functions log to, and how they are to behave for once, is no input of theirs: it differs between calls that are hits.
NO_INPUTS = (
    "PIPE_LOG,PIPE_MODE,REFRESH_LOG,MAIN_LOG,RANLOG,CUTLOG,CUTDIR,TUTORIAL_LOG,READER,DAWDLE,OWNER,SLOW,INSIDE,FAIL"
)
SETTINGS = ("CACHEPY", "PYTHON", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "SLURM_", "SGE_", "PBS_")  # of who runs the tests
LOG = '''
import os


def log(*words):
    """One line of the file `log` beside this one, written at once, whichever process writes."""
    fd = os.open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, (" ".join(map(str, words)) + "\\n").encode())
    os.close(fd)
'''


class Ran(NamedTuple):
    """How a process ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    def json(self) -> Any:
        return json.loads(self.stdout)

    def silent(self) -> str:
        """What it printed; there must be no word on stderr."""
        assert not self.stderr, self.stderr
        return self.stdout


class Project:
    """A user's folder: its files are written and edited, and run by Python, each time in a process of its own.

    `head` stands above the text of each Python file that is written; `env` are variables of all its processes.
    Nothing that was started outlives a `with` block.
    """

    def __init__(self, folder: Path, head: str = "", **env: str | None) -> None:
        self.folder, self.head, self.env = folder, head, env
        self.started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.started:
            with suppress(ProcessLookupError):  # what it left behind, children of its own included
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, text: str) -> Path:
        """Write a file; one of Python below the head, and without the indent that its lines share."""
        return self._put(name, self.head + textwrap.dedent(text) if name.endswith(".py") else text)

    def edit(self, name: str, old: str, new: str) -> Path:
        """Replace what stands in a file exactly once."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} has {text.count(old)} times {old!r}"
        return self._put(name, text.replace(old, new))

    def _put(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.stat().st_mtime_ns if path.exists() else 0
        path.write_text(text, encoding="utf-8")
        while path.stat().st_mtime_ns == before:  # the clock of the file system is slow: it has to be later
            path.write_text(text, encoding="utf-8")
        return path

    def environment(self, **env: str | None) -> dict[str, str]:
        """That of a user without settings of their own, but for those given; None is a variable that is not set."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(SETTINGS)}
        own = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1"}
        own["CACHEPY_IGNORE_ENV"] = NO_INPUTS
        return {k: v for k, v in (kept | own | self.env | env).items() if v is not None}

    def start(self, *args: object, stdin: int = subprocess.DEVNULL, **env: str | None) -> subprocess.Popen[str]:
        """Start Python in the folder with these arguments: the name of a file, or `-c` and a text."""
        process = subprocess.Popen(
            [sys.executable, *map(str, args)], cwd=self.folder, env=self.environment(**env), stdin=stdin, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    def finish(self, process: Any, *, code: int | None = 0, limit: float = LIMIT, stdin: str | None = None) -> Ran:
        """Wait until it ends with this code; with 0, and with None, which is any, no traceback may be on stderr."""
        try:
            out, err = process.communicate(stdin, timeout=limit)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # the fault handler tells where each thread stands
            out, err = process.communicate(timeout=20)
            raise AssertionError(f"not finished within {limit} s\n{out}\n{err}") from None
        assert code in (None, process.returncode), f"exit {process.returncode}\n{out}\n{err}"
        assert code or "Traceback" not in err, err
        return Ran(process.returncode, out, err)

    def run(self, *args: object, code: int | None = 0, limit: float = LIMIT, stdin: str | None = None, **env: str | None) -> Ran:
        """Start and finish."""
        process = self.start(*args, stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE, **env)
        return self.finish(process, code=code, limit=limit, stdin=stdin)

    def main(self, text: str, *args: object, **how: Any) -> Ran:
        """Write the program and run it."""
        return self.run(self.write("main.py", text).name, *args, **how)

    def cachepy(self, *words: object, code: int | None = None, **how: Any) -> Ran:
        """What the command answers here."""
        return self.run("-m", "cachepy", *words, code=code, **how)

    def logged(self) -> list[str]:
        """The lines of the file `log`, where programs tell which of their bodies ran."""
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []

    def ran(self) -> list[str]:
        """What was logged since this was asked last."""
        lines = self.logged()
        (self.folder / "log").unlink(missing_ok=True)
        return lines

    def wait_for(self, line: str, limit: float = 20) -> None:
        end = time.monotonic() + limit
        while line not in self.logged():
            assert time.monotonic() < end, f"{line!r} was not logged within {limit} s: {self.logged()}"
            time.sleep(0.02)

    def leftovers(self, cache: str = "cache") -> list[str]:
        """Claims, temporary files and mailboxes that nobody needs any more."""
        files = [path for path in (self.folder / cache).rglob("*") if path.is_file()]
        return [str(path) for path in files if path.name.endswith(PASSING) or path.parent.name == "runs"]
