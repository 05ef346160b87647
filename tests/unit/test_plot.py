"""The picture: measured, not looked at.  Boxes and texts as drawn, colours, bytes, and what stays untouched."""

from __future__ import annotations

import random
import time
import warnings
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch, Rectangle
from matplotlib.text import Text

from cachepy.errors import UsageValueError
from cachepy.views.captions import View
from cachepy.views.layers import back_edges
from cachepy.views.picture_layout import arrange
from cachepy.views.plot import draw
from cachepy.views.scene import below, build, choose, direct_files
from tests.programs import Project

if TYPE_CHECKING:
    from matplotlib.transforms import Bbox, BboxBase

Nodes = dict[str, dict[str, Any]]
NAVY, AMBER, GREY, BLUE, VIOLET = "#1d3557", "#fbbc04", "#f1f3f5", "#e8f0fe", "#efe7fb"


def add(nodes: Nodes, fname: str, arg: str = "", **more: Any) -> str:
    key = f"{len(nodes):06x}"
    node_id = f"{fname}:{key}"
    nodes[node_id] = {
        "id": node_id, "fname": fname, "module": "jobs", "hash": key, "parents": [], "children": [], "files": [],
        "file_hashes": {}, "outfile": None, "created": 1.0, "elapsed": 0.1, "inputs": {},
        "label": {"x": arg} if arg else {},
    } | more  # fmt: skip
    return node_id


def flights(months: int = 12) -> Nodes:
    nodes: Nodes = {}
    loads = [add(nodes, "load", f"{m:02}.csv", files=[Path(f"data/{m:02}.csv")]) for m in range(1, months + 1)]
    merge = add(nodes, "merge", inputs={f"frames[{i}]": load for i, load in enumerate(loads)})
    add(nodes, "report", "2013", children=[*loads, merge])
    return nodes


def patches(figure: Figure) -> list[PathPatch]:
    return [p for p in figure.axes[0].patches if str(p.get_gid() or "").startswith("box-")]  # type: ignore[misc]


def texts(figure: Figure) -> list[Text]:
    return [t for t in figure.axes[0].texts if t.get_text()]


def rendered(figure: Figure, artists: Iterable[Any]) -> list[Bbox]:
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    return [a.get_window_extent(renderer) for a in artists]


def holds(outer: BboxBase, inner: BboxBase) -> bool:
    wide = outer.x0 <= inner.x0 and outer.x1 >= inner.x1
    return bool(wide and outer.y0 <= inner.y0 and outer.y1 >= inner.y1)


def said(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in texts(figure))


def fills(figure: Figure) -> list[str]:
    return [to_hex(p.get_facecolor()) for p in patches(figure)]


def bars(figure: Figure) -> list[Rectangle]:
    """The shares in groups."""
    return [p for p in figure.axes[0].patches if str(p.get_gid() or "").startswith("share-")]  # type: ignore[misc]


def badges(figure: Figure) -> Counter[str]:
    """How many boxes, and keys of the legend, are marked with what."""
    gids = [str(p.get_gid() or "") for p in figure.axes[0].patches if isinstance(p, Circle)]
    return Counter(gid.removeprefix("badge-") for gid in gids if gid)


# ---------------------------------------------------------------- layout


def test_lines_keep_clear_of_boxes_that_they_do_not_join() -> None:
    sizes = dict.fromkeys("abcdefgh", (60.0, 30.0))
    edges = [("a", "b", "call"), ("b", "c", "call"), ("c", "d", "call"), ("a", "d", "call"), ("a", "c", "call")]
    edges += [("e", "d", "flow"), ("b", "d", "file"), ("e", "f", "call"), ("f", "h", "call")]
    layout = arrange(sizes, edges, {"h"})
    for (a, b, _), route in zip(edges, layout.routes, strict=True):
        for x, y in route[1:-1]:
            for name in set(sizes) - {a, b}:
                left, top, width, height = layout.boxes[name]
                assert not (left <= x <= left + width and top < y < top + height)


def test_callers_stand_left_of_calls_and_files_in_a_last_column() -> None:
    sizes = dict.fromkeys(("top", "mid", "low", "file1", "file2"), (50.0, 20.0))
    edges = [("top", "mid", "call"), ("mid", "low", "call"), ("top", "low", "call")]
    edges += [("top", "file1", "file"), ("low", "file2", "file")]
    boxes = arrange(sizes, edges, {"file1", "file2"}).boxes
    assert boxes["top"][0] < boxes["mid"][0] < boxes["low"][0] < boxes["file1"][0] == boxes["file2"][0]


def test_a_consumer_stands_left_of_its_producer() -> None:
    nodes: Nodes = {}
    load = add(nodes, "load", files=[Path("a.csv")])
    clean_ = add(nodes, "clean", inputs={"frame": load})
    assert list(build(View(nodes, {}, {}), "call").links) == [
        (clean_, load, "flow"),
        (load, "file://a.csv", "read"),
    ]


def test_trees_have_no_crossings_and_chains_are_straight() -> None:
    names = [f"n{i}" for i in range(31)]
    edges = [(names[(i - 1) // 2], names[i], "call") for i in range(1, 31)]
    boxes = arrange(dict.fromkeys(reversed(names), (40.0, 20.0)), edges).boxes
    for layer in (names[1:3], names[3:7], names[7:15]):
        order = sorted(layer, key=lambda n: boxes[n][1])
        below_ = sorted((n for n in names[1:] if names[(names.index(n) - 1) // 2] in layer), key=lambda n: boxes[n][1])
        assert [names[(names.index(n) - 1) // 2] for n in below_] == [n for n in order for _ in "12"]
    chain = arrange(dict.fromkeys(names[:8], (40.0, 20.0)), [(a, b, "call") for a, b in pairwise(names[:8])])
    assert len({y for _, y, _, _ in chain.boxes.values()}) == 1


def test_turning_back_edges_leaves_no_cycle() -> None:
    dice = random.Random(7)
    for _ in range(50):
        names = [str(i) for i in range(8)]
        edges = [(a, b, "call") for a, b in (dice.sample(names, 2) for _ in range(20))]
        turned = back_edges(names, edges)
        left = {(b, a) if i in turned else (a, b) for i, (a, b, _) in enumerate(edges)}
        while ends := {a for a, _ in left} - {b for _, b in left}:
            left = {(a, b) for a, b in left if a not in ends}
        assert not left


def test_unconnected_calls_are_set_in_rows() -> None:
    layout = arrange({str(i): (70.0, 30.0) for i in range(30)}, [])
    assert len({box[0] for box in layout.boxes.values()}) > 3
    assert len({box[1] for box in layout.boxes.values()}) > 3


# ---------------------------------------------------------------- what is shown


def test_each_state_has_its_colour_and_more_than_colour() -> None:
    nodes = flights(3)
    states = dict(zip(nodes, ["stale", "missing", "fresh", "fresh", "stale"], strict=True))
    figure = draw(nodes, states)
    assert sorted(fills(figure)) == sorted([AMBER, GREY, NAVY, NAVY, AMBER, BLUE, BLUE, BLUE])
    dashed = {to_hex(p.get_facecolor()) for p in patches(figure) if p.get_linestyle() not in ("-", "solid")}
    assert dashed == {GREY}
    assert badges(figure) == Counter({"stale": 2 + 1, "missing": 1 + 1})  # on boxes, and one in the legend
    assert len(figure.axes[0].lines) == 5  # the strokes in them
    assert {"fresh", "stale", "missing: its value is not on disk", "file"} <= set(said(figure).splitlines())


def test_unknown_has_a_look_of_its_own() -> None:
    nodes = flights(1)
    figure = draw(nodes, dict.fromkeys(nodes, "unknown"))
    shapes = [p for p in patches(figure) if to_hex(p.get_facecolor()) == VIOLET]
    assert len(shapes) == 3
    assert all(shape.get_linestyle() not in ("-", "solid") for shape in shapes)
    assert badges(figure) == Counter({"unknown": 3 + 1})
    assert not {"fresh", "stale"} & set(said(figure).splitlines())


@pytest.mark.parametrize(
    ("states", "fill", "shares", "marks"),
    [
        ({"stale": 6, "fresh": 502}, NAVY, {"fresh": 502, "stale": 6}, {"stale"}),
        ({"stale": 500, "fresh": 8}, AMBER, {"fresh": 8, "stale": 500}, {"stale"}),
        ({"missing": 40, "fresh": 60, "unknown": 20}, NAVY, {"fresh": 60, "missing": 40, "unknown": 20}, {"missing", "unknown"}),
        ({"unknown": 5, "missing": 4}, VIOLET, {"missing": 4, "unknown": 5}, {"missing", "unknown"}),
        ({"stale": 9}, AMBER, {}, {"stale"}),
        ({"fresh": 9}, NAVY, {}, set()),
    ],
)  # fmt: skip
def test_a_group_shows_its_shares(
    states: dict[str, int], fill: str, shares: dict[str, int], marks: set[str]
) -> None:
    nodes: Nodes = {}
    kinds = [state for state, count in states.items() for _ in range(count)]
    known = {add(nodes, "load", str(i)): state for i, state in enumerate(kinds)}
    figure = draw(nodes, known, level="function")
    assert fills(figure) == [fill]
    assert set(badges(figure)) == marks
    found = {str(p.get_gid())[6:]: p.get_width() for p in bars(figure)}
    assert list(found) == list(shares)
    whole = patches(figure)[0].get_path().get_extents().width
    assert sum(found.values()) == pytest.approx(whole if shares else 0.0)
    for state, count in shares.items():
        wanted = max(5.0, whole * count / sum(shares.values()))
        assert found[state] == pytest.approx(wanted, abs=5.0), "in proportion, and none too small to see"
        assert found[state] >= 5.0


def test_a_group_with_causes_of_others_only_says_so() -> None:
    nodes: Nodes = {}
    known = {add(nodes, "load", str(i)): "stale" for i in range(9)}
    first = next(iter(nodes))
    assert set(badges(draw(nodes, known, level="function", through=set(nodes)))) == {"after"}
    assert set(badges(draw(nodes, known, level="function", through=set(nodes) - {first}))) == {"stale"}


def test_the_changed_file_is_marked() -> None:
    nodes = flights(3)
    figure = draw(nodes, dict.fromkeys(nodes, "fresh"), changed={str(Path("data/02.csv")): "changed"})
    boxes = {str(p.get_gid())[4:]: to_hex(p.get_facecolor()) for p in patches(figure)}
    names = {str(t.get_gid())[5:]: t.get_text() for t in texts(figure)[::-1] if t.get_gid()}
    assert [names[i] for i, fill in boxes.items() if fill == AMBER] == ["02.csv"]
    assert "changed" in said(figure).splitlines()
    assert badges(figure) == Counter({"stale": 2})
    legend = said(figure).splitlines()
    assert "changed file" in legend
    assert "stale" not in legend
    assert "changed" not in said(draw(nodes, {}, None, False, changed={str(Path("data/02.csv")): "changed"}))


def test_a_few_changed_files_stand_beside_their_pile() -> None:
    nodes: Nodes = {}
    paths = [Path(f"data/{i:02}.csv") for i in range(20)]
    add(nodes, "scan", files=paths)
    few, many = (draw(nodes, {}, changed=dict.fromkeys(map(str, paths[:n]), "changed")) for n in (2, 9))
    assert {"18 files", "00.csv", "01.csv", "changed"} <= set(said(few).splitlines())
    assert {"20 files", "9 changed"} <= set(said(many).splitlines())
    assert [str(p.get_gid()) for p in bars(many)] == ["share-files", "share-stale"]


def test_without_highlight_all_calls_look_alike() -> None:
    nodes = flights(2)
    figure = draw(nodes, dict.fromkeys(nodes, "stale"), None, False, reasons=dict.fromkeys(nodes, "why"))
    assert set(fills(figure)) == {NAVY, BLUE}
    assert "stale" not in said(figure)
    assert "why" not in said(figure)


def test_title_counts() -> None:
    nodes = flights()
    first = next(iter(nodes))
    title = texts(draw(nodes, {first: "stale"}))[0].get_text()
    assert title == "14 calls · 12 files · 1 stale"
    assert texts(draw({first: nodes[first]}, {}))[0].get_text() == "1 call · 1 file"
    assert texts(draw({first: nodes[first]}, {first: "fresh"}))[0].get_text() == "1 call · 1 file · all fresh"


def test_the_legend_has_what_the_drawing_has() -> None:
    nodes = flights(2)
    first, second = list(nodes)[:2]
    lines = ["file", "calls", "result goes to", "a file is read"]
    assert said(draw(nodes, {})).splitlines()[-5:] == ["cached call", *lines]
    assert said(draw(nodes, dict.fromkeys(nodes, "fresh"))).splitlines()[-5:] == ["fresh", *lines]
    stale = said(draw({first: nodes[first]}, {first: "stale"})).splitlines()
    assert stale[-3:] == ["stale", "file", "a file is read"]
    assert "stale because of another call" in said(draw(nodes, {second: "stale"}, through={second}))


def test_a_stale_call_tells_whether_the_cause_is_its_own() -> None:
    nodes = flights(2)
    stale = dict.fromkeys(list(nodes)[:2], "stale")
    own, through = (draw(nodes, stale, through=ids) for ids in ((), set(stale)))
    marks = [
        [to_hex(mark.get_facecolor()) for mark in f.axes[0].patches if isinstance(mark, Circle)] for f in (own, through)
    ]
    assert marks[0][::2] == ["#212529"] * 3
    assert marks[1][::2] == ["#ffffff"] * 3
    assert [fills(f).count(AMBER) for f in (own, through)] == [2, 2]


def test_reasons_are_written_on_what_they_explain() -> None:
    nodes = flights(2)
    first, second = list(nodes)[:2]
    words = said(draw(nodes, {first: "stale"}, reasons={first: "01.csv changed", second: "not this"}))
    assert "01.csv changed" in words
    assert "not this" not in words


def test_by_function_with_counts() -> None:
    nodes = flights()
    words = said(draw(nodes, dict.fromkeys(list(nodes)[:2], "stale"), level="function")).splitlines()
    assert {"load ×12", "01.csv … 12.csv", "2 stale", "12 files", "of data/", "×12", "merge", "report"} <= set(words)
    assert words[0] == "14 calls of 3 functions · 12 files · 2 stale"


def test_functions_of_one_name_in_two_modules_are_two() -> None:
    nodes: Nodes = {}
    add(nodes, "load", module="a")
    add(nodes, "load", module="b")
    assert len(build(View(nodes, {}, {}), "function").boxes) == 2


def test_auto_goes_by_size() -> None:
    view = View(flights(), {}, {})
    assert choose(view, "auto", 60) == build(view, "call")
    assert choose(view, "auto", 25) == build(view, "function")
    assert choose(view, "auto", 0) == build(view, "module")


def test_auto_draws_no_long_column_of_calls_that_look_alike() -> None:
    nodes: Nodes = {}
    add(nodes, "sweep", children=[add(nodes, "simulate", str(i)) for i in range(17)])
    view = View(nodes, {}, {})
    assert choose(view, "auto", 60) == build(view, "function")
    lines = [box.lines for box in build(view, "function").boxes.values()]
    assert lines == [[("simulate ×17", "name"), ("0 … 16", "args")], [("sweep", "name")]]
    assert choose(View(below(nodes, "simulate"), {}, {}), "auto", 60).boxes.keys() == below(nodes, "simulate").keys()


def test_calls_stand_in_the_order_of_their_arguments() -> None:
    nodes: Nodes = {}
    loads = {i: add(nodes, "load", f"{i}.csv", files=[Path(f"{i}.csv")]) for i in (10, 2, 33, 1)}
    add(nodes, "merge", inputs={f"x[{i}]": load for i, load in loads.items()})
    scene = build(View(nodes, {}, {}), "call")
    layout = arrange(
        dict.fromkeys(scene.boxes, (60.0, 30.0)), list(scene.links), {i for i in scene.boxes if "file:" in i}
    )
    by_height = sorted(scene.boxes, key=lambda name: layout.boxes[name][1])
    assert [scene.boxes[i].lines[-1][0] for i in by_height if "load" in i] == ["1.csv", "2.csv", "10.csv", "33.csv"]


def test_a_file_is_joined_to_the_call_that_reads_it_not_to_all_above() -> None:
    nodes: Nodes = {}
    low = add(nodes, "low", files=[Path("a.csv")])
    top = add(nodes, "top", files=[Path("a.csv"), Path("b.csv")], children=[low])
    ping, pong = (add(nodes, name, files=[Path("c.csv")]) for name in ("ping", "pong"))
    nodes[ping]["children"], nodes[pong]["children"] = [pong], [ping]
    assert direct_files(nodes) == [(low, "a.csv"), (ping, "c.csv"), (pong, "c.csv"), (top, "b.csv")]
    assert (top, "file://a.csv", "read") in build(View(nodes, {}, {}), "file").links


def test_arguments_that_arrows_show_are_left_out() -> None:
    nodes: Nodes = {}
    load = add(nodes, "load")
    add(nodes, "plot", inputs={"table[0]": load}, label={"table": "DataFrame 9×2", "kind": "'bar'"})
    add(nodes, "clean", inputs={"table": load}, label={"table": "DataFrame 9×2"})
    boxes = [[text for text, _ in box.lines] for box in build(View(nodes, {}, {}), "call").boxes.values()]
    assert boxes == [["clean", "DataFrame 9×2"], ["load"], ["plot", "bar"]]
    add(nodes, "title", label={"text": "''", "size": "9"})
    assert build(View(nodes, {}, {}), "call").boxes["title:000003"].lines[-1] == ("'', 9", "args")


def test_by_file_has_calls_with_files_only() -> None:
    words = said(draw(flights(), {}, level="file"))
    assert "load" in words
    assert "report" not in words


def test_many_files_of_a_call_become_one_pile() -> None:
    nodes: Nodes = {}
    add(nodes, "scan", files=[Path(f"in/data/{i}.csv") for i in range(12)])
    add(nodes, "few", files=[Path(f"in/data/{i}.csv") for i in range(3)])
    words = said(draw(nodes, {})).splitlines()
    assert {"12 files", "of data/", "0.csv", "1.csv", "2.csv"} <= set(words)
    assert "3.csv" not in words


def test_files_of_one_name_are_told_apart_by_folder() -> None:
    nodes: Nodes = {}
    add(nodes, "a", files=[Path("x/in/d.csv"), Path("y/in/d.csv"), Path("e.csv")])
    lines = [box.lines for box in build(View(nodes, {}, {}), "call").boxes.values()]
    assert [("d.csv", "name"), (f"{Path('x/in')}/", "args")] in lines
    assert [("e.csv", "name")] in lines
    add(nodes, "b", files=[Path("d.csv")])
    assert [("d.csv", "name"), ("./", "args")] in [
        box.lines for box in build(View(nodes, {}, {}), "call").boxes.values()
    ]


def test_calls_that_look_alike_are_told_apart() -> None:
    nodes: Nodes = {}
    for arg in ("a/d.csv", "b/d.csv", "x" * 80, "x" * 80):
        add(nodes, "load", arg)
    looks = [tuple(box.lines) for box in build(View(nodes, {}, {}), "call").boxes.values()]
    assert len(set(looks)) == 4


def test_labels() -> None:
    nodes: Nodes = {}
    add(nodes, "load", "d.csv")
    assert {"load", "d.csv"} <= set(said(draw(nodes, {})).splitlines())
    assert {"jobs.load", "x=d.csv"} <= set(said(draw(nodes, {}, labels="full")).splitlines())
    assert "d.csv" not in said(draw(nodes, {}, labels="name"))


def test_time_and_size_on_request(tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(b"x" * 2500)
    nodes: Nodes = {}
    for i in range(2):
        add(nodes, "load", f"{i}.csv", elapsed=0.75, outfile=tmp_path / "value")
    assert "750 ms" not in said(draw(nodes, {}))
    assert "750 ms" in said(draw(nodes, {}, labels="time")).splitlines()
    words = said(draw(nodes, {}, labels=("name", "size", "time"))).splitlines()
    assert "750 ms · 2.5 kB" in words
    assert "0.csv" not in words
    assert "1.5 s · 5.0 kB" in said(draw(nodes, {}, labels=["time", "size"], level="function"))
    (tmp_path / "value").unlink()
    assert "kB" not in said(draw(nodes, {}, labels=["time", "size"]))


def test_root_shows_what_it_depended_on() -> None:
    nodes = flights(2)
    other = add(nodes, "other")
    merge = next(i for i in nodes if i.startswith("merge"))
    assert other not in below(nodes, "report")
    assert set(below(nodes, merge)) == {merge, *list(nodes)[:2]}
    assert "report" not in said(draw(nodes, {}, root="merge"))


# ---------------------------------------------------------------- odd graphs


def test_empty_graph_says_so() -> None:
    figure = draw({}, {})
    assert "No cached call to draw" in said(figure)


def test_cycles_are_drawn() -> None:
    nodes: Nodes = {}
    a = add(nodes, "ping")
    b = add(nodes, "pong", children=[a], inputs={"x": a})
    nodes[a] |= {"children": [a, b], "inputs": {"y": b, "z": a}}
    for level in ("call", "function", "module"):
        assert draw(nodes, {}, level=level)


def test_odd_names_are_drawn_without_warnings(tmp_path: Path) -> None:
    nodes: Nodes = {}
    for name in (
        "$x^2$",
        "a\nb",
        "tab\t",
        "数据",
        "🦊",
        '<b a="1">&amp;',
        "\x00\x07",
        "",
        "%",
        "{}",
        "\\frac",
        "x" * 300,
    ):
        add(nodes, name, name, files=[Path("d" + name.replace("\x00", ""))], module=name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for suffix in ("png", "svg", "pdf"):
            draw(nodes, dict.fromkeys(nodes, "stale"), tmp_path / f"g.{suffix}", labels="full")


def test_missing_fields_and_strangers_are_no_trouble() -> None:
    nodes: Nodes = {"a:1": {"children": ["gone:1"], "inputs": {"x": "gone:2"}}, "b:2": {"fname": None, "files": None}}
    draw(nodes, {"gone:1": "stale", "a:1": "???"})


def test_thousands_of_calls_take_seconds() -> None:
    nodes: Nodes = {}
    loads = [add(nodes, "load", f"{i}.csv", files=[Path(f"d/{i}.csv")]) for i in range(4000)]
    cleans = [add(nodes, "clean", str(i), inputs={"x": load}) for i, load in enumerate(loads[:999])]
    add(nodes, "report", children=[*loads, *cleans])
    start = time.perf_counter()
    figure = draw(nodes, {})
    assert time.perf_counter() - start < 10
    assert "load ×4,000" in said(figure)


def test_even_thousands_of_boxes_can_be_saved(tmp_path: Path) -> None:
    nodes: Nodes = {}
    add(nodes, "all", children=[add(nodes, "load", str(i)) for i in range(1500)])
    figure = draw(nodes, {}, tmp_path / "g.png", level="call")
    assert max(figure.get_size_inches()) <= 200.01
    assert figure.bbox.width * figure.bbox.height < 100e6


def test_a_deep_chain_does_not_recurse() -> None:
    names = [str(i) for i in range(3000)]
    edges = [(a, b, "call") for a, b in pairwise(names)]
    assert len(arrange(dict.fromkeys(names, (10.0, 10.0)), edges).boxes) == 3000


# ---------------------------------------------------------------- output


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "PNG"])
def test_same_graph_same_bytes(suffix: str, tmp_path: Path) -> None:
    nodes = flights()
    backwards = {i: nodes[i] | {"children": nodes[i]["children"][::-1]} for i in reversed(nodes)}
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    draw(nodes, {}, one)
    draw(backwards, {}, str(two))
    assert one.read_bytes() == two.read_bytes()
    magic = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix.lower()]
    assert one.read_bytes().startswith(magic)


def test_size_grows_with_the_graph_only() -> None:
    small, large = (draw(flights(n), {}, level="call").get_size_inches() for n in (2, 12))
    assert small[1] < large[1]
    assert abs(small[0] - large[0]) < 3
    assert all(2 < side < 20 for side in (*small, *large))


def test_the_users_style_changes_nothing_and_is_kept(tmp_path: Path) -> None:
    import matplotlib as mpl

    draw(flights(2), {}, tmp_path / "plain.png")
    loud: dict[Any, Any] = {"font.size": 30, "savefig.bbox": "tight", "axes.facecolor": "black", "lines.linewidth": 9.0}
    with mpl.rc_context(loud):
        draw(flights(2), {}, tmp_path / "loud.png")
        assert {key: mpl.rcParams[key] for key in loud} == loud
    assert (tmp_path / "loud.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_into_given_axes_all_text_still_fits() -> None:
    figure = Figure(figsize=(10, 8))
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    assert draw(flights(5), {}, ax=left) is figure
    assert right.has_data() is False
    boxes = {str(p.get_gid()): b for p, b in zip(patches(figure), rendered(figure, patches(figure)), strict=True)}
    for text, extent in zip(texts(figure), rendered(figure, texts(figure)), strict=True):
        if text.get_gid():
            assert holds(boxes[str(text.get_gid()).replace("text", "box")], extent), text.get_text()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"output": "g.jpg"}, "g.jpg"), ({"output": "g"}, ".png"), ({"level": "x"}, "function"),
     ({"labels": "x"}, "short"), ({"labels": ["time", "x"]}, "size"), ({"labels": ["name", "full"]}, "name"), ({"root": "nobody"}, "nobody")],
)  # fmt: skip
def test_wrong_arguments_are_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageValueError, match=named):
        draw(flights(1), {}, **arguments)


def test_neither_pyplot_nor_the_backend_is_touched(tmp_path: Path) -> None:
    code = f"""
import sys
import cachepy.views.plot
assert not {{"matplotlib", "networkx", "numpy"}} & set(sys.modules)
import matplotlib
before = dict.__getitem__(matplotlib.rcParams, "backend")
for suffix in ("png", "svg", "pdf"):
    cachepy.views.plot.draw({{}}, {{}}, {str(tmp_path)!r} + "/g." + suffix)
assert "matplotlib.pyplot" not in sys.modules
assert dict.__getitem__(matplotlib.rcParams, "backend") is before
matplotlib.use("svg")
cachepy.views.plot.draw({{}}, {{}}, {str(tmp_path)!r} + "/g.png")
assert matplotlib.get_backend() == "svg"
"""
    Project(tmp_path).run("-c", code)
