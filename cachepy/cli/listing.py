"""The commands that list what is stored: ls, show, stats."""

from __future__ import annotations

import os
import time
from fnmatch import fnmatchcase

import click

from cachepy.cli import completing, elsewhere, words
from cachepy.cli.ask import PAST, code_of, look, seen
from cachepy.cli.causes import sentence, telling
from cachepy.cli.console import Tell, item
from cachepy.cli.finding import place
from cachepy.cli.mistakes import similar
from cachepy.cli.opening import Opened, opened, session_at
from cachepy.cli.options import command, looks_at_code
from cachepy.core.kinds import ENVS, FILES, PACKAGES, absolute
from cachepy.core.marks import accepted_in, unseen_in
from cachepy.store.value_files import files_of, size_of
from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from cachepy.core.model import Dep
    from cachepy.store.inventory import Stock

_SORTS: dict[str, tuple[Callable[[_Line], Any], bool]] = {  # key, largest first
    "age": (lambda e: e.written, True),
    "size": (lambda e: e.size, True),
    "time": (lambda e: e.elapsed, True),
    "name": (lambda e: (e.title, e.id), False),
}
_VALUE_BYTES = 100_000_000
_REPR = 4000  # characters


# ---------------------------------------------------------------- ls


@command(
    "ls",
    "cachepy ls load --sort size\ncachepy ls --output out/report.csv\ncachepy ls 'load_*' --json",
    "entries",
)
@click.argument("pattern", required=False, default="", shell_complete=completing.calls)
@click.option(
    "--output", metavar="PATH", shell_complete=completing.files,
    help="Only the calls that wrote this file, or files in this folder.",
)  # fmt: skip
@click.option(
    "--sort", type=click.Choice(list(_SORTS)), default="age", show_default=True, help="Newest or largest first."
)
@click.option("--reverse", is_flag=True, help="The other way round.")
def ls(tell: Tell, cache_dir: str | None, *, pattern: str, output: str | None, sort: str, reverse: bool) -> int:
    """List the stored calls.

    With PATTERN only calls whose id, function or label contains it, or matches it if it has *, ? or [; or the calls
    that wrote the file of that name. Columns: id, size with all older runs, age, number of stored runs, call. In a pipe
    the id is whole, the size is in bytes, and the time when it was stored stands in place of the age.
    """
    from cachepy.store.inventory import stock

    root = place(cache_dir, tell.say)
    known: list[str] = []
    entries: list[_Line] = []
    functions: set[str] = set()
    unread = 0
    with session_at(root):
        for entry in stock(root):  # of each only its line is kept: there may be a million
            if not entry.events:
                unread += 1
                continue
            known.append(entry.events[0].id)
            functions.add(entry.events[0].fname)
            if _is_asked(entry, pattern) and (output is None or _wrote(entry, output)):
                entries.append(_Line(entry, as_json=tell.as_json))
        key, down = _SORTS[sort]
        entries.sort(key=key, reverse=down != reverse)
        if tell.as_json:
            tell.listing("entries", (each.text for each in entries), cache_dir=root)
        else:
            _tell_entries(tell, entries, known)
        if not known:
            tell.say(f"nothing is stored in {root}")
        elif not entries and output is not None:
            _say_no_writer(tell, stock(root), output)
        elif not entries:
            say_none(tell, functions, pattern, humanize.count(len(known), "stored call"))
    if unread:
        tell.say(f"warning: {humanize.count(unread, 'entry')} cannot be read; `cachepy verify` says why")
    return 0


class _Line:
    """What is listed of an entry: what it is sorted by, and its part of the answer."""

    __slots__ = ("elapsed", "id", "runs", "size", "text", "title", "written")

    def __init__(self, entry: Stock, *, as_json: bool) -> None:
        event = entry.events[0]
        self.id: str = event.id
        self.title: str = event.title
        self.elapsed: float = event.elapsed
        self.size: int = entry.size
        self.written: float = entry.written
        self.runs = len(entry.files)
        self.text: str = item(_entry(entry)) if as_json else ""


def _is_asked(entry: Stock, pattern: str) -> bool:
    event = entry.events[0]
    return matches(pattern, event.id, event.fname, event.title) or (bool(pattern) and _wrote(entry, pattern))


def matches(pattern: str, *texts: str) -> bool:
    """Whether one of the texts contains a pattern, or matches it, if it has signs for that."""
    if set(pattern) & set("*?["):
        return any(fnmatchcase(text, pattern) for text in texts)
    return any(pattern in text for text in texts)


def say_none(tell: Tell, functions: Iterable[str], pattern: str, things: str) -> None:
    """That nothing matches, and which functions have similar names."""
    near = similar(pattern.partition("(")[0], functions)
    tell.say(f"none of the {things} matches {pattern!r}{near}")


def _wrote(entry: Stock, path: str) -> bool:
    """Whether the newest run of a call wrote a file, or one in a folder."""
    from cachepy.graph.graph import written_by

    wanted = absolute(os.getcwd(), path)
    return any(each == wanted or each.startswith(os.path.join(wanted, "")) for each in written_by(entry.events[0]))


def _say_no_writer(tell: Tell, listed: Iterable[Stock], path: str) -> None:
    """That no call wrote a file, and how many read it."""
    from cachepy.graph.graph import file_path

    wanted = absolute(os.getcwd(), path)
    whole = (e for e in listed if e.events)
    readers = [e.events[0] for e in whole if any(file_path(e.events[0], d.name) == wanted for d in _files_of(e))]
    text = f"no stored call wrote {path}"
    if readers:
        text += f"; {readers[0].title} read it" if len(readers) == 1 else f"; {len(readers):,} calls read it"
    tell.say(text)


def _files_of(entry: Stock) -> list[Dep]:
    return [dep for dep in entry.events[0].trace.deps if dep.kind in FILES]


def _entry(entry: Stock) -> dict[str, Any]:
    from cachepy.graph.graph import written_by

    event = entry.events[0]
    return {
        "id": event.id, "label": event.title, "fname": event.fname, "module": event.module, "path": entry.path,
        "size": entry.size, "created": event.created, "elapsed": event.elapsed, "runs": len(entry.files),
        "outputs": sorted(written_by(event)),
    }  # fmt: skip


def _tell_entries(tell: Tell, entries: list[_Line], known: list[str]) -> None:
    now = time.time()
    names = tell.names([e.id for e in entries], known)
    rows = (
        (names[e.id], humanize.size(e.size), words.age(e.written, now), str(e.runs), e.title)
        if tell.is_terminal
        else (e.id, str(e.size), words.moment(e.written), str(e.runs), e.title)
        for e in entries
    )
    tell.table(("id", "size", "age", "runs", "call"), rows, right="size age runs", fixed="id", spare="runs age")


# ---------------------------------------------------------------- stats


@command(
    "stats",
    "cachepy stats\ncachepy stats --json",
    "functions total oldest newest dropped",
)
def stats(tell: Tell, cache_dir: str | None) -> int:
    """Sum up what is stored, one line for each function.

    Columns: stored calls, size, how long their newest runs took together, function. The last line is the sum. Its size
    counts all files of the cache directory, also those of the graph. If results were dropped to hold the directory
    below max_bytes, a line on stderr says how many, how large and when. --cache-dir may be the address of a remote
    cache.
    """
    from cachepy.maintain.prune import Sums, dropped_from, size_of_all

    if elsewhere.is_address(cache_dir):
        return elsewhere.sums(tell, str(cache_dir))
    root = place(cache_dir, tell.say)
    with session_at(root):
        found, size, gone = Sums(root), size_of_all(root), dropped_from(root)
    functions = found.functions
    elapsed = sum(each["elapsed"] for each in functions.values())
    if tell.as_json:
        total = {"entries": found.entries, "size": size, "elapsed": elapsed}
        tell.document(cache_dir=root, functions=functions, total=total, oldest=found.oldest, newest=found.newest,
                      dropped=gone)
        return 0
    if not functions:
        tell.say(f"nothing is stored in {root}")
        _tell_dropped(tell, gone)
        return 0
    rows = sorted(functions.items(), key=lambda f: -f[1]["size"])
    cells = [_sum(tell, name, f["entries"], f["size"], f["elapsed"]) for name, f in rows]
    cells.append(_sum(tell, "total", found.entries, size, elapsed))
    tell.table(("calls", "size", "time", "function"), cells, right="calls size time")
    _tell_dropped(tell, gone)
    return 0


def _tell_dropped(tell: Tell, gone: list[dict[str, Any]]) -> None:
    """What went to hold the directory below its size."""
    if not gone:
        return
    last = gone[-1]
    newest, older = sum(each["entries"] for each in gone), sum(each["older"] for each in gone)
    size, used = sum(each["size"] for each in gone), max(each["last_used"] for each in gone)
    tell.say(
        f"dropped since {words.moment(gone[0]['when'])}, last {words.moment(last['when'])}: "
        f"{humanize.count(newest, 'result')} and {humanize.count(older, 'older result')}, {humanize.size(size)}; "
        f"max_bytes is {humanize.size(last['max_bytes'])}; the last of them was used {words.moment(used)}"
    )


def _sum(tell: Tell, name: str, entries: int, size: int, elapsed: float) -> tuple[str, ...]:
    if tell.is_terminal:
        return f"{entries:,}", humanize.size(size), humanize.span(elapsed), name
    return str(entries), str(size), f"{elapsed:.3f}", name


# ---------------------------------------------------------------- show


@command(
    "show",
    "cachepy show load:59c1f00d\ncachepy show total --value",
    "id label module function arguments created elapsed cwd origin path size value_file runs result files parents "
    "children inputs env packages sources accepted history state reasons value unseen unimported",
)
@click.argument("call", shell_complete=completing.calls)
@click.option("--value", "with_value", is_flag=True, help="Load the stored value and show the start of its repr.")
@looks_at_code
def show(tell: Tell, cache_dir: str | None, *, call: str, with_value: bool, code: str) -> int:
    """Show all about one call.

    CALL is an id, its first digits (at least 4), or the name of a function that has one call. You see its state, its
    files and whether they changed, the calls above and below it, and the calls whose results it took. Then come
    environment variables, packages, and where the value is.

    --value loads the value, which imports the modules that it needs.
    """
    with opened(cache_dir, tell.say) as cache:
        found = cache.find_one(call)
        survey = look(cache, tell, code, [found])
        fields = _facts(cache, found)
        finding = survey.found.get(found)
        fields["history"] = found in survey.past
        fields |= {"state": finding.state if finding else "fresh", "reasons": finding.reasons if finding else ()}
        if with_value:
            fields["value"] = _value(cache, found)
        if tell.as_json:
            tell.document(**fields | {"reasons": [r.as_dict() for r in fields["reasons"]]}, **seen(cache, survey))
        else:
            _tell_facts(tell, cache, fields)
    return code_of(cache)


def _facts(cache: Opened, call: str) -> dict[str, Any]:
    """The call in builtins; the order is that of the answer."""
    event = cache.events[call]
    node = cache.session.graph.node(call) or {}
    path = cache.session.store(event.root).path_of(call)
    stored = next((e for e in cache.session.stores.events(call)), None)
    return {
        "cache_dir": cache.root,
        "id": call,
        "label": cache.label(call),
        "module": event.module,
        "function": event.qualname,
        "arguments": dict(event.label),
        "created": event.created,
        "elapsed": event.elapsed,
        "cwd": event.cwd,
        "origin": event.origin,
        "path": path if stored else None,
        "size": _stored_size(path, *files_of(event.root, event)) if stored else None,
        "value_file": next(iter(files_of(event.root, event)), None) if stored else None,
        "runs": len(cache.session.stores.events(call)),
        "result": event.trace.result,
        "files": _files(cache, node),
        "parents": node.get("parents", []),
        "children": node.get("children", []),
        "inputs": node.get("inputs", {}),
        "env": sorted({d.name for d in event.trace.deps if d.kind in ENVS}),
        "packages": {d.name: d.digest for d in event.trace.deps if d.kind in PACKAGES},
        "sources": list(unseen_in(event.trace)),
        "accepted": accepted_in(event.trace),
    }


def _stored_size(path: str, *beside: str) -> int | None:
    try:
        return os.path.getsize(path) + sum(map(size_of, beside))
    except OSError:
        return None


def _files(cache: Opened, node: dict[str, Any]) -> list[dict[str, Any]]:
    digests = ((path, then, cache.session.files.digest(path)) for path, then in node.get("file_hashes", {}).items())
    return [{"path": p, "digest": then, "now": now, "changed": then != now} for p, then, now in digests]


def _value(cache: Opened, call: str) -> str:
    """The start of the repr of the newest value."""
    import reprlib

    from cachepy.cli.importing import importing
    from cachepy.store.changed_arguments import alone

    store = cache.session.store(cache.events[call].root)
    stored = store.look(call)
    if stored is None:
        raise click.ClickException(
            f"the value of {cache.label(call)} is not on disk: it is stored when the call runs again"
        )
    size = _stored_size(store.path_of(call), *files_of(store.root, stored.events[0])) or 0
    if size > _VALUE_BYTES:
        raise click.ClickException(f"the value of {cache.label(call)} is {humanize.size(size)}, too large to show")
    limits = reprlib.Repr()
    limits.maxstring = limits.maxother = _REPR
    limits.maxlist = limits.maxtuple = limits.maxdict = limits.maxset = limits.maxarray = 50
    try:
        with importing():
            return limits.repr(alone(store.value(call, stored, 0)))[: 2 * _REPR]
    except Exception as error:
        text = f"the value of {cache.label(call)} cannot be loaded: {type(error).__name__}: {error}"
        raise click.ClickException(text) from error


def _tell_facts(tell: Tell, cache: Opened, f: dict[str, Any]) -> None:
    tell.parts((f"{tell.mark(f['state'])} {f['state']}  ", f["state"]), (f["label"], "head"))
    if f["history"]:
        tell.line(PAST, indent=4)
    for reason in telling(f["reasons"]):
        tell.line(sentence(reason), indent=4)
    names = tell.names([*f["parents"], *f["children"], *f["inputs"].values()], cache.ids)
    path = f["value_file"] or f["path"]
    place = f"{words.near(path)} ({humanize.size(f['size'] or 0)})" if path else "nothing is stored"
    lines = [
        ("id", f["id"]),
        ("function", f"{f['module']}.{f['function']}"),
        *(("argument", f"{name} = {text}") for name, text in f["arguments"].items()),
        ("ran", f"{words.moment(f['created'])}, {humanize.span(f['elapsed'])}, in {f['cwd']}"),
        *([("accepted", f["accepted"])] if f["accepted"] else []),
        ("value", place),
        ("runs", f"{f['runs']} stored"),
        *(("file", _file_line(each)) for each in f["files"]),
        *(("caller", f"{cache.label(i)}  {names[i]}") for i in f["parents"]),
        *(("calls", f"{cache.label(i)}  {names[i]}") for i in f["children"]),
        *(("input", f"{name} = {cache.label(i)}  {names[i]}") for name, i in f["inputs"].items()),
        *(("variable", name) for name in f["env"]),
        *(("unseen", name) for name in f["sources"]),
        *(("package", f"{name} {version}") for name, version in f["packages"].items()),
    ]
    for name, text in lines:
        tell.parts((f"{name:<9} ", "faint"), (text, ""))
    if "value" in f:
        tell.raw(_safe_lines(f["value"]))


def _file_line(each: dict[str, Any]) -> str:
    state = "unchanged" if not each["changed"] else "gone" if each["now"] is None else "changed"
    return f"{words.near(each['path'])}  {each['digest'] or 'was not there'}  {state}"


def _safe_lines(text: str) -> str:
    return "\n".join(map(words.clean, text.splitlines()))
