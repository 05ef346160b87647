"""The process in which modules are imported for a question, from outside: started, watched, and killed.

It has no terminal and a time limit; what its modules print goes to nobody but a failure's last lines; it is killed with
all that it started.  Its answers come through a file, which no module can close.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
from time import monotonic

from cachepy.calls.import_refusal import ASKED, notes_in, sentence
from cachepy.errors import UsageValueError
from cachepy.staleness import importer
from cachepy.store import safe_pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from cachepy.calls.import_refusal import Note

    Group = dict[str, list[str]]  # module -> identities

LIMIT = "CACHEPY_IMPORT_TIMEOUT"
_SECONDS = 60.0
_PAUSE = 0.1  # s between two looks at what is answered
_GRACE = 2.0  # s that a module may go on after something of it was refused a call
_TAIL = 4096  # bytes of what was printed that are kept
_LINES = 5
_READS = 64  # of what it printed last: it may print for ever
_START = "import sys; sys.path.insert(0, sys.argv[1]); from cachepy.staleness.importer import main; main(sys.argv[2])"
_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(importer.__file__))))


def limit() -> float:
    """How long the imports of one question may take (s)."""
    text = os.environ.get(LIMIT, "")
    try:
        seconds = float(text) if text else _SECONDS
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise UsageValueError(f"{LIMIT}={text!r} must be a number of seconds above 0")
    return seconds


class Child:
    """Imports some modules.

    module: the one that it was at when it ended; why: what is wrong with that, or with all if it came to none;
    has_died: whether it ended by itself before it had answered all.
    """

    def __init__(self, asked: Group, path: list[str], memos: list[str], ends: float) -> None:
        self._asked = asked
        self._question = path, memos
        self._ends = ends
        self._module_ends = ends
        self._read = 0
        self._noted = 0
        self._refused_at = 0.0
        self._tail = b""
        self.module = self.why = ""
        self.has_died = False

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="cachepy-")
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        return self

    def _start(self) -> None:
        path, memos = self._question
        seconds = int(self._ends - monotonic()) + 5
        question = safe_pickle.dumps(([*self._asked.items()], path, memos, seconds))
        with open(os.path.join(self._folder, importer.QUESTION), "wb") as file:
            file.write(question)
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]  # as multiprocessing does
        self._process = subprocess.Popen(  # noqa: S603 - this very Python, with our own text
            [sys.executable, *flags, "-P", "-B", "-c", _START, _HOME, self._folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, ASKED: self._folder, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._output, selectors.EVENT_READ)

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except OSError:  # it ended, and left nothing behind
            pass
        self._process.kill()
        self._process.wait()
        self._selector.close()
        self._process.stdout.close()  # type: ignore[union-attr]  # it is a pipe
        shutil.rmtree(self._folder, ignore_errors=True)

    def answers(self) -> Iterator[tuple[Any, ...]]:
        """Its answers as they come, until it has given all, or has to be given up."""
        is_over = False
        while True:
            for answer in self._new_answers():
                if answer[0] == importer.ENDED:
                    return
                if answer[0] != importer.BEGUN:
                    self.module = ""
                    yield answer
                    continue
                _, self.module, self._noted = answer
                self._begin()
            if is_over:
                self._die()
                return
            if self._is_given_up():
                return
            is_over = self._process.poll() is not None  # what it said last is read once more
            if not is_over:
                self._wait()

    def _begin(self) -> None:
        now = monotonic()
        several = len(self._asked) > 1  # a module that hangs leaves some time for the others
        self._module_ends = now + (self._ends - now) / 2 if several else self._ends
        self._refused_at = 0.0

    def _new_answers(self) -> list[tuple[Any, ...]]:
        try:
            with open(os.path.join(self._folder, importer.ANSWERS), "rb") as file:
                file.seek(self._read)
                data = file.read()
        except OSError:
            return []
        found, at, size = [], 0, importer.LENGTH
        while len(data) >= at + size:
            end = at + size + int.from_bytes(data[at : at + size], "little")
            if len(data) < end:
                break
            found.append(safe_pickle.loads(data[at + size : end]))
            at = end
        self._read += at
        return found

    def _is_given_up(self) -> bool:
        now, notes = monotonic(), self._notes()
        if notes and not self._refused_at:
            self._refused_at = now
        is_late = now > min(self._module_ends, self._ends)
        if notes and (is_late or now > self._refused_at + _GRACE):
            self.why = self._refused(notes)
            return True
        if is_late:
            self.why = f"its import took too long ({LIMIT} sets the seconds for all imports)"
        return is_late

    def _notes(self) -> list[Note]:
        """What was refused since the module began that it is at."""
        return notes_in(self._folder)[self._noted :] if self.module else []

    def _refused(self, notes: list[Note]) -> str:
        return sentence(notes[0], f"{self.module.rpartition('.')[2]}.py")

    def _die(self) -> None:
        code, notes = self._process.returncode, self._notes()
        self.has_died = not notes
        if notes:
            self.why = self._refused(notes)
        elif not self.module:
            self.why = f"the process that should import it ended {_how(code)}"
        else:
            self.why = f"it ended the process that imported it {_how(code)}"

    def _wait(self) -> None:
        """Until it prints something, ends, or a moment has passed."""
        if not self._selector.get_map():  # a module has closed its stdout, and goes on
            try:
                self._process.wait(_PAUSE)
            except subprocess.TimeoutExpired:
                pass
            return
        if self._selector.select(_PAUSE):
            self._drain()

    def _drain(self) -> None:
        data = os.read(self._output, 1 << 16)
        self._tail = (self._tail + data)[-_TAIL:]
        if not data:
            self._selector.unregister(self._output)

    def printed(self) -> list[str]:
        """The last lines that it printed."""
        for _ in range(_READS):
            if not self._selector.get_map() or not self._selector.select(0):
                break
            self._drain()
        return self._tail.decode("utf-8", "replace").splitlines()[-_LINES:]


def _how(code: int) -> str:
    if code >= 0:
        return f"(exit code {code})"
    try:
        return f"({signal.Signals(-code).name})"
    except ValueError:
        return f"(signal {-code})"
