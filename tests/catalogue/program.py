"""The form of the catalogue: programs in which the value of a cached `f` depends on something through one construct.

An edit is written into the text: in `X = «1→2»` the old program says 1, the new one 2.  A text that comes to `∅` means that
the file does not exist.  Each program is a script `main.py` (with a head that names `cached`) and what files it needs;
the script prints `repr(f())`.
"""

from __future__ import annotations

import re
import sys
import textwrap
from dataclasses import dataclass, field

HEAD = (
    "from cachepy import cache_file, track_file, with_caller; "
    "DIR = '.cache'; cached = cache_file(DIR, warn_cheap=False)\n"
)
ABSENT = "∅"
_MARK = re.compile("«([^«»→]*)→([^«»→]*)»")
_OWN = ("env", "needs", "stale", "seen", "warns", "python")


@dataclass(frozen=True)
class Program:
    name: str
    files: dict[str, str]
    call: str
    counts: bool  # the edit changes the value; else nothing may run again
    env: dict[str, str] = field(default_factory=dict)
    needs: str = ""  # modules of libraries, imported by the server before it forks
    stale: str = ""  # the row of docs/explanation/invalidates.md that says that this edit is not seen
    seen: str = ""  # the first version of Python in which it is seen all the same, since the code that runs is observed
    pending: str = ""  # why it is not yet so, from `pending.txt`
    warns: str = ""  # the warning that every process has to give; with a "?" before it, the one that it may give
    python: str = "3.11"  # the first version that has it

    def written(self, new: bool) -> dict[str, str | None]:
        """The files of the old or the new program; None is one that is not there."""
        texts = {name: chosen(text, new) for name, text in self.files.items()}
        return {name: None if text.strip() == ABSENT else text for name, text in texts.items()}

    @property
    def hole(self) -> str:
        """Why its edit is not seen by this Python, if it is not."""
        is_seen = self.seen and sys.version_info >= tuple(map(int, self.seen.split(".")))
        return "" if is_seen else self.stale

    def environment(self, new: bool) -> dict[str, str]:
        return {name: value for name, text in self.env.items() if (value := chosen(text, new)) != ABSENT}


def chosen(text: str, new: bool) -> str:
    return _MARK.sub(lambda mark: mark[2 if new else 1], text)


def _files(source: str, returns: str | None, call: str, data: dict[str, str], modules: dict[str, str]) -> dict[str, str]:
    body = textwrap.dedent(source).strip("\n")
    if returns is not None:
        body += f"\n\n@cached\ndef f():\n    return {returns}\n"
    tail = f'\nif __name__ == "__main__":\n    print(repr({call}))\n'
    files = {"main.py": HEAD + body + tail}
    for name, text in modules.items():
        path = name.replace("__", "/").replace("/init", "/__init__") + ".py"
        text = textwrap.dedent(text).strip("\n") + "\n"
        files[path] = HEAD + text if "cached" in text else text
    return files | data


def _program(counts: bool, name: str, source: str, returns: str | None, call: str, data: dict[str, str] | None, more: dict[str, str]) -> Program:
    own = {key: more.pop(key) for key in _OWN if key in more}
    return Program(name, _files(source, returns, call, data or {}, more), call, counts, **own)  # type: ignore[arg-type]


def counts(name: str, source: str, returns: str | None = None, call: str = "f()", data: dict[str, str] | None = None, **more: str) -> Program:
    """The edit reaches the value: it has to be noticed. `more`: modules (`pkg__a` is pkg/a.py), and fields of Program."""
    return _program(True, name, source, returns, call, data, more)


def ignored(name: str, source: str, returns: str | None = None, call: str = "f()", data: dict[str, str] | None = None, **more: str) -> Program:
    """The edit cannot reach the value: nothing may run again."""
    return _program(False, name, source, returns, call, data, more)
