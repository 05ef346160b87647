"""The picture as drawn, measured: nothing overlaps, is cut or unreadable; the same bytes from every process."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from cachepy.views.bands import LANE, LONG, TURN, is_long
from cachepy.views.captions import FRESH, MISSING, STALE
from cachepy.views.picture_layout import arrange
from cachepy.views.plot import draw
from cachepy.views.themes import THEMES, Theme

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.transforms import BboxBase

pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing")

Nodes = dict[str, dict[str, Any]]
ROOT = Path(__file__).resolve().parents[2]

themed = pytest.mark.parametrize("theme", [pytest.param(theme, id=name) for name, theme in THEMES.items()])

NAMES = ["load", "fit", "x" * 45, "a_rather_long_name_with_many_parts_to_break_it_at", "größe", "数据清洗和标准化处理"]
HOSTILE = [
    "</text><script>alert(1)</script>", "--><b>", 'a"b\'c', "a\nb\tc", "\x00\x1b[31m", "\ud800\udfff", "$\\frac{x}{0}$",
    "y" * 5000, "🦊 שלום مرحبا", "", "%s {0} ]]>",
]  # fmt: skip
LEVELS = ("auto", "call", "function", "module", "file")


def scattered(seed: int) -> tuple[Nodes, dict[str, str], dict[str, str]]:
    """A graph of any shape, with cycles, strangers, hostile names and labels, many files."""
    dice = random.Random(seed)
    nodes: Nodes = {}
    count = dice.choice([1, 2, 5, 12, 25, 45])
    for i in range(count):
        known = list(nodes)[-10:]
        fname = dice.choice([*NAMES, *NAMES, dice.choice(HOSTILE)])
        nodes[f"{fname}:{i:06x}"] = {
            "fname": fname,
            "module": dice.choice(["jobs", "a.b", "m" * 60]),
            "hash": f"{i:06x}",
            "children": dice.sample(known, min(len(known), dice.choice([0, 0, 1, 2, 4]))),
            "parents": dice.sample(known, min(len(known), dice.choice([0] * 9 + [1]))),  # may close a cycle
            "files": [Path(f"d{dice.randint(0, 2)}", dice.choice(NAMES)[:9] + f"{j}.csv") for j in range(dice.choice([0, 0, 1, 2, 9]))],
            "inputs": {"a": dice.choice(known)} if known and i % 4 == 0 else {},
            "label": {"x": "z" * dice.randint(0, 60), "n": str(i), "h": dice.choice(HOSTILE)},
            "elapsed": dice.choice([None, 0.0, 1e-5, 3.2, 1e6]),
        }  # fmt: skip
    states = {i: dice.choice(["fresh", "fresh", "stale", "missing"]) for i in nodes}
    return nodes, states, {i: dice.choice(["file changed " * dice.randint(0, 9), "w" * 70]) for i in nodes}


def rendered(figure: Figure, artists: Iterable[Any]) -> list[BboxBase]:
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    return [artist.get_window_extent(renderer) for artist in artists]


def apart(boxes: list[BboxBase], slack: float = 0.01) -> bool:
    """Whether no two of them overlap by more than so many pixels."""
    x0, y0, x1, y1 = np.array([box.extents for box in boxes]).reshape(-1, 4).T
    across = (x0[:, None] < x1 - slack) & (y0[:, None] < y1 - slack)
    return not np.triu(across & across.T, 1).any()


def holds(outer: BboxBase, inner: BboxBase) -> bool:
    return bool(outer.x0 <= inner.x0 and outer.x1 >= inner.x1 and outer.y0 <= inner.y0 and outer.y1 >= inner.y1)


def check(figure: Figure, room: BboxBase, slack: float = 0.01) -> None:
    """Boxes apart, every text in its box, all that is no text of a box apart from all, nothing outside."""
    axes = figure.axes[0]
    cards = [p for p in axes.patches if str(p.get_gid() or "").startswith("box-")]
    texts = [t for t in axes.texts if t.get_text()]
    outlines = dict(zip([str(p.get_gid()) for p in cards], rendered(figure, cards), strict=True))
    extents = rendered(figure, texts)
    for text, extent in zip(texts, extents, strict=True):
        assert holds(room, extent), text.get_text()
        if text.get_gid():
            assert holds(outlines[str(text.get_gid()).replace("text", "box")], extent), text.get_text()
    marks = rendered(figure, axes.patches)
    assert all(holds(room, extent) for extent in [*outlines.values(), *marks])
    loose = [extent for text, extent in zip(texts, extents, strict=True) if not text.get_gid()]  # title, legend, counts
    assert apart([*outlines.values(), *loose])
    assert apart(extents, slack), "two lines of text"


@pytest.mark.parametrize("seed", range(50))
def test_nothing_overlaps_and_nothing_is_cut(seed: int) -> None:
    nodes, states, reasons = scattered(seed)
    dice = random.Random(seed)
    through = set(dice.sample(sorted(nodes), len(nodes) // 3))
    for level in ("call", LEVELS[seed % len(LEVELS)]):
        labels = dice.choice(["short", "full", "name", ("short", "time"), ("full", "time", "size")])
        figure = draw(nodes, states, reasons=reasons, through=through, level=level, labels=labels)
        check(figure, figure.bbox)


@pytest.mark.parametrize("seed", range(0, 50, 10))
def test_nothing_overlaps_in_axes_of_the_user(seed: int) -> None:
    nodes, states, reasons = scattered(seed)
    figure = Figure(figsize=(14, 9))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    draw(nodes, states, reasons=reasons, ax=axes, level="function")
    check(figure, axes.bbox, slack=1.0)  # the height of small text is rounded to pixels


# ---------------------------------------------------------------- rows


def chain(length: int) -> tuple[dict[str, tuple[float, float]], list[tuple[str, str, str]]]:
    names = [f"n{i}" for i in range(length)]
    return dict.fromkeys(names, (70.0, 32.0)), [(a, b, "call") for a, b in pairwise(names)]


@pytest.mark.parametrize("length", [20, 31, 46, 60])
def test_a_long_chain_is_set_in_full_rows(length: int) -> None:
    sizes, edges = chain(length)
    layout = arrange(sizes, edges)
    assert layout.width > layout.height
    assert not is_long(layout.width, layout.height)
    rows: dict[float, list[str]] = {}
    for name, box in layout.boxes.items():
        rows.setdefault(box[1], []).append(name)
    counts = [len(row) for row in rows.values()]
    assert len(set(counts[:-1])) == 1, "all rows but the last are alike"
    assert [name for row in rows.values() for name in row] == list(sizes), "read like a text"


@pytest.mark.parametrize("seed", range(20))
def test_lines_in_rows_keep_clear_of_boxes_and_of_each_other(seed: int) -> None:
    dice = random.Random(seed)
    sizes, edges = chain(40)
    edges += [(f"n{a}", f"n{a + dice.randint(2, 5)}", "call") for a in dice.sample(range(35), 3)]
    files = {f"f{i}": (90.0, 26.0) for i in range(5)}
    edges += [(f"n{dice.randint(0, 39)}", name, "file") for name in files]
    layout = arrange(sizes | files, edges, set(files))
    assert not is_long(layout.width, layout.height)
    assert layout.width < LONG * 2
    for (a, b, _), route in zip(edges, layout.routes, strict=True):
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in route)
        for (x0, y0), (x1, y1) in pairwise(route):
            if x0 != x1 and y0 != y1:
                continue  # between two layers: no boxes there
            for name, (left, top, width, height) in layout.boxes.items():
                inside = (
                    max(x0, x1) > left
                    and min(x0, x1) < left + width
                    and max(y0, y1) > top
                    and min(y0, y1) < top + height
                )
                assert name in (a, b) or not inside


def test_parted_lines_have_lanes_of_their_own() -> None:
    sizes, edges = chain(40)
    edges += [(f"n{i}", f"n{i + 4}", "call") for i in range(36)]
    lanes: dict[float, list[tuple[float, float, float, float]]] = {}
    for route in arrange(sizes, edges).routes:
        for i, ((x0, y0), (x1, y1)) in enumerate(pairwise(route)):
            if x1 < x0 and y0 == y1:
                lanes.setdefault(y0, []).append((route[i - 1][1], x0, x1, route[i + 2][1]))
    assert lanes, "the drawing is in rows"
    assert all(b - a >= LANE - 0.01 for a, b in pairwise(sorted(lanes)))
    for lines in lanes.values():
        starts, rights, lefts, ends = (set(place) for place in zip(*lines, strict=True))
        assert len(rights) == len(lefts) == 1
        assert len(starts) == 1 or len(ends) == 1, "only lines that start or end together share a lane"


def test_the_turns_of_a_route_are_known_also_where_it_leads_back() -> None:
    sizes, edges = chain(40)
    back = ("n30", "n2", "flow")
    layout = arrange(sizes, [*edges, back])
    assert layout.routes[-1][0][1] > layout.routes[-1][-1][1], "from a lower row to a higher one"
    for route, turns in zip(layout.routes, layout.turns, strict=True):
        for at in turns:
            _, (x1, _), (x2, y2), (x3, y3), (x4, _), _ = route[at : at + TURN]
            assert (x1, y2, x3) == (x2, y3, x4)
        ups = sum(x0 == x1 and y0 != y1 for (x0, y0), (x1, y1) in pairwise(route))
        assert ups == 2 * len(turns)
    assert len(layout.turns[-1]) > 1


@themed
def test_only_what_leads_to_the_next_row_is_drawn_lighter(theme: Theme) -> None:
    nodes: Nodes = {}
    end = add(nodes, "load")
    for _ in range(20):
        end = add(nodes, "step", inputs={"x": end})
    name = next(name for name, each in THEMES.items() if each is theme)
    lines = [c for c in draw(nodes, {}, theme=name).axes[0].collections if type(c).__name__ == "PathCollection"]
    down = {
        to_hex(each.get_edgecolor()[0]): any((path.vertices[1:, 0] == path.vertices[:-1, 0]).any() for path in each.get_paths())
        for each in lines
    }  # fmt: skip
    assert down == {theme.lead.lower(): True, theme.flow.lower(): False}


def test_graphs_that_nothing_joins_stand_close_to_each_other() -> None:
    months = range(3)
    edges = [(f"sum{i}", load, "call") for i in months for load in (f"load{i}", "planes")]
    edges += [(call, f"file{i}", "read") for i in months for call in (f"sum{i}", f"load{i}")]
    edges += [("out", "report", "write"), ("report", "airports", "read")]
    names = ["report", *sorted({name for edge in edges for name in edge[:2]} - {"report"})]
    layout = arrange(dict.fromkeys(names, (70.0, 42.0)), edges, {"file0", "file1", "file2", "airports"})
    spans = sorted((y, y + height) for _, y, _, height in layout.boxes.values())
    reached = 0.0
    for top, end in spans:
        assert top - reached < 50
        reached = max(reached, end)
    assert reached == pytest.approx(layout.height)


def test_short_and_square_drawings_stay_as_they_are() -> None:
    for length in (2, 6):
        assert len({y for _, y, _, _ in arrange(*chain(length)).boxes.values()}) == 1


# ---------------------------------------------------------------- colours

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
BLINDNESS = {
    "none": np.eye(3),
    "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "tritan": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip


def luminance(colour: str, blindness: str = "none") -> float:
    """Relative luminance (WCAG): what is left of a colour in greyscale."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(np.array([0.2126, 0.7152, 0.0722]) @ np.clip(BLINDNESS[blindness] @ linear, 0, 1))


def contrast(a: str, b: str, blindness: str = "none") -> float:
    low, high = sorted((luminance(a, blindness), luminance(b, blindness)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_states_are_told_apart_in_greyscale_and_by_the_colour_blind(blindness: str) -> None:
    fresh, stale, missing = (THEMES["light"].looks[kind].fill for kind in (FRESH, STALE, MISSING))
    assert contrast(fresh, stale, blindness) > 4.5
    assert contrast(fresh, missing, blindness) > 4.5
    assert contrast(stale, missing, blindness) > 1.4
    dark = THEMES["dark"].looks
    assert all(contrast(dark[STALE].fill, dark[kind].fill, blindness) > 4.5 for kind in (FRESH, MISSING))


@themed
def test_what_greyscale_does_not_tell_apart_is_told_by_shape(theme: Theme) -> None:
    for (_, a), (_, b) in combinations(theme.looks.items(), 2):
        same_shape = (a.dashed, a.fold, a.radius) == (b.dashed, b.fold, b.radius)
        assert contrast(a.fill, b.fill) > 1.4 or not same_shape or a.fill == b.fill


@themed
def test_the_shares_of_a_group_are_told_apart(theme: Theme) -> None:
    for (_, a), (_, b) in combinations(theme.looks.items(), 2):
        assert contrast(a.bar, b.bar) > 1.4 or a.hatch != b.hatch or a.bar == b.bar or a.fold or b.fold


@themed
@pytest.mark.parametrize("blindness", BLINDNESS)
def test_all_text_and_lines_can_be_read(blindness: str, theme: Theme) -> None:
    for look in theme.looks.values():
        assert contrast(look.ink, look.fill, blindness) >= 7
        assert contrast(look.soft, look.fill, blindness) >= 4.5
        assert contrast(look.edge, theme.paper, blindness) >= 2.9
    assert all(contrast(colour, theme.paper, blindness) >= 2.9 for colour in (theme.line, theme.flow, theme.lead))
    assert all(contrast(colour, theme.paper, blindness) >= 4.5 for colour in (theme.ink, theme.soft))


@themed
def test_a_line_that_only_leads_to_the_next_row_is_lighter_than_those_that_mean_something(theme: Theme) -> None:
    light, *others = (contrast(colour, theme.paper) for colour in (theme.lead, theme.line, theme.flow))
    assert all(other > 1.4 * light for other in others)


# ---------------------------------------------------------------- of every size, light and dark


def add(nodes: Nodes, fname: str, *children: str, **more: Any) -> str:
    key = f"{fname}:{len(nodes):06x}"
    nodes[key] = {"fname": fname, "module": "jobs", "hash": key, "children": list(children), "created": len(nodes)} | more
    return key


def tree(nodes: Nodes, count: int, at: int = 0) -> str:
    below = [tree(nodes, count, child) for child in range(3 * at + 1, 3 * at + 4) if child < count]
    files = [] if below else [Path(f"parts/{at}.dat")]
    return add(nodes, f"level_of_a_tree_{len(str(at))}", *below, files=files, label={"part": str(at)})


def fan(nodes: Nodes, count: int) -> str:
    return add(nodes, "sweep", *(add(nodes, "simulate", label={"seed": str(i)}) for i in range(count - 1)))


def pipelines(nodes: Nodes, count: int) -> str:
    """Chains that do not nest, merged, and a file written."""
    ends = []
    for i in range(max(1, count // 8)):
        end = add(nodes, "read_site", files=[Path(f"raw/{i:02}.csv")], label={"path": f"raw/{i:02}.csv"})
        for step in range(min(6, count - 2)):
            end = add(nodes, f"step_{step}_with_a_long_name", inputs={"x": end}, label={"x": "ndarray 1000×4"})
        ends.append(end)
    inputs = {f"parts[{i}]": end for i, end in enumerate(ends)}
    return add(nodes, "merge", inputs=inputs, files=[Path("out/table.parquet")], label={"parts": f"list of {len(ends)}"})


def mix(nodes: Nodes, count: int) -> str:
    """Groups, of which all is taken up by one, and files in piles."""
    share = max(1, (count - 1) // 2)
    loads = [add(nodes, "load", files=[Path(f"data/{i}.csv")], label={"p": f"data/{i}.csv"}) for i in range(share)]
    cleans = [add(nodes, "clean", inputs={"x": load}, label={"x": "DataFrame 9×9"}) for load in loads]
    return add(nodes, "report", *loads, *cleans, label={"text": "C:\\temp\\new\n", "數據": "数据" * 20})


SHAPES = (tree, fan, pipelines, mix)
STATES = ("fresh", "stale", "missing", "unknown", "fresh")


def drawn(shape: Any, count: int, theme: str, level: str = "auto") -> Figure:
    nodes: Nodes = {}
    shape(nodes, count)
    states = {call: STATES[i * 7 % 5] if i % 3 == 0 else "fresh" for i, call in enumerate(nodes)}
    files = [str(path) for node in nodes.values() for path in node.get("files", ())]
    outputs = {call: {str(Path("out/table.parquet"))} for call in nodes if call.startswith("merge")}
    reasons = dict.fromkeys(nodes, "because of month_summary(flights-02.csv), and 12 more")
    return draw(nodes, states, reasons=reasons, through=set(list(nodes)[::2]), changed=dict.fromkeys(files[::3], "changed"),
                outputs=outputs, theme=theme, level=level)  # fmt: skip


def measure(figure: Figure, theme: Theme) -> None:
    """The contrast of all text to its ground, and of all edges and lines to the paper."""
    axes = figure.axes[0]
    cards = {str(p.get_gid()): to_hex(p.get_facecolor()) for p in axes.patches if str(p.get_gid()).startswith("box-")}
    for text in axes.texts:
        ground = cards.get(str(text.get_gid()).replace("text", "box"), theme.paper)
        assert contrast(str(text.get_color()), ground) >= 4.5, text.get_text()
    for patch in axes.patches:
        if str(patch.get_gid()).startswith("box-"):
            assert contrast(to_hex(patch.get_edgecolor()), theme.paper) >= 3
    for lines in axes.collections:
        for colour in [*lines.get_edgecolor(), *lines.get_facecolor()]:
            assert contrast(to_hex(colour), theme.paper) >= 3


@pytest.mark.parametrize("count", [3, 12, 40, 100, 500])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("theme", THEMES)
def test_every_size_and_shape_can_be_read(shape: Any, count: int, theme: str) -> None:
    figure = drawn(shape, count, theme)
    check(figure, figure.bbox)
    measure(figure, THEMES[theme])
    figure = drawn(shape, min(count, 100), theme, "call")
    check(figure, figure.bbox)


@pytest.mark.parametrize("shape", [pipelines, mix])
def test_counts_stand_clear_of_all_lines_and_boxes(shape: Any) -> None:
    figure = drawn(shape, 100, "light", "function")
    axes = figure.axes[0]
    counts = [text for text in axes.texts if text.get_text().startswith("×")]
    assert counts
    marks = [points for lines in axes.collections for points in lines_of(lines)]
    for extent in rendered(figure, counts):
        for points in marks:
            inside = (points[:, 0] > extent.x0) & (points[:, 0] < extent.x1)
            assert not (inside & (points[:, 1] > extent.y0) & (points[:, 1] < extent.y1)).any()


def lines_of(lines: Any) -> list[Any]:
    """The points of lines and arrowheads, close to each other, in pixels."""
    found = [polygon for path in lines.get_paths() for polygon in path.to_polygons(closed_only=False)]
    steps = np.linspace(0, 1, 12)[:, None]
    return [
        lines.axes.transData.transform(np.vstack([a + (b - a) * steps for a, b in pairwise(points)])) for points in found
    ]


# ---------------------------------------------------------------- bytes


DRAW = """
import sys
sys.path.insert(0, {tests!r})
from test_plot_measured import scattered
from cachepy.views.plot import draw
for seed in (11,):
    nodes, states, reasons = scattered(seed)
    nodes = dict(sorted(nodes.items(), key=lambda item: hash(item[0])))
    for node in nodes.values():
        node["children"], node["files"] = set(node["children"]), set(node["files"])
    for level in ("call", "function"):
        for suffix in ("svg", "png", "pdf"):
            draw(nodes, states, f"{{sys.argv[1]}}/{{seed}}-{{level}}.{{suffix}}", reasons=reasons, level=level)
"""


def test_two_processes_with_different_hash_seeds_write_the_same_bytes(tmp_path: Path) -> None:
    found = []
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        code = DRAW.format(tests=str(Path(__file__).parent))
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed)], check=True, env=environment, cwd=tmp_path)
        files = sorted((tmp_path / seed).iterdir())
        found.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert len(found[0]) == 6
    assert found[0] == found[1]


def test_pictures_hold_no_dates_and_no_versions(tmp_path: Path) -> None:
    nodes = scattered(3)[0]
    for suffix in ("svg", "png", "pdf"):
        draw(nodes, {}, tmp_path / f"g.{suffix}")
        data = (tmp_path / f"g.{suffix}").read_bytes()
        assert not any(word in data for word in (b"<dc:date>", b"CreationDate", b"Software", b"Matplotlib v"))


def test_hostile_names_leave_an_svg_that_parses_and_holds_no_script(tmp_path: Path) -> None:
    nodes: Nodes = {
        f"{name}:{i}": {
            "fname": name,
            "module": name,
            "label": {name: name},
            "files": [Path("d" + name.replace("\x00", ""))],
        }
        for i, name in enumerate(HOSTILE)
    }
    reasons = {i: nodes[i]["fname"] for i in nodes}
    for labels in ("short", "full", "name"):
        draw(nodes, dict.fromkeys(nodes, "stale"), tmp_path / "g.svg", reasons=reasons, labels=labels)
        tags = {element.tag.rpartition("}")[2] for element in ET.parse(tmp_path / "g.svg").iter()}
        assert "script" not in tags
        assert {"svg", "path"} <= tags
    for suffix in ("png", "pdf"):
        draw(nodes, dict.fromkeys(nodes, "stale"), tmp_path / f"g.{suffix}", reasons=reasons, labels="full")
