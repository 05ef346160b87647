"""What answers, and cached functions, show of themselves: tables in a notebook, a few lines at a prompt.

Goes by the names of classes, so that what comes here for its looks need not be imported.
"""

from __future__ import annotations

import os
import time
from itertools import islice

from cachepy.core.model import title_of
from cachepy.store.fs import safe_name
from cachepy.values import humanize
from cachepy.views import grouped
from cachepy.views import notebook as nb
from cachepy.views.exports import clean_text
from cachepy.views.letters import natural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from cachepy.calls.engine import CachedCall

    Row = list[str]
    Node = dict[str, Any]

LINES = 20  # of a text; nobody reads more at a prompt
_WIDE = 118  # characters of one line
_PATIENCE = 0.05  # s for counting files


def text_of(answer: Mapping[str, Any]) -> str:
    """A few lines; of an empty answer what any empty dict says."""
    if not answer:
        return "{}"
    head, rows = _FORMS[type(answer).__name__][0](answer)
    shown = list(islice(rows, LINES))
    widths = [min(max(map(len, column)), _WIDE // 2) for column in zip(*shown, strict=True)]
    lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in shown]
    more = _number(answer) - len(shown)
    return "\n".join([head, *map(_cut, lines), *([f"  and {more:,} more"] if more > 0 else [])])


def html_of(answer: Mapping[str, Any]) -> str:
    """A table; thousands of rows are cut, with their number."""
    heading, heads, rows, numbers = _FORMS[type(answer).__name__][1](answer)
    if not answer:
        return nb.framed(heading)
    made = nb.table(heads, list(islice(rows, nb.MOST)), numbers)
    more = _number(answer) - nb.MOST
    return nb.framed(heading + made + (nb.soft(f"and {more:,} more") if more > 0 else ""))


def _number(answer: Mapping[str, Any]) -> int:
    return len(answer["functions"]) if type(answer).__name__ == "Summary" else len(answer)


def _cut(line: str) -> str:
    plain = clean_text(line).replace("\n", "\\n")
    return plain if len(plain) <= _WIDE else plain[: _WIDE - 1] + "…"


def _title(node: Node | None, call: str) -> str:
    return call if node is None else title_of(node["fname"], node["label"].values())


# ---------------------------------------------------------------- what is not fresh


def _states(answer: Mapping[str, Any]) -> dict[str, int]:
    return grouped.count(found["state"] for found in answer.values())


def _stale_text(answer: Mapping[str, Any]) -> tuple[str, Iterable[Row]]:
    states = ", ".join(f"{n:,} {state}" for state, n in _states(answer).items())
    head = f"{humanize.count(len(answer), 'call')} not fresh: {states}"
    return head, ([f["state"], _title(f["node"], call), _why(f)] for call, f in _causes_first(answer))


def _causes_first(answer: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The calls that changed themselves before those that they made stale; numbers in names by their value."""

    def key(item: tuple[str, Any]) -> tuple[bool, tuple[tuple[int, str], ...]]:
        call, found = item
        is_reached = bool(found["reasons"] and found["reasons"][0].link)
        return is_reached, natural(_title(found["node"], call))

    return sorted(answer.items(), key=key)


def _why(found: Mapping[str, Any]) -> str:
    return str(found["reasons"][0]) if found["reasons"] else ""


def _stale_html(answer: Mapping[str, Any]) -> Table:
    if not answer:
        note = "of the calls in memory; to look at a cache directory, read it first: cache_tree_sync(directory)"
        return nb.heading("Nothing is stale, missing or unknown") + nb.soft(note), (), (), ()
    chips = [nb.chip(state, f"{n:,} {state}") for state, n in _states(answer).items()]
    rows = (
        [nb.chip(f["state"]), nb.code(_title(f["node"], call)), nb.reasons(f["reasons"][:1])]
        for call, f in _causes_first(answer)
    )
    return nb.heading("Not fresh", *chips), ("state", "call", "why"), rows, ()


def _changed_text(answer: Mapping[str, Any]) -> tuple[str, Iterable[Row]]:
    head = f"{humanize.count(len(answer), 'call')} whose files changed"
    return head, ([_title(f["node"], c), ", ".join(map(str, f["changed_files"]))] for c, f in answer.items())


def _changed_html(answer: Mapping[str, Any]) -> Table:
    if not answer:
        return nb.heading("No file changed") + nb.soft("of the calls in memory"), (), (), ()
    rows = (
        [nb.code(_title(f["node"], c)), "<br>".join(nb.code(path) for path in f["changed_files"][:5]) + _rest(f)]
        for c, f in answer.items()
    )
    return nb.heading("Files changed", nb.chip("stale", _calls(answer))), ("call", "changed files"), rows, ()


def _rest(found: Mapping[str, Any]) -> str:
    more = len(found["changed_files"]) - 5
    return f"<br>{nb.soft(f'and {more:,} more')}" if more > 0 else ""


def _calls(answer: Mapping[str, Any]) -> str:
    return humanize.count(len(answer), "call")


# ---------------------------------------------------------------- the graph


def _nodes_text(answer: Mapping[str, Any]) -> tuple[str, Iterable[Row]]:
    rows = ([_title(n, c), humanize.span(n["elapsed"]), c] for c, n in answer.items())
    return _calls(answer), rows


def _nodes_html(answer: Mapping[str, Any]) -> Table:
    rows = (
        [
            nb.code(_title(node, call)), humanize.span(node["elapsed"]),
            nb.text(", ".join(path.name or str(path) for path in node["files"])),
            nb.text(", ".join(_title(answer.get(each), each) for each in node["parents"][:3])),
            nb.soft(nb.code(call)),
        ]
        for call, node in answer.items()
    )  # fmt: skip
    return nb.heading("Graph", nb.soft(_calls(answer))), ("call", "time", "files", "caller", "id"), rows, [1]


def _files_text(answer: Mapping[str, Any]) -> tuple[str, Iterable[Row]]:
    return humanize.count(len(answer), "file"), ([path, _calls(calls)] for path, calls in answer.items())


def _files_html(answer: Mapping[str, Any]) -> Table:
    rows = ([nb.code(path), f"{len(calls):,}"] for path, calls in answer.items())
    return nb.heading("Files", nb.soft(humanize.count(len(answer), "file"))), ("file", "calls"), rows, [1]


def _summary_text(answer: Mapping[str, Any]) -> tuple[str, Iterable[Row]]:
    return _sum(answer), ([name, humanize.count(number, "call")] for name, number in answer["functions"].items())


def _sum(answer: Mapping[str, Any]) -> str:
    parts = [humanize.count(answer["nodes"], "call"), humanize.count(answer["files"], "file")]
    return ", ".join([*parts, f"{humanize.span(answer['elapsed'])} of running"])


def _summary_html(answer: Mapping[str, Any]) -> Table:
    rows = ([nb.code(name), f"{number:,}"] for name, number in answer["functions"].items())
    return nb.heading("Graph", nb.soft(nb.text(_sum(answer)))), ("function", "calls"), rows, [1]


if TYPE_CHECKING:
    Table = tuple[str, Sequence[str], Iterable[Row], Sequence[int]]  # heading, heads, rows, columns of numbers
    Text = Callable[[Mapping[str, Any]], tuple[str, Iterable[Row]]]  # first line, rows
    Html = Callable[[Mapping[str, Any]], Table]

_FORMS: dict[str, tuple[Text, Html]] = {
    "StaleCalls": (_stale_text, _stale_html),
    "ChangedCalls": (_changed_text, _changed_html),
    "Calls": (_nodes_text, _nodes_html),
    "Files": (_files_text, _files_html),
    "Summary": (_summary_text, _summary_html),
}


# ---------------------------------------------------------------- cached functions


def function_bundle(call: CachedCall) -> dict[str, str]:
    """What a notebook shows of a cached function."""
    name = f"{call.target.module}.{call.target.qualname}"
    root = call.options.place()
    stored = _stored(root, call.fname)
    plain = f"<cached function {name}, cache {root}, {stored}>"
    questions = "f.explain(...), f.is_cached(...), f.key(...), f.clear(...)".replace("f.", f"{call.fname}.")
    rows = [["cache", nb.code(root)], ["results", nb.text(stored)], ["ask", nb.code(questions)]]
    made = nb.heading(f"{name}", nb.soft("cached function")) + nb.table(["", ""], rows)
    return nb.both(plain, nb.framed(made))


def _stored(root: str, fname: str) -> str:
    """How many calls of functions of that name are stored, by the names of files; gives up before that takes long."""
    start, number, began = f"{safe_name(fname)}-", 0, time.perf_counter()
    try:
        with os.scandir(os.path.join(root, "entries")) as folders:
            for folder in folders:
                if time.perf_counter() - began > _PATIENCE:
                    return f"more than {humanize.count(number, 'stored call')}"
                names = os.listdir(folder.path)
                number += sum(name.startswith(start) and name.endswith(".entry") for name in names)
    except OSError:  # there is none yet, or it may not be read
        pass
    return humanize.count(number, "stored call")
