"""The page in a real browser: what is there, clicks and keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from graphs import many, pipeline
from looking import DOWN, ENTER, ESCAPE, LEFT, RIGHT, UP, camera, chosen, marked, number, settle

CLOSED = "page.scene.units.filter(u => u.kind === 'pile').length"


# ---------------------------------------------------------------- what is there


def test_opening(opened):
    assert opened.driver.title == "Flights" and opened.text("h1") == "Flights"
    assert opened.text("#counts") == "5 calls · 4 functions · 2 files"
    assert opened.ask("[...document.querySelectorAll('#states button')].map(b => b.textContent.replace(/^[!/?]/, ''))") == [
        "2 stale", "1 missing", "2 fresh",
    ]  # fmt: skip
    assert opened.text("#causes") == "3 causes"
    drawn = {label["text"] for label in opened.ask("page.painter.labels")}
    assert {"merge", "report", "alone", "01.csv", "02.csv", "2013", "file 01.csv changed"} <= drawn
    assert opened.errors() == []


def test_callers_stand_left_of_calls_and_files_at_the_right(opened):
    left = "return cachepy.spotOf(arguments[0])[0]"
    x = {name: opened.js(left, number(opened, name)) for name in ("report", "merge", "load", "01.csv")}
    assert x["report"] < x["merge"] < x["load"] < x["01.csv"]


def test_files_stand_right_of_all_calls(browser):
    nodes, stale = pipeline()
    next(n for n in nodes.values() if n["fname"] == "report")["files"] = [Path("/etc/year.txt")]
    browser.open(nodes, stale)
    ends = "page.scene.units.filter(u => page.scene.edges.some(e => page.scene.units[e.a] === u)).map(u => u.x + u.w)"
    assert browser.ask(f"Math.max(...{ends}) < Math.min(...page.scene.units.filter(u => u.isFile).map(u => u.x))")


def test_states_are_told_by_shape_and_words_too(opened):
    assert [opened.text(f"#legend li:nth-child({i})").split("\n")[-1] for i in range(1, 10)] == [
        "fresh", "stale", "stale because of another call", "missing", "unknown", "file", "changed file", "calls", "result goes to",
    ]  # fmt: skip
    opened.click(number(opened, "alone"))
    assert opened.text("#panel .chip").split("\n")[-1] == "missing"


def test_without_a_look_at_files_the_legend_is_short(browser):
    nodes, _ = pipeline()
    browser.open(nodes)
    assert browser.text("#legend").split("\n") == ["cached call", "file", "calls", "result goes to"]


def test_an_empty_graph_says_so(browser):
    browser.open({}, {})
    assert browser.text("#empty") == "No cached call to show"
    browser.keys("0", "+", RIGHT, ENTER)
    assert browser.errors() == []


# ---------------------------------------------------------------- details


def test_a_click_shows_the_details(opened):
    opened.click(number(opened, "merge"))
    panel = opened.text("#panel")
    for text in (
        "merge", "jobs", "stale", "code of jobs:merge changed", "jobs.py:12", "+    return a + b", "Frame 3×2", "result of load · 01.csv",
        "result of load · 02.csv", "250 ms", "Called by".upper(), "report · 2013", f"{2:032x}", "/cache/entries/",
    ):  # fmt: skip
        assert text in panel, text
    opened.click(number(opened, "load", "01"))
    assert "/data/01.csv" in opened.text("#panel") and "ab" * 16 in opened.text("#panel")
    assert "file /data/01.csv changed" in opened.text("#panel .why") and "merge" in opened.text("#panel")


def test_links_lead_on(opened):
    opened.click(number(opened, "report"))
    next(b for b in opened.driver.find_elements("css selector", "#panel .link") if "merge" in b.text).click()
    assert chosen(opened).startswith("merge")


def test_a_file_says_who_reads_it(opened):
    opened.click(number(opened, "02.csv"))
    assert "load · 02.csv" in opened.text("#panel") and "ab" * 16 in opened.text("#panel")


def test_a_click_beside_closes(opened):
    opened.click(number(opened, "merge"))
    opened.press(30, 90)
    assert not opened.find("#panel").is_displayed()


# ---------------------------------------------------------------- up and down stream


def test_highlighting_both_ways(opened):
    opened.click(number(opened, "merge"))
    loads = {"load01.csv", "load02.csv", "01.csv", "02.csv"}
    assert marked(opened, 1) == {"mergeFrame 3×2, Frame 4×2, 7", *loads}
    assert marked(opened, 2) == {"mergeFrame 3×2, Frame 4×2, 7", "report2013"}
    opened.keys("d")
    assert marked(opened, 3) == {"mergeFrame 3×2, Frame 4×2, 7", "report2013"}
    opened.keys("u")
    assert marked(opened, 3) == {"mergeFrame 3×2, Frame 4×2, 7", *loads}
    opened.find("[data-reach='3']").click()
    assert len(marked(opened, 3)) == 6
    opened.keys(ESCAPE)
    assert opened.ask("page.marks") is None


# ---------------------------------------------------------------- search


@pytest.mark.parametrize(("query", "found"), [
    ("mer", ["merge"]), ("02.csv", ["02.csv", "load"]), ("LOAD 01", ["load"]), ("data", ["01.csv", "02.csv"]), ("nothing such", []),
])  # fmt: skip
def test_search_by_name_argument_and_file(opened, query, found):
    opened.keys("/", query)
    assert [row.text for row in opened.driver.find_elements("css selector", "#hits b")] == found
    assert opened.text("#foundcount") == {0: "No match", 1: "1 match"}.get(len(found), f"{len(found)} matches")


def test_search_by_keys(opened):
    opened.keys("/", "load", DOWN)
    assert opened.find("#query").get_attribute("aria-activedescendant") == "hit1"
    opened.keys(ENTER)
    assert chosen(opened) == "load 02.csv" and opened.driver.switch_to.active_element.get_attribute("id") == "graph"
    opened.keys("/", ESCAPE)
    assert opened.find("#query").get_attribute("value") == "" and not opened.find("#found").is_displayed()


def test_a_match_is_brought_into_view_and_its_function_opened(browser):
    browser.open(many(2000))
    browser.keys("/", "00321.csv load", ENTER)
    settle(browser)
    x, y = browser.js("return cachepy.spotOf(arguments[0])", browser.ask("page.item"))
    assert 0 < x < 1100 and 60 < y < 900 and chosen(browser) == "load 00321.csv"
    assert "00321.csv" in {label["text"] for label in browser.ask("page.painter.labels")}


# ---------------------------------------------------------------- moving


def test_keys_zoom_and_move(opened):
    settle(opened)
    start = camera(opened)
    opened.keys("+")
    nearer = camera(opened)
    opened.keys(RIGHT)
    moved = camera(opened)
    assert nearer["k"] > start["k"] and moved["x"] > nearer["x"] and moved["y"] == nearer["y"]
    opened.keys("-", "-")
    assert camera(opened)["k"] < start["k"]
    opened.keys("0")
    assert camera(opened) == pytest.approx(start)


def test_arrows_walk_from_call_to_call(opened):
    opened.click(number(opened, "report"))
    opened.keys(RIGHT)
    assert chosen(opened).startswith("merge")
    opened.keys(RIGHT)
    assert chosen(opened).startswith("load")
    before = chosen(opened)
    opened.keys(DOWN if "01" in before else UP)
    assert chosen(opened).startswith("load") and chosen(opened) != before
    opened.keys(LEFT)
    assert chosen(opened).startswith("merge")


def test_dragging_and_wheel(opened):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    start, spot = camera(opened), opened.js("return cachepy.spotOf(0)")
    actions = ActionChains(opened.driver, duration=0)
    x, y = map(round, spot)  # on a card: a drag is no click
    actions.w3c_actions.pointer_action.move_to_location(x, y).pointer_down().move_to_location(x + 80, y + 40).pointer_up()
    actions.perform()
    assert opened.js("return cachepy.spotOf(0)") == pytest.approx([spot[0] + 80, spot[1] + 40])
    assert opened.ask("page.item") is None
    under = opened.js("return cachepy.page.camera.x + 300 / cachepy.page.camera.k")
    ActionChains(opened.driver).scroll_from_origin(ScrollOrigin.from_viewport(300, 300), 0, -120).perform()
    assert camera(opened)["k"] > start["k"]
    assert opened.js("return cachepy.page.camera.x + 300 / cachepy.page.camera.k") == pytest.approx(under)


def test_the_drawing_cannot_be_lost(opened):
    for _ in range(60):
        opened.js("cachepy.page.camera.pan(500, 500)")
    settle(opened)
    assert opened.ask("page.painter.seen.length") >= 0
    now, bounds = camera(opened), opened.ask("page.scene.bounds")
    assert (bounds["x"] - now["x"]) * now["k"] <= 1440 - 59


# ---------------------------------------------------------------- functions


def test_large_graphs_show_functions_first(browser):
    browser.open(many(500))
    assert browser.ask(CLOSED) > 4 and browser.ask("page.scene.units.length") < 20
    assert browser.find("#byfunction").get_attribute("aria-pressed") == "true"
    assert "load ×200" in {label["text"] for label in browser.ask("page.painter.labels")}


def test_functions_open_and_close(browser):
    browser.open(many(500))
    group = browser.ask("page.model.groups.find(g => g.name === 'load').id")
    browser.click(f"group:{group}")
    assert "200 calls" in browser.text("#panel").lower()
    browser.find("#panel .wide").click()
    assert browser.ask(f"page.scene.units.find(u => u.group === {group}).kind") == "frame"
    browser.find("#panel .wide").click()
    assert browser.ask(f"page.scene.units.find(u => u.group === {group}).kind") == "pile"
    browser.find("#graph").send_keys(ENTER)
    assert browser.ask(f"page.open.has({group})")


def test_the_round_button_opens_and_closes(browser):
    browser.open(many(500))
    group = browser.ask("page.model.groups.find(g => g.name === 'load').id")
    for opened in (True, False):
        settle(browser)
        place = f"(u => [u.x + u.w - {19 if not opened else 17}, u.y + {'16' if not opened else 'u.h / 2'}])(page.scene.units.find(u => u.group === {group}))"
        x, y = browser.ask(f"(([x, y]) => [(x - page.camera.x) * page.camera.k, (y - page.camera.y) * page.camera.k + page.canvas.getBoundingClientRect().top])({place})")
        browser.press(x, y)
        assert browser.ask(f"page.open.has({group})") is opened


def test_a_double_click_opens(browser):
    browser.open(many(500))
    group = browser.ask("page.model.groups.find(g => g.name === 'load').id")
    spot = browser.js("return cachepy.spotOf(arguments[0])", f"group:{group}")
    browser.press(*spot, times=2)
    assert browser.ask(f"page.open.has({group})")


def test_all_stays_in_view_until_it_is_moved(opened):
    beside = "page.scene.units.every(u => (u.x + u.w - page.camera.x) * page.camera.k < page.camera.width && u.x > page.camera.x)"
    opened.window(900, 600)
    settle(opened)
    for target in ("report", "02.csv"):
        opened.click(number(opened, target))
        assert opened.ask(beside)
    opened.keys("+", "+", "+", "+")
    before = camera(opened)
    opened.keys(ESCAPE)
    assert camera(opened) == before and not opened.ask(beside)


def test_wide_graphs_get_high_frames(browser):
    browser.open(many(3000))
    browser.find("#bycall").click()
    bounds = browser.ask("page.scene.bounds")
    assert (bounds["right"] - bounds["x"]) / (bounds["bottom"] - bounds["y"]) < 3


def test_all_calls_or_all_functions(browser):
    browser.open(many(500))
    browser.find("#bycall").click()
    assert browser.ask("page.scene.units.filter(u => u.kind === 'pile').length") == 0
    assert browser.ask("page.scene.unitOf.filter(u => u >= 0).length") == 700
    browser.find("#byfunction").click()
    assert browser.ask("page.scene.units.filter(u => u.kind === 'frame').length") == 0


def test_files_can_be_left_out(opened):
    opened.find("#files").click()
    assert opened.ask("page.scene.units.filter(u => u.isFile).length") == 0
    opened.keys("/", "01.csv", ENTER)  # asked for: shown again
    assert opened.ask("page.scene.units.filter(u => u.isFile).length") == 2


def test_a_result_that_a_person_kept_has_a_mark(browser, opened):
    assert not opened.js("return document.getElementById('acceptedkey').offsetParent !== null")
    nodes, stale = pipeline()
    for node in nodes.values():
        node["accepted"] = "by ann on 2026-11-30"
    browser.open(nodes, stale)
    kept = browser.ask("page.scene.units.filter(u => u.accepted).length")
    assert kept == 2  # those that are fresh: others have a mark already
    assert browser.text("#acceptedkey").endswith("accepted")
    browser.click(number(browser, "report"))
    assert "by ann on 2026-11-30" in browser.text("#panel")
    assert browser.errors() == []
