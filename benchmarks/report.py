"""The table: what was measured against what is asked for; the same as JSON."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version

from rich.console import Console
from rich.table import Table

TOOLS = ("joblib", "diskcache", "xxhash", "numpy", "pandas", "dask")
LEGEND = """Processor time per call; ✓ reached, ✗ missed.
joblib and diskcache do not look at files, helpers or calls below: their hits verify less."""
ON_PAGE = {  # what users ask for; the picture beside it has all rows
    "hit, f(int, str) → small dict",
    "hit, one unchanged 1 KB file as argument",
    "hit of a caller of 3 calls, 5 files",
    "hit of a function with 30 helpers, 10 globals",
    "hit, array of 100 MB",
    "hit, result: array of 500 MB",
    "miss of a trivial function, few entries",
    "hit, 1 GB file unchanged, same process",
    "first call with a 1 GB file",
    "hit, unchanged directory of 10,000 files",
    "first hit in a fresh process, end to end",
    "Dask, 2,000 tasks of 1 ms, against plain Dask",
    "Dask, the same tasks again: hits",
}


def filled(line, row):
    """One line of the table as plain data, from what was kept of its row."""
    least = {name: each[row["stat"]] for name, each in row["contestants"].items()}
    ours, base, peer = least[line.ours], least[line.base], least.get(line.peer)
    ratio, faster = ours / base, None if peer is None else peer / ours
    reached = [ratio <= line.most] if line.most else []
    reached += [faster >= line.least] if line.least and faster else []
    return {
        "title": line.title, "unit": row["unit"], "ours": ours, "floor": base, "ratio": ratio, "most": line.most,
        "joblib": peer, "faster": faster, "least": line.least, "reached": all(reached) if reached else None,
    }  # fmt: skip


def measured(rows, measure):
    """Measure rows one after the other and print the table; all figures as plain data."""
    console, began = Console(width=None if sys.stdout.isatty() else 150), time.perf_counter()
    found, lines = [], []
    with console.status("") as status:
        for row in rows:
            status.update(f"{row.name} ...")
            start = time.perf_counter()
            found.append({**measure(row), "took": time.perf_counter() - start})
            if "error" in found[-1]:
                console.print(f"{row.name}: {found[-1]['error']}", style="red", highlight=False, markup=False)
            else:
                lines += [filled(line, found[-1]) for line in row.lines]
    console.print(_table(lines))
    console.print(LEGEND, highlight=False)
    for row in found:
        for note in row.get("notes", ()):
            console.print(f"  {row['row']}: {note}", highlight=False, soft_wrap=True)
    reached = [line["reached"] for line in lines if line["reached"] is not None]
    took = time.perf_counter() - began
    console.print(f"{sum(reached)} of {len(reached)} targets reached; took {took:.0f} s", highlight=False)
    return {"machine": machine(), "lines": lines, "rows": found}


def machine():
    """What the figures were taken on."""
    tools = {name: version(name) for name in TOOLS}
    return {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version(), **tools}


def _table(lines):
    table = Table(box=None, pad_edge=False)
    table.add_column("work")
    for name in ("ours", "floor", "× floor", "at most", "joblib", "× faster", "at least"):
        table.add_column(name, justify="right")
    table.add_column("")
    for line in lines:
        table.add_row(
            line["title"], *(amount(line[name], line["unit"]) for name in ("ours", "floor")), f"{line['ratio']:.2f}",
            _target(line["most"]), amount(line["joblib"], line["unit"]), _short(line["faster"]),
            _target(line["least"]), {True: "[green]✓[/]", False: "[red]✗[/]", None: ""}[line["reached"]],
        )  # fmt: skip
    return table


def into_page(lines, page):
    """Put the rows that users ask for between the two marks of a page of the docs."""
    rows = ["| work | cachepy | floor | × floor | joblib | × faster |", "|---|--:|--:|--:|--:|--:|"]
    for line in lines:
        if line["title"].strip() not in ON_PAGE:
            continue
        cells = [amount(line[name], line["unit"]) for name in ("ours", "floor")]
        cells += [f"{line['ratio']:.2f}", amount(line["joblib"], line["unit"]), _short(line["faster"])]
        rows.append(f"| {line['title'].strip()} | {' | '.join(cells)} |")
    before, begin, rest = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, end, after = rest.partition("<!-- /table -->")
    page.write_text(before + begin + "\n".join(["", *rows, "", ""]) + end + after, encoding="utf-8")


def _target(value):
    return "" if value is None else f"[bold]{value:g}[/]"


def _short(value):
    return "" if value is None else f"{value:.1f}" if value < 20 else f"{value:,.0f}"


def amount(value, unit="s"):
    """Seconds or bytes for people: three digits and a unit."""
    if value is None:
        return ""
    steps = ((1, "s"), (1e-3, "ms"), (1e-6, "µs")) if unit == "s" else ((1e6, "MB"), (1e3, "kB"), (1, "B"))
    size, name = next((step for step in steps if value >= step[0]), steps[-1])
    number = value / size
    return f"{number:.{0 if number >= 100 else 1 if number >= 10 else 2}f} {name}"
