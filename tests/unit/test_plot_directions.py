"""Directions and themes of a picture: where files stand, which way arrows point, what lies on what ground."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure

import cachepy
from cachepy.errors import UsageValueError
from cachepy.views.captions import View
from cachepy.views.plot import draw
from cachepy.views.scene import build, directed
from cachepy.views.themes import THEMES

if TYPE_CHECKING:
    from cachepy.views.scene import Scene

Nodes = dict[str, dict[str, Any]]
SVG = "{http://www.w3.org/2000/svg}"
IN, OUT = "file://in.csv", "file://out.csv"


def add(nodes: Nodes, fname: str, **more: Any) -> str:
    key = f"{fname}:{len(nodes):06x}"
    nodes[key] = {"fname": fname, "hash": key, "label": {}} | more
    return key


def written() -> tuple[Nodes, dict[str, set[str]]]:
    """in.csv, load, write, out.csv, show: nothing nests."""
    nodes: Nodes = {}
    load = add(nodes, "load", files=[Path("in.csv")])
    write = add(nodes, "write", files=[Path("out.csv")], inputs={"x": load})
    add(nodes, "show", files=[Path("out.csv")], inputs={"path": write})
    return nodes, {write: {"out.csv"}}


def scene_of(nodes: Nodes, outputs: dict[str, set[str]], direction: str) -> Scene:
    return directed(build(View(nodes, {}, {}, outputs=outputs), "call"), direction)


def lefts(figure: Figure) -> dict[str, float]:
    """The left edges of boxes, by the first line in them."""
    axes = figure.axes[0]
    cards = {str(p.get_gid())[4:]: p for p in axes.patches if str(p.get_gid() or "").startswith("box-")}
    names = {str(t.get_gid())[5:]: t.get_text() for t in axes.texts[::-1] if t.get_gid()}
    return {names[i]: card.get_path().get_extents().x0 for i, card in cards.items()}  # type: ignore[attr-defined]


def heads(figure: Figure) -> list[tuple[float, float]]:
    """The tip of each arrowhead above the legend, and where it comes from."""
    found = [poly.get_paths() for poly in figure.axes[0].collections if type(poly).__name__ == "PolyCollection"]
    points = [path.vertices for paths in found for path in paths]  # type: ignore[union-attr]
    lowest = max(p[0][1] for p in points)
    return [(float(p[0][0]), float(p[1][0])) for p in points if p[0][1] < lowest]


def test_along_the_data_all_goes_left_to_right() -> None:
    nodes, outputs = written()
    figure = draw(nodes, {}, outputs=outputs)
    place = lefts(figure)
    assert sorted(place, key=place.__getitem__) == ["in.csv", "load", "write", "out.csv", "show"]
    assert all(tip > start for tip, start in heads(figure))


def test_along_the_calls_outputs_stand_where_data_come_out() -> None:
    nodes, outputs = written()
    figure = draw(nodes, {}, outputs=outputs, direction="calls")
    place = lefts(figure)
    assert sorted(place, key=place.__getitem__) == ["show", "out.csv", "write", "load", "in.csv"]
    assert all(tip < start for tip, start in heads(figure))


def test_arrows_of_calls_point_at_what_is_called_and_of_data_at_what_takes_them() -> None:
    nodes: Nodes = {}
    load = add(nodes, "load", files=[Path("in.csv")])
    add(nodes, "report", children=[load], files=[Path("out.csv")])
    figure = draw(nodes, {}, outputs={"report:000001": {"out.csv"}})
    place = lefts(figure)
    assert sorted(place, key=place.__getitem__) == ["out.csv", "report", "load", "in.csv"]
    assert sorted(tip > start for tip, start in heads(figure)) == [False, False, True]


@pytest.mark.parametrize(("nests", "direction"), [(False, "data"), (True, "calls")])
def test_auto_goes_along_the_data_where_calls_do_not_nest(nests: bool, direction: str) -> None:
    nodes, outputs = written()
    if nests:
        add(nodes, "main", children=list(nodes))
    assert scene_of(nodes, outputs, "auto") == scene_of(nodes, outputs, direction)
    assert scene_of(nodes, outputs, "auto") != scene_of(nodes, outputs, {"data": "calls", "calls": "data"}[direction])


def test_a_file_between_two_calls_takes_the_place_of_the_line_between_them() -> None:
    nodes, outputs = written()
    load, write, show = nodes
    links = {(load, IN, "read"), (write, load, "flow"), (OUT, write, "write"), (show, OUT, "read")}
    assert set(scene_of(nodes, outputs, "calls").links) == links
    nodes[show]["inputs"]["table"] = write  # it takes a result too
    assert set(scene_of(nodes, outputs, "calls").links) == links | {(show, write, "flow")}
    assert (write, load, "flow") in scene_of(nodes, {}, "calls").links


def test_the_legend_says_what_arrows_mean() -> None:
    nodes, outputs = written()
    said = [text.get_text() for text in draw(nodes, {}, outputs=outputs).axes[0].texts]
    assert "a file is read or written" in said
    add(nodes, "main", children=list(nodes))
    assert "called by" in [text.get_text() for text in draw(nodes, {}, direction="data").axes[0].texts]
    said = [text.get_text() for text in draw(nodes, {}, direction="calls").axes[0].texts]
    assert "calls" in said
    assert "a file is read" in said


# ---------------------------------------------------------------- themes


@pytest.mark.parametrize("name", THEMES)
def test_a_theme_has_its_ground(name: str, tmp_path: Path) -> None:
    nodes, outputs = written()
    figure = draw(nodes, {}, tmp_path / "g.png", outputs=outputs, theme=name)
    assert to_hex(figure.get_facecolor()) == THEMES[name].paper.lower()
    assert figure.axes[0].texts[0].get_color() == THEMES[name].ink


def test_a_transparent_picture_has_no_ground(tmp_path: Path) -> None:
    from matplotlib.image import imread

    nodes, outputs = written()
    for transparent, alpha in ((True, 0.0), (False, 1.0)):
        draw(nodes, {}, tmp_path / "g.png", outputs=outputs, transparent=transparent)
        corner = imread(tmp_path / "g.png")[0, 0]
        assert len(corner) == 4
        assert corner[3] == alpha


@pytest.mark.parametrize("transparent", [False, True])
def test_in_axes_of_the_user_the_theme_has_its_ground_too(transparent: bool) -> None:
    figure = Figure(figsize=(8, 6), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw(written()[0], {}, ax=axes, theme="dark", transparent=transparent)
    ground = axes.patches[0].get_facecolor()
    assert ground == (to_rgba("none") if transparent else to_rgba(THEMES["dark"].paper))


def test_text_in_svg_can_be_selected_and_searched(tmp_path: Path) -> None:
    nodes, outputs = written()
    nodes["load:000000"]["label"] = {"pattern": "<a & b>\\d\x07"}
    with mpl.rc_context({"svg.fonttype": "path"}):
        draw(nodes, {}, tmp_path / "g.svg", outputs=outputs)
        assert mpl.rcParams["svg.fonttype"] == "path", "the user's settings are kept"
    texts = ["".join(text.itertext()).strip() for text in ET.parse(tmp_path / "g.svg").iter(f"{SVG}text")]
    assert {"load", "write", "show", "in.csv", "out.csv", r"<a & b>\d\x07", "result goes to"} <= set(texts)


def test_fonts_in_svg_are_named_with_some_that_other_machines_have(tmp_path: Path) -> None:
    draw(written()[0], {}, tmp_path / "g.svg")
    found = set(re.findall(r"<text [^>]*font(?:-family)?: ([^;\"]*)", (tmp_path / "g.svg").read_text("utf-8")))
    assert found
    assert all("'DejaVu Sans', 'Verdana', sans-serif" in font for font in found)


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"direction": "dta"}, "direction='dta' is not one of: auto, data, calls; did you mean 'data'?"),
        ({"direction": "up"}, "direction='up' is not one of: auto, data, calls"),
        ({"direction": None}, "direction=None is not one of: auto, data, calls"),
        ({"theme": "Dark"}, "theme='Dark' is not one of: light, dark; did you mean 'dark'?"),
        ({"level": "functions"}, "level='functions' is not one of: auto, call, function, module, file; did you mean 'function'?"),
        ({"labels": "fulll"}, "labels='fulll' is not one of: short, full, name, time, size; did you mean 'full'?"),
    ],
)  # fmt: skip
def test_wrong_words_are_answered_with_the_right_ones(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageValueError) as raised:
        cachepy.plot_cache_graph(**arguments)
    assert str(raised.value) == message
