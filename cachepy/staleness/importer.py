"""Imports modules in a process that was started for it, and says what code their names stand for; see `imported_code`.

Whatever a module does to this process is its own affair: each answer is appended to a file at once, under a path that
neither a changed folder nor closed files can take away, and the process ends without running anything more.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress

from cachepy.calls.closed_code import asked_for, plain_name
from cachepy.calls.import_refusal import notes_in, sentence
from cachepy.calls.live_world import LiveWorld
from cachepy.calls.state import current_session
from cachepy.code.fingerprint import Target
from cachepy.store import safe_pickle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType, TracebackType
    from typing import Any

QUESTION, ANSWERS = "question", "answers"
BEGUN, CODES, FAILED, ENDED = "begun", "codes", "failed", "ended"
LENGTH = 8  # bytes in front of each answer
SCRIPT = "__mp_main__"  # as in the children of `multiprocessing`: a script that is run, but not as the program


def main(folder: str) -> None:
    """Answer the question in a folder, and end this process."""
    with open(os.path.join(folder, QUESTION), "rb") as file:
        wanted, path, memos, limit = safe_pickle.loads(file.read())
    _end_after(limit)
    sys.path[:] = path
    _Importer(folder, memos).run(wanted)
    os._exit(0)  # threads of the modules may be running still


def _end_after(seconds: int) -> None:
    """If whoever asked was killed, nobody else ends this process."""
    import signal

    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)


class _Importer:
    """Imports one module after the other."""

    def __init__(self, folder: str, memos: list[str]) -> None:
        self._folder = folder
        self._pid = os.getpid()
        self._cwd = os.getcwd()
        self._session = current_session()
        for memo in memos:
            self._session.files.memo.attach(memo)
        self._noted = 0

    def run(self, wanted: list[tuple[str, list[str]]]) -> None:
        told: dict[str, list[Any]] = {}
        for module, identities in wanted:
            self._tell(BEGUN, module, self._noted)
            try:
                os.chdir(self._cwd)
                codes = self._codes(module, identities)
                why = self._refused(module)
            except BaseException as error:
                why = self._refused(module) or _why(error)
            if why:
                _flush()
                self._tell(FAILED, module, why)
            else:
                told[module] = codes
                self._tell(CODES, module, codes)
        self._tell_what_changed(told)
        self._tell(ENDED)

    def _tell_what_changed(self, told: dict[str, list[Any]]) -> None:
        """A module that was imported later may have put something else into an earlier one, as the program would."""
        for module, codes in told.items():
            now = [self._now(each) for each in codes]
            if now != codes:
                self._tell(CODES, module, now)

    def _now(self, then: tuple[str, bool, list[Any]]) -> tuple[str, bool, list[Any]]:
        try:
            now = self._found(then[0])
        except Exception:  # code of any class; it could be looked at before
            return then
        return now if now[2] else then

    def _tell(self, *answer: Any) -> None:
        """Append an answer; not in a copy of this process that a module made, and let go on."""
        if os.getpid() != self._pid:
            os._exit(0)
        data = safe_pickle.dumps(answer)
        with open(os.path.join(self._folder, ANSWERS), "ab", buffering=0) as file:
            file.write(len(data).to_bytes(LENGTH, "little") + data)

    def _refused(self, module: str) -> str:
        """What was refused since the module before, whoever asked and whatever was caught."""
        notes = notes_in(self._folder)[self._noted :]
        self._noted += len(notes)
        return sentence(notes[0], _file_name(module)) if notes else ""

    def _codes(self, module: str, identities: list[str]) -> list[tuple[str, bool, list[Any]]]:
        """Of each identity what stands there: whether that is a cached function, and each digest with its pieces."""
        ended = load(module)
        gc.collect()  # a function that was defined anew, or deleted, is not what the name leads to
        found = [self._found(identity) for identity in identities]
        if not all(codes for _, _, codes in found) and (program := _program_of(module)) is not None:
            ended = run_script(program, module) or ended  # `python -m package` calls itself what the package is called
            found = [each if each[2] else self._found(each[0]) for each in found]
        if ended is not None and not all(codes or "<" in identity for identity, _, codes in found):
            raise ended
        return found

    def _found(self, identity: str) -> tuple[str, bool, list[Any]]:
        world = LiveWorld(self._session)
        things = world.found(plain_name(identity))
        reaches = asked_for(self._session, identity, things)
        is_cached = any(isinstance(thing, Target) for thing in things)
        return identity, is_cached, [(r.digest, [piece.astuple() for piece in r.pieces]) for r in reaches]


def _flush() -> None:
    """What a module printed is shown where it failed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a module has closed it, or put something else there
            stream.flush()


def _why(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it calls sys.exit({error.code!r})"
    try:
        text = str(error)
    except BaseException:  # code of any class
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _file_name(module: str) -> str:
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    return os.path.basename(file) if isinstance(file, str) else module.rpartition(".")[2] + ".py"


# ---------------------------------------------------------------- one module


def load(module: str) -> SystemExit | None:
    """Have a module loaded under its canonical name, which may be that of a script with any name at all.

    Returns how it ended the program in its last line, if it did: then all that it defines is there.
    """
    loaded = sys.modules.get(module)
    if loaded is not None:  # of the standard library, maybe, which the folder of a script hides in the program
        first = _file_of(f"{module}.py")
        if first is not None and not _is_of(loaded, first):
            return run_script(first, "")
        return None
    spec = _spec_of(module)
    if spec is not None and spec.loader is not None:
        return _import(module, spec)
    script = _file_of(f"{module}.py") or _file_of(module)
    if script is None:
        __import__(module)  # a namespace package, or the error that says what is lacking
        return None
    return run_script(script, "")


def _spec_of(module: str) -> Any:
    from importlib.util import find_spec

    above = module.rpartition(".")[0]
    try:
        return find_spec(module)
    except ModuleNotFoundError as error:
        if above and error.name is not None and f"{above}.".startswith(f"{error.name}."):
            return None
        raise


def _import(module: str, spec: Any) -> SystemExit | None:
    """As the import statement does."""
    from importlib.util import module_from_spec

    sys.argv[:] = [spec.origin or module]
    made = sys.modules[module] = module_from_spec(spec)
    try:
        ended = _execute(spec.loader, made)
    except BaseException:
        sys.modules.pop(module, None)
        raise
    above, _, name = module.rpartition(".")
    if above:
        setattr(sys.modules[above], name, sys.modules.get(module))
    return ended


def _execute(loader: Any, module: ModuleType) -> SystemExit | None:
    try:
        loader.exec_module(module)
    except SystemExit as error:
        if not _is_at_the_end(error.__traceback__, module):
            raise
        return error
    return None


def _is_at_the_end(tb: TracebackType | None, module: ModuleType) -> bool:
    """Whether a module called `sys.exit` where no statement follows: all that it defines is there."""
    while tb is not None and tb.tb_frame.f_globals is not vars(module):
        tb = tb.tb_next
    if tb is None:
        return False
    import ast
    from importlib.util import decode_source

    try:
        with open(tb.tb_frame.f_code.co_filename, "rb") as file:
            tree = ast.parse(decode_source(file.read()))
    except (OSError, SyntaxError, ValueError):
        return False
    return not any(isinstance(node, ast.stmt) and node.lineno > tb.tb_lineno for node in ast.walk(tree))


def _is_of(module: ModuleType, file: str) -> bool:
    found = getattr(module, "__file__", None)
    return isinstance(found, str) and os.path.exists(found) and os.path.samefile(found, file)


def _file_of(name: str) -> str | None:
    """The first file of a name on the way of imports."""
    files = (os.path.join(folder, name) for folder in sys.path)
    return next(filter(os.path.isfile, files), None)


# ---------------------------------------------------------------- scripts


def _program_of(module: str) -> str | None:
    """The ``__main__`` of a package."""
    for folder in getattr(sys.modules.get(module), "__path__", ()):
        file = os.path.join(folder, "__main__.py")
        if os.path.isfile(file):
            return file
    return None


def run_script(file: str, package: str) -> SystemExit | None:
    """Run a script as the children of `multiprocessing` do: its name is that of its file, and its guard holds."""
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    loader = SourceFileLoader(SCRIPT, file)
    spec = spec_from_loader(SCRIPT, loader, origin=file)
    assert spec is not None
    made = module_from_spec(spec)
    vars(made).update(__file__=file, __package__=package, __spec__=None)
    sys.argv[:] = [file]
    sys.modules[SCRIPT] = made
    return _execute(loader, made)
