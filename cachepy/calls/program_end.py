"""The end of a program, or of a cell of a notebook: what it made before and did not make again is history.

Only a program of the user's that has come to its own end tells that: not one that stopped with an error, a signal or
another exit code than 0, no prompt, and none that is given other work each time without being another program.
"""

from __future__ import annotations

import os
import sys

from xxhash import xxh3_64_hexdigest

from cachepy.calls.state import MODE, QUIET, current_session
from cachepy.graph.program_files import Programs
from cachepy.store.entries import Store
from cachepy.store.fs import read_plain, safe_name, unlink
from cachepy.values.owners import USER, Owners, is_installed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType
    from typing import Any

    from cachepy.calls.program import Program

SCRIPT, MODULE, NOTEBOOK = "script", "module", "notebook"
_TASKS = frozenset({
    "SLURM_ARRAY_TASK_ID", "SLURM_PROCID", "PBS_ARRAY_INDEX", "PBS_ARRAYID", "SGE_TASK_ID", "LSB_JOBINDEX", "RANK",
    "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX", "CLOUD_RUN_TASK_INDEX",
})  # fmt: skip
"""Variables that say which part of a job a program is to do."""
_JOBS = frozenset({
    "SLURM_JOB_ID", "SLURM_JOBID", "SLURM_ARRAY_JOB_ID", "PBS_JOBID", "JOB_ID", "LSB_JOBID", "TMPDIR", "TMP", "TEMP",
    "SLURM_TMPDIR",
})  # fmt: skip
"""Those that are others in each job, and do not say what is to be done."""
_ASKS = frozenset({"stdin", "input", "fileinput"})  # what gives a program other work each time
SUMMARY = "CACHEPY_SUMMARY"  # the variable of the environment
_LONGEST = 64  # characters of what may be the name of a variable
_NEVER = float("inf")
_STDLIB = os.path.dirname(os.__file__) + os.sep
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep


class Who:
    """One program, as told from one cache directory: its file there, and what stands at the head of that.

    Places are kept relative to the cache directory where both lie in one tree, so that a project may move.
    """

    def __init__(self, root: str, program: Program, kind: str, name: str, variables: dict[str, str | None]) -> None:
        told = _from(root, name) if kind == SCRIPT or os.path.isabs(name) else name
        argv = () if kind == NOTEBOOK else tuple(program.argv)  # a kernel's are of that kernel
        values = sorted((name, value) for name, value in variables.items() if value is not None)
        asked = _digest(repr(values)) if values else ""
        self.variables = {name: "" if value is None else _digest(value) for name, value in variables.items()}
        self.header = (kind, told, _from(root, program.cwd), asked, *argv)
        self.file = f"{safe_name(os.path.basename(name) or kind)}-{_digest(repr(self.header))}"


def _digest(text: str) -> str:
    return xxh3_64_hexdigest(text.encode("utf-8", "replace"))


def _from(root: str, path: str) -> str:
    """A path as seen from the cache directory, if both have more in common than the top of all."""
    try:
        common = os.path.commonpath([root, path])
    except ValueError:
        return path
    return path if common == os.path.dirname(common) else os.path.relpath(path, root)


def end(program: Program) -> None:
    """The process ends: it takes what its children told, and decides if it is a program that tells anything."""
    if program.is_child():
        return
    for each in program.at_end:
        each()
    if os.environ.get(SUMMARY, "0") not in ("", "0") and not program.is_silent:
        _print_summary()
    if os.environ.get(MODE) in QUIET:
        return
    for each in program.before_end:
        each()
    named = named_by(program)
    variables = {} if named is None else _variables(program)
    for store in _stores(program):
        made = _made(program, store)
        if named is None:
            _try_to_keep(store, made)
            continue
        if named[0] == NOTEBOOK:
            continue
        who = Who(store.root, program, *named, variables)
        if made or os.path.exists(store.programs + who.file):
            _try_to_settle(store, who, "", made, program.began, lambda: _concludes(program))


def _print_summary() -> None:
    """One line on stderr, if that is still there."""
    from cachepy.calls.happened import summary_of

    try:
        print(f"cachepy: {summary_of(current_session()).line}", file=sys.stderr, flush=True)  # noqa: T201 - asked for
    except (AttributeError, OSError, ValueError):  # it was closed
        return


def _made(program: Program, store: Store) -> set[str]:
    """What the program made of a cache directory, its children too."""
    place = program.places.get(store.root)
    told = Programs(store).take(program.marks())
    return told if place is None else told | place.calls


def _stores(program: Program) -> Iterator[Store]:
    """The cache directories of all functions that the program has, made calls of or not."""
    for place in program.places.values():
        yield place.store
    roots = {options.root() for options in program.options.values()}
    for root in sorted(roots - program.places.keys()):
        if os.path.isdir(os.path.join(root, "programs")):
            yield Store(root)


def _try_to_settle(store: Store, *what: Any) -> None:
    """What cannot be written is not known."""
    try:
        settle(Programs(store), *what)
    except OSError:
        return


def _try_to_keep(store: Store, made: set[str]) -> None:
    """What no program made is concluded from by nobody, but it was made."""
    try:
        Programs(store).meet(made)
    except OSError:
        return


def settle(
    folder: Programs, who: Who, place: str, made: set[str], began: float, concludes: Callable[[], bool]
) -> None:  # fmt: skip
    """A program, or one of its cells, made this: what it made before is history, if nobody else makes it.

    Another run of it that ended since it began may still make that. When its code named other variables of the
    environment, it was another program by its name, but none that anybody can run.
    """
    again = made & folder.past()
    if again:
        folder.again(sorted(again))
    known = folder.made_by(who.file)
    was = known.get(place, set())
    earlier = {} if place else folder.earlier(who.file, who.header, who.variables, began)
    gone = was.union(*earlier.values()) - made
    if gone and (folder.ended(who.file) > began or not concludes()):
        made, gone, earlier = made | was, set(), {}
    if made != was or earlier:
        known[place] = made
        if gone:
            others = [calls for each in folder.made_by_others(who.file, *earlier) for calls in each.values()]
            gone.difference_update(*others, *known.values())
        if gone:
            folder.drop(sorted(gone))
        folder.keep(who.file, who.header, known, who.variables)
        for name in earlier:
            unlink(folder.folder + name)
    elif made:
        os.utime(folder.folder + who.file)


# ---------------------------------------------------------------- which program


def named_by(program: Program) -> tuple[str, str] | None:
    """The kind and the name of a program; None for one that nothing is told from."""
    shell = _shell()
    if shell is not None:
        book = os.environ.get("JPY_SESSION_NAME") or shell.user_ns.get("__vsc_ipynb_file__") or ""
        return NOTEBOOK, str(book)
    if program.file is None or sys.flags.interactive or hasattr(sys, "ps1"):
        return None
    file = os.path.join(program.cwd, program.file)
    if not _is_own(file, program.frame.f_globals):
        return None
    spec = program.frame.f_globals.get("__spec__")
    if spec is not None and spec.name != "__main__":
        return MODULE, str(spec.name)
    return SCRIPT, os.path.normpath(file)


def _is_own(file: str, scope: dict[str, Any]) -> bool:
    """Whether a program is the user's: of what an installation put beside Python, by what it calls."""
    owners = Owners()
    if owners.kind(file) != USER:
        return False
    if os.path.dirname(file) != os.path.dirname(os.path.abspath(sys.executable)):
        return True
    modules = {getattr(value, "__module__", None) for value in list(scope.values())}
    files = [getattr(sys.modules.get(str(name)), "__file__", None) for name in modules - {"__main__"}]
    return any(type(each) is str and owners.kind(each) == USER for each in files)


def _variables(program: Program) -> dict[str, str | None]:
    """The environment variables that the user's code names: with other values it is another program.

    None for a name that is not set, and may as well be no variable.
    """
    words = {const.encode() for code in codes_in(program.frame) for const in code.co_consts if type(const) is str}
    for file in _sources():
        try:
            words.update(read_plain(file).replace(b"'", b'"').split(b'"'))
        except OSError:
            continue
    free = [word.decode() for word in words if len(word) < _LONGEST and word.isupper() and word.isascii()]
    named = {name for name in os.environ if os.fsencode(name) in words and name not in _JOBS}
    named |= (_TASKS & os.environ.keys()) | {name for name in free if name.isidentifier()}
    return {name: os.environ.get(name) for name in named}


def codes_in(frame: Any) -> Iterator[CodeType]:
    """The code of a frame, and all that is written inside of it."""
    todo = [frame.f_code]
    while todo:
        code = todo.pop()
        yield code
        todo += [each for each in code.co_consts if type(each) is type(code)]


def _sources() -> Iterator[str]:
    """The files of the user's modules that are loaded."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if type(file) is not str or not file.endswith(".py") or file.startswith((_STDLIB, _OURS)):
            continue
        if not is_installed(file):
            yield file


def _concludes(program: Program) -> bool:
    """Whether the program has come to its own end, having made all that it makes."""
    if program.has_failed or program.frame is None:
        return False
    if any(not _ASKS.isdisjoint(code.co_names) for code in codes_in(program.frame)):
        return False
    from cachepy.graph.clean_exit import ended_well  # few programs leave something out

    return ended_well(program.frame, os.path.join(program.cwd, program.file or ""))


# ---------------------------------------------------------------- notebooks


def _shell() -> Any:
    """The IPython that runs cells here."""
    ipython = sys.modules.get("IPython")
    get = getattr(ipython, "get_ipython", None)
    return None if get is None else get()


def watch_cells(program: Program) -> None:
    """See cells end."""
    shell = _shell()
    if shell is not None:
        shell.events.register("pre_run_cell", lambda *_: program.begin_turn())
        shell.events.register("post_run_cell", lambda result: _end_cell(program, result))


def _end_cell(program: Program, result: Any) -> None:
    """A cell has ended: what it made before, and not now, is history. A cell without an id is known to nobody."""
    named, cell = named_by(program), getattr(getattr(result, "info", None), "cell_id", None)
    if named is None or program.is_child():
        return
    for each in program.before_end:
        each()
    is_well = bool(cell) and bool(getattr(result, "success", False)) and not program.has_failed
    for store in _stores(program):
        made = _made(program, store)
        if made or cell:
            _try_to_settle(store, Who(store.root, program, *named, {}), str(cell or ""), made, _NEVER, lambda: is_well)
