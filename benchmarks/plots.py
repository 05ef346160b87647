"""Draws what was measured: the table as two scales, and the curves of growth."""

from __future__ import annotations

from math import exp, inf, log

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

NAVY, AMBER, GREY, TEAL, INK = "#1D3557", "#E09F00", "#9AA5B1", "#2A9D8F", "#333F4B"
RED, PALE = "#C1121F", "#E8EDF3"
STYLES = {"cachepy": (NAVY, "-", 2.2), "floor": (GREY, (0, (4, 2)), 1.6), "joblib": (AMBER, "-", 1.6),
          "diskcache": (TEAL, "-", 1.6)}  # fmt: skip
PANELS = (
    ("entries", "miss", "Miss", "entries in the cache"),
    ("entries", "hit", "Hit", "entries in the cache"),
    ("entries", "explain stale", "Staleness check, per call", "entries in the cache"),
    ("nodes", "record", "Recording, per node", "nodes of the graph"),
    ("nodes", "read", "Reading the graph, per node", "nodes of the graph"),
    ("nodes", "changed files", "Changed files, per file", "files"),
    ("tasks", "prune", "Pruning, per task of Dask", "tasks, all stored"),
)
PLAIN = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": GREY, "axes.labelcolor": INK, "text.color": INK,
    "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.8, "xtick.major.size": 3, "ytick.major.size": 3, "savefig.dpi": 160, "figure.dpi": 100,
}  # fmt: skip


def table(lines, *paths):
    """Each line of the table as a bar up to its ratio, with a mark where the target is."""
    lines = [line for line in lines if line["most"] is not None][::-1]
    with plt.rc_context(PLAIN):
        fig, (left, right) = plt.subplots(
            1, 2, figsize=(12.5, 0.29 * len(lines) + 1.5), sharey=True, width_ratios=(1, 1), layout="constrained"
        )
        _scale(left, lines, "ratio", "most", "How many times the floor", "at most")
        _scale(right, lines, "faster", "least", "How many times faster than joblib.Memory", "at least")
        left.set_yticks(range(len(lines)), [line["title"].strip() for line in lines])
        left.tick_params(axis="y", length=0)
        right.tick_params(axis="y", length=0, labelleft=False)
        _saved(fig, paths)


def _scale(axes, lines, value, target, title, bound):
    axes.set_xscale("log")
    for at, line in enumerate(lines):
        if at % 2 == 0:
            axes.axhspan(at - 0.5, at + 0.5, color=PALE, alpha=0.45, linewidth=0)
        if line[value] is None:
            continue
        wanted = line[target]
        missed = wanted is not None and (line[value] > wanted if value == "ratio" else line[value] < wanted)
        color = RED if missed else NAVY
        axes.hlines(at, 1, line[value], color=color, linewidth=5, alpha=0.9)
        axes.plot(line[value], at, "X" if missed else "o", color=color, markersize=7 if missed else 5.5)
        if wanted is not None:
            axes.plot(wanted, at, "|", color=AMBER, markersize=13, markeredgewidth=2.4, zorder=3)
        axes.annotate(
            _number(line[value]), (max(line[value], wanted or 0, 1), at), (9, 0), textcoords="offset points",
            va="center", fontsize=8, color=color,
        )  # fmt: skip
    axes.axvline(1, color=GREY, linewidth=0.8)
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.margins(x=0.14)
    axes.set_title(title, loc="left", fontweight="bold", fontsize=10.5)
    axes.set_xlabel(f"amber: the target, {bound}; red cross: missed (log scale)")
    if value == "ratio":
        axes.xaxis.set_major_locator(FixedLocator([0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 20, 50]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _number(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.spines["left"].set_visible(False)


def _number(value):
    return f"{value:,.0f}" if value >= 20 else f"{value:.3g}"


def growth(found, *paths):
    """Seven panels on log-log scales; a flat line is a constant cost per call."""
    with plt.rc_context(PLAIN):
        fig, grid = plt.subplots(2, 4, figsize=(16, 7.2), sharey="row", layout="constrained")
        places = [*grid[0, :3], *grid[1]]
        grid[0, 3].remove()
        for axes, (panel, names, title, of) in zip(places, PANELS, strict=True):
            _curves(axes, found[panel], names.split() if panel == "entries" else [names])
            axes.set_title(title, loc="left", fontweight="bold", fontsize=10.5)
            axes.set_xlabel(of)
        for axes in grid[:, 0]:
            axes.set_ylabel("processor time")
            low, high = axes.get_ylim()
            axes.set_ylim(low / 1.3, high * 1.3)
        for axes in places:
            _label(axes)
        _saved(fig, paths)


def _curves(axes, tools, names):
    points = set()
    for tool, curves in tools.items():
        color, line, width = STYLES[tool]
        for name in set(names).intersection(curves):
            xs, ys = zip(*curves[name], strict=True)
            points.update(xs)
            label = tool if len(names) == 1 else {"explain": "f.explain(x)", "stale": "cache_tree_stale()"}[name]
            mark = "o" if name == names[0] else "s"
            axes.plot(xs, ys, color=color, ls=line, lw=width, marker=mark, markersize=3.5, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(points) / 1.5, max(points) * (max(points) / min(points)) ** 0.42)  # room for the names
    axes.xaxis.set_major_locator(FixedLocator(sorted(point for point in points if str(point).strip("0") == "1")))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: _time(y)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)


def _label(axes):
    """Names at the ends of the lines, moved apart where lines end close to each other."""
    low, high = (log(each) for each in axes.get_ylim())
    last = -inf
    for line in sorted(axes.get_lines(), key=lambda line: line.get_ydata()[-1]):
        last = max(log(line.get_ydata()[-1]), last + (high - low) * 0.055)
        axes.annotate(
            line.get_label(), (line.get_xdata()[-1], exp(last)), (7, 0), textcoords="offset points", va="center",
            color=line.get_color(), fontsize=8.5,
        )  # fmt: skip


def _time(seconds):
    for size, name in ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
        if seconds >= size * 0.999:
            return f"{seconds / size:,.3g} {name}"
    return f"{seconds:g} s"


def _saved(fig, paths):
    for path in paths:
        path.parent.mkdir(exist_ok=True, parents=True)
        fig.savefig(path)
    plt.close(fig)


def scale(curves, *paths):
    """Processor time and memory of each command against the number of entries."""
    with plt.rc_context(PLAIN):
        fig, grid = plt.subplots(1, 2, figsize=(12.5, 5.0), layout="constrained")
        for axes, at, title, text in zip(
            grid, (1, 2), ("Processor time", "Most memory"), (_time, lambda y: f"{y / 1e6:,.0f} MB"), strict=True
        ):
            _commands(axes, {name: [(row[0], row[at]) for row in rows] for name, rows in curves.items()})
            axes.set_title(title, loc="left", fontweight="bold", fontsize=10.5)
            axes.set_xlabel("entries in the cache")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _, text=text: text(y)))
        _saved(fig, paths)


def _commands(axes, curves):
    """Lines with their names at their ends, moved apart where they would touch."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    sizes = [x for x, _ in next(iter(curves.values()))]
    ends = sorted(((rows[-1][1], name) for name, rows in curves.items()), key=lambda end: end[0])
    values = [y for rows in curves.values() for _, y in rows]
    apart = exp(log(max(values) / min(values)) / 24)  # a factor: a line of text
    below = 0.0
    for number, (end, name) in enumerate(ends):
        color = (NAVY, AMBER, TEAL, RED, GREY)[number % 5]
        xs, ys = zip(*curves[name], strict=True)
        axes.plot(xs, ys, color=color, lw=1.6, marker="o", markersize=3.5)
        place = below = max(end, below * apart)
        axes.annotate(
            name, (xs[-1], end), (xs[-1] * 1.25, place), color=color, va="center", fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.6, "shrinkA": 0, "shrinkB": 2},
        )  # fmt: skip
    axes.set_xlim(sizes[0] / 1.3, sizes[-1] * (sizes[-1] / sizes[0]) ** 0.5)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
