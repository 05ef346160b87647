"""What a notebook shows for the records of cachepy: HTML for the page, text where there is none.

HTML with inline styles only, since notebooks cut away style sheets; it takes its text colour and background from
the page, so that it is readable in light and dark.  All that comes from the user is escaped.  Works by the names of
classes, so that the records, which come here for their looks, need not be imported.
"""

from __future__ import annotations

import sys
import time
from html import escape

from cachepy.values import humanize
from cachepy.views.exports import clean_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

MOST = 50  # rows of a table; nobody reads more in a notebook
CUT = 160  # characters of one text

_RULE = "1px solid rgba(128,128,128,.35)"
_CELL = f"text-align:left;vertical-align:top;padding:3px 14px 3px 0;border:0;border-bottom:{_RULE};background:none"
_NUMBER = _CELL.replace("left", "right", 1) + ";white-space:nowrap;font-variant-numeric:tabular-nums"
_FRESH = "background:#1D3557;color:#FFFFFF;border:1px solid #1D3557"
_STALE = "background:#FBBC04;color:#212529;border:1px solid #9A6F00"
_MISSING = "background:#F1F3F5;color:#343A40;border:1px dashed #767F88"
_UNKNOWN = "background:#EFE7FB;color:#3B2A5A;border:1px dashed #7B5EA7"
_CHIPS = {  # also told apart by a sign and a word
    "fresh": ("✓", _FRESH), "hit": ("✓", _FRESH), "good": ("✓", _FRESH), "ran": ("✓", _FRESH), "cut": ("✓", _FRESH),
    "stale": ("!", _STALE), "failed": ("▲", _STALE), "problem": ("▲", _STALE),
    "missing": ("/", _MISSING), "unknown": ("?", _UNKNOWN), "left": ("○", _MISSING),
}  # fmt: skip


# ---------------------------------------------------------------- what records call


def bundle_of(thing: object) -> dict[str, str]:
    """Both forms, for ``_repr_mimebundle_``."""
    return both(str(thing), html_of(thing))


def both(plain: str, html: str) -> dict[str, str]:
    """Text for a terminal beside HTML for the page."""
    return {"text/plain": clean_text(plain), "text/html": html}


def html_of(thing: object) -> str:
    """A record as HTML; one that nothing is known about as a table of its fields."""
    return framed(_FORMS.get(type(thing).__name__, _fields)(thing))


def framed(made: str) -> str:
    """All that one output shows."""
    return (
        '<div class="cachepy" style="font-size:13px;line-height:1.5;max-width:1000px;overflow-x:auto;'
        f'color:inherit">{made}</div>'
    )


# ---------------------------------------------------------------- pieces


def text(value: object, cut: int = CUT) -> str:
    """A text as HTML shows it literally; a long one is cut, and whole (up to a page) in its tooltip."""
    whole = clean_text(str(value))
    if len(whole) <= cut:
        return escape(whole)
    return f'<span title="{attribute(whole)}">{escape(whole[: cut - 1])}…</span>'


def attribute(value: object, cut: int = 2000) -> str:
    """A text as the value of an attribute between double quotes."""
    return escape(clean_text(str(value))[:cut])


def code(value: object) -> str:
    """A call, a path or a digest."""
    look = "font-family:monospace;font-size:12px;background:none;color:inherit;padding:0;overflow-wrap:anywhere"
    return f'<code style="{look}">{text(value)}</code>'


def soft(made: str) -> str:
    """What matters less."""
    return f'<span style="opacity:.7">{made}</span>'


def chip(state: str, word: str = "") -> str:
    """A state as a coloured label with a sign."""
    sign, look = _CHIPS.get(state, ("", _MISSING))
    shape = "display:inline-block;border-radius:9px;padding:0 8px;font-size:11px;line-height:17px;white-space:nowrap"
    return f'<span style="{shape};{look}">{sign} {text(word or state)}</span>'


def heading(title: str, *chips: str) -> str:
    """The first line."""
    inside = " ".join([f'<strong style="font-size:14px;margin-right:6px">{text(title)}</strong>', *chips])
    return f'<div style="margin:2px 0 6px">{inside}</div>'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """Cells are HTML already; numbers: the columns that are aligned to the right."""
    if not rows:
        return ""
    looks = [_NUMBER if i in set(numbers) else _CELL for i in range(len(heads))]
    top = "".join(f'<th style="{look};font-weight:600">{h}</th>' for h, look in zip(heads, looks, strict=True))
    body = "".join(
        "<tr>" + "".join(f'<td style="{look}">{c}</td>' for c, look in zip(row, looks, strict=True)) + "</tr>"
        for row in rows[:MOST]
    )
    head = f"<thead><tr>{top}</tr></thead>" if any(heads) else ""
    more = soft(f"and {len(rows) - MOST:,} more") if len(rows) > MOST else ""
    look = "border-collapse:collapse;border:0;margin:0 0 4px;font-size:13px;color:inherit"
    return f'<table style="{look}">{head}<tbody>{body}</tbody></table>{more}'


def folded(title: str, made: str) -> str:
    """What a click unfolds."""
    look = "cursor:pointer;font-weight:600;margin:8px 0 4px"
    return f'<details><summary style="{look}">{text(title)}</summary>{made}</details>'


# ---------------------------------------------------------------- records


def reason(thing: Any) -> str:
    """A reason in words, and of code its changed lines."""
    sentence = f"<div>{text(thing, 400)}</div>"
    lines = clean_text(thing.diff).splitlines()
    return sentence + (_diff(lines) if lines else "")


def reasons(things: Iterable[Any]) -> str:
    """All reasons, root causes first."""
    found = list(things)
    more = soft(f"and {len(found) - 5:,} more reasons") if len(found) > 5 else ""
    return "".join(reason(each) for each in found[:5]) + more


def _diff(lines: list[str]) -> str:
    colours = {"+": "rgba(46,160,67,.18)", "-": "rgba(218,54,51,.18)"}
    made = "".join(
        f'<div style="background:{colours.get(line[:1], "none")};padding:0 8px">{text(line) or " "}</div>'
        for line in lines[:MOST]
    )
    look = "font-family:monospace;font-size:12px;line-height:1.45;white-space:pre-wrap;margin:2px 0 6px"
    return f'<div style="{look};border-left:3px solid rgba(128,128,128,.35)">{made}</div>'


def _verdict(thing: Any) -> str:
    if not thing.reasons:
        more = f" It depends on {', '.join(thing.unseen)}, which cannot be compared." if thing.unseen else ""
        more += f" It was accepted {thing.accepted}." if thing.accepted else ""
        return heading("This call", chip(thing.state)) + soft(f"Its stored result would be used.{text(more)}")
    return heading("This call", chip(thing.state)) + reasons(thing.reasons)


def _plan(thing: Any) -> str:
    chips = [chip(state, f"{n:,} {state}") for state, n in thing.counts.items() if n]
    rows = [
        [chip(c.state), code(c.label), humanize.span(c.own), reasons(c.reasons[:1]) + _perhaps(c)]
        for c in sorted(thing.calls, key=lambda c: not c.runs)  # what would run first, each in its order
    ]
    made = heading("Plan", *chips) + f'<div style="margin-bottom:6px">{text(thing)}</div>'
    return made + table(["state", "call", "time", "why"], rows, [2])


def _perhaps(call: Any) -> str:
    return f"<div>{soft(text(call.doubt))}</div>" if call.doubt else ""


def _planned(thing: Any) -> str:
    return heading(thing.label, chip(thing.state)) + reasons(thing.reasons) + _perhaps(thing)


def _refreshed(thing: Any) -> str:
    chips = {
        "ran": (thing.ran, "ran"), "cut": (thing.cut, "did not have to run"), "failed": (thing.failed, "failed"),
        "left": (thing.left, "could not be run"),
    }  # fmt: skip
    made = heading("Refresh", *(chip(s, f"{len(c):,} {words}") for s, (c, words) in chips.items() if c))
    rows = [[chip("failed"), code(c), text(f"{type(e).__name__}: {e}")] for c, e in thing.failed.items()]
    rows += [[chip("left"), code(call), text(why)] for call, why in thing.left.items()]
    return made + (table(["", "call", "why"], rows) or soft(text(f"{thing}.")))


def _checked(thing: Any) -> str:
    state = chip("good", "whole") if thing.is_good else chip("problem", f"{len(thing.problems):,} problems")
    rows = [[code(p.path), code(p.call), text(p.what)] for p in thing.problems]
    first, *rest = str(thing).splitlines()
    told = [line for line in rest if line.strip() not in {str(p) for p in thing.problems}]
    lines = "".join(f"<div>{text(line)}</div>" for line in [first, *told])
    return heading("Check", state) + lines + table(["file", "call", "what is wrong"], rows)


def _difference(thing: Any) -> str:
    state = chip("good", "equal") if thing.is_equal else chip("stale", "different")
    runs = [[which, *_run(run)] for which, run in (("first", thing.first), ("second", thing.second))]
    made = heading("Two runs", state) + table(["", "call", "run", "ended", "time"], runs)
    causes = [[_cause(cause), code(cause.way)] for cause in thing.causes]
    made += table(["cause", "in"], causes) or soft("Nothing that counts differs.")
    return made + "".join(f'<div style="white-space:pre-wrap">{text(line)}</div>' for line in thing.values)


def _run(run: dict[str, Any]) -> list[str]:
    return [code(run["label"]), text(run["number"]), text(_moment(run["created"])), humanize.span(run["elapsed"])]


def _cause(cause: Any) -> str:
    """A cause in words, and of code its changed lines."""
    lines = clean_text(cause.diff).splitlines()
    return f"<div>{text(cause.text, 400)}</div>" + (_diff(lines) if lines else "")


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _fields(thing: Any) -> str:
    names = getattr(type(thing), "_fields", ())
    rows = [[text(name), text(_shown(getattr(thing, name)))] for name in names]
    return heading(type(thing).__name__) + table(["", ""], rows)


def _shown(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


_FORMS: dict[str, Callable[[Any], str]] = {
    "Checked": _checked,
    "Difference": _difference,
    "Plan": _plan,
    "PlannedCall": _planned,
    "Reason": reason,
    "Refreshed": _refreshed,
    "Verdict": _verdict,
}


# ---------------------------------------------------------------- figures


def show_figures() -> None:
    """Have the running notebook show figures.

    IPython can show a Figure only once pyplot is loaded, which cachepy never does: it would choose a backend.
    What the user has set up is left as it is.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    display = getattr(shell, "display_formatter", None)
    if display is None:
        return
    from matplotlib.figure import Figure

    if not any(Figure in formatter for formatter in display.formatters.values()):
        display.formatters["image/png"].for_type(Figure, png_of)


def png_of(figure: Any) -> bytes:
    """The picture as a notebook shows it."""
    import warnings
    from io import BytesIO

    file = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # drawn as boxes; the names are in the table too
        figure.savefig(file, format="png", dpi=144)
    return file.getvalue()
