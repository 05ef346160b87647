"""Programs that bodies start: the executable counts by its content, and so do the files that its command line names.

What it does cannot be seen.  A file that is named there and was not what it was when the body ended is an output; one
that was left alone is an input.  Words of a shell's command are taken apart, as far as they are plain.
"""

from __future__ import annotations

import glob
import os
import shlex
import sys

from cachepy.calls.entry_points import Pick
from cachepy.calls.file_events import events, text_of
from cachepy.values.paths import MAGIC
from cachepy.values.stand_ins import Watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from cachepy.calls.entry_points import Picks
    from cachepy.calls.file_events import Sight

_ENDS = frozenset({"|", "||", "&&", ";", "&", "(", ")", "{", "}", "!", "|&"})  # after these a program's name comes
_REDIRECTS = frozenset({">", ">>", "<", ">&", "&>", "<>", ">|", "<<<", "<<"})
_WORDS = frozenset({
    "if", "then", "else", "elif", "fi", "for", "do", "done", "while", "until", "case", "esac", "in", "time", "exec",
    "env", "nice", "nohup", "sudo", "cd", "set", "export", "test", "[", "echo", "true", "false", "exit", "eval", "wait",
})  # fmt: skip
"""What a shell does itself, or what only starts another program."""
_LONGEST = 4096
_NO_NAME = frozenset(" \t\n'\"();|&$<>{}")  # what has one of these is a text, unless such a file is there
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash"})


def started(sights: Iterable[Sight], args: Any, *, is_shell: bool, cwd: Any = None, env: Any = None) -> None:
    """A program is about to be started; never raises."""
    try:
        folder = text_of(cwd)
        programs, words = _of_shell(args) if is_shell else _of_list(args)
        if not is_shell and programs and os.path.basename(programs[0]) in _SHELLS and "-c" in words[:-1]:
            more, words = _of_shell(words[words.index("-c") + 1])
            programs, is_shell = programs + more, True
        found = [_executable(each, folder, env) for each in programs]
        paths = list(_paths(words, folder))
    except (ValueError, TypeError, OSError):  # quotes without an end: what a shell makes of them, nobody knows
        return
    for sight in sights:
        for each in found:
            if each is not None:
                sight.read(each)
        for path in paths:
            if is_shell and not MAGIC.isdisjoint(path):
                sight.match(path)
                for each in glob.glob(path):
                    sight.name(each)
            else:
                sight.name(path)


def _of_list(args: Any) -> tuple[list[str], list[str]]:
    words = [args] if isinstance(args, (str, bytes, os.PathLike)) else list(args)
    texts = [text for text in map(text_of, words) if text is not None]
    return texts[:1], texts[1:]


def _of_shell(args: Any) -> tuple[list[str], list[str]]:
    """The names of programs in a shell's command, and all other words."""
    text = text_of(args if isinstance(args, (str, bytes, os.PathLike)) else next(iter(args), ""))
    lexer = shlex.shlex((text or "").replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    programs, words, is_first = list[str](), list[str](), True
    for word in lexer:
        if word in _ENDS:
            is_first = True
        elif word in _REDIRECTS or word.isdigit() or (is_first and ("=" in word or word in _WORDS)):
            continue
        elif is_first:
            programs.append(word)
            is_first = False
        else:
            words.append(word)
    return programs, words


def _executable(name: str, folder: str | None, env: Mapping[str, str] | None) -> str | None:
    """Where the program of a name is."""
    if os.sep in name:
        return os.path.join(folder or "", name)
    path = (os.environ if env is None else env).get("PATH", os.defpath)
    for each in path.split(os.pathsep):
        found = os.path.join(each or ".", name)
        if os.access(found, os.X_OK) and os.path.isfile(found):
            return found
    return None


def _paths(words: Iterable[str], folder: str | None) -> Iterator[str]:
    """What words of a command line may name, also behind an option or a key: ``-fpatterns``, ``--out=a``, ``if=a``."""
    for word in words:
        parts = {word, word.partition("=")[2], word[2:] if word[:1] == "-" else ""}
        for text in parts:
            path = os.path.join(folder or "", text)
            is_text = not text or text[:1] == "-" or len(text) > _LONGEST or "\0" in text
            if not is_text and (_NO_NAME.isdisjoint(text) or os.path.lexists(path)):
                yield path


def _seen(args: Any, shell: Any = None, cwd: Any = None, env: Any = None, executable: Any = None) -> None:
    """`subprocess.Popen` is called."""
    sights = events.sights(events.caller_of_library())
    if sights and args is not None:
        given = args
        if executable and not shell:
            given = [executable, *([] if isinstance(args, (str, bytes)) else [*args][1:])]
        started(sights, given, is_shell=bool(shell), cwd=cwd, env=env)


_OF_POPEN = (("args", 0), ("shell", 8), ("cwd", 9), ("env", 10), ("executable", 2))
PICKS: Picks = {"subprocess": [("Popen", [Pick(_seen, _OF_POPEN)])]}
"""What is done at each call of it."""


def _system(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    """`os.system`."""
    started(sights, args[0] if args else kwargs.get("command"), is_shell=True)
    return plain(*args, **kwargs)


def _spawn(plain: Any, sights: Any, _: Any, args: Any, kwargs: Any) -> Any:
    """`os.posix_spawn`, `os.posix_spawnp`."""
    argv = args[1] if len(args) > 1 else kwargs.get("argv", ())
    path = args[0] if args else kwargs.get("path")
    started(sights, [path, *list(argv)[1:]], is_shell=False)
    return plain(*args, **kwargs)


def pairs() -> Iterator[tuple[Any, Watched]]:
    """The functions, each with what is to stand in its place."""
    for name, told in (("system", _system), ("posix_spawn", _spawn), ("posix_spawnp", _spawn)):
        plain = getattr(sys.modules[os.name], name, None)
        if type(plain) is type(len):
            yield plain, Watched(plain, "os", events.sights, told)
