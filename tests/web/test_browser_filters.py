"""The page in a real browser: filters, causes, tooltips, the table, and what a narrow window shows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from graphs import add, many, pipeline, read, scattered
from looking import ENTER, ESCAPE, chosen, marked, number, settle

from cachepy.core.reasons import Reason
from cachepy.staleness.causes import causes

TAB, SPACE = "\ue004", "\ue00d"
SHOWN = "page.model.items.filter(i => page.scene.unitOf[i.id] >= 0).map(i => i.name + i.words)"


def shown(browser):
    return set(browser.ask(SHOWN))


def states():
    """A file that changed, and all that goes by it: load, clean and total; the other load is missing, one alone unknown."""
    nodes: dict = {}
    own = Reason("file", "/data/01.csv", "1", "2")
    reached = own.replace(call="load('/data/01.csv')", link="input")
    first, second = read(nodes, "/data/01.csv"), read(nodes, "/data/02.csv")
    clean = add(nodes, "clean", inputs={"raw": first}, label={"raw": "Frame 3×2"})
    other = add(nodes, "clean", inputs={"raw": second}, label={"raw": "Frame 4×2"})
    total = add(nodes, "total", children=[clean, other], label={"year": "2013"})
    alone = add(nodes, "alone")
    return nodes, {
        first: {"state": "stale", "reasons": [own]},
        clean: {"state": "stale", "reasons": [reached]},
        total: {"state": "stale", "reasons": [reached]},
        second: {"state": "missing", "reasons": [Reason("value", "load('/data/02.csv')", second, None)]},
        alone: {"state": "unknown", "reasons": [Reason("unseen", "jobs", None, "it was made in a notebook")]},
    }


@pytest.fixture
def page(browser):
    browser.open(*states())
    return browser


# ---------------------------------------------------------------- counts are filters


STALE = {"load01.csv", "cleanFrame 3×2", "total2013", "01.csv"}


@pytest.mark.parametrize(("pressed", "seen"), [
    (["stale"], STALE), (["missing"], {"load02.csv"}), (["unknown"], {"alone"}), (["fresh"], {"cleanFrame 4×2"}),
    (["stale", "unknown"], {*STALE, "alone"}), (["missing", "missing"], None), (["missing", "stale", "stale"], {"load02.csv"}),
])  # fmt: skip
def test_counts_are_filters(page, pressed, seen):
    everything = shown(page)
    for word in pressed:
        page.find(f"#states [data-state={word}]").click()
    assert shown(page) == (everything if seen is None else seen)
    on = page.js("return [...document.querySelectorAll('#states [aria-pressed=true]')].map(b => b.dataset.state)")
    assert set(on) == {word for word in pressed if pressed.count(word) % 2}
    calls = len([name for name in seen or () if not name.endswith(".csv") or name.startswith("load")])
    assert page.find("#all").is_displayed() is bool(on)
    assert page.text("#kept") == (f"{calls} of 6 calls shown" if on else "")
    assert page.errors() == []


def test_a_filter_by_keys_is_told_and_undone(page):
    page.js("document.querySelector('#states button').focus()")
    page.keys(SPACE)
    assert shown(page) == STALE and page.text("#said").startswith("3 of 6 calls shown")
    page.find("#all").click()
    assert len(shown(page)) == 8 and page.find("#states button").get_attribute("aria-pressed") == "false"


def test_only_stale_and_what_they_reach(browser):
    nodes, stale = states()
    middle = next(call for call in nodes if call.startswith("clean"))
    stale[middle] = {"state": "missing", "reasons": [Reason("value", "clean", middle, None)]}
    browser.open(nodes, stale)
    browser.keys("s")
    assert shown(browser) == STALE and browser.find("#reach").get_attribute("aria-pressed") == "true"
    assert browser.js("return document.querySelectorAll('#states [aria-pressed=true]').length") == 0
    browser.find("#reach").click()
    assert len(shown(browser)) == 8


def test_what_is_asked_for_by_name_is_shown(page):
    page.find("#states [data-state=unknown]").click()
    page.keys("/", "02.csv load", ENTER)
    assert chosen(page) == "load 02.csv" and len(shown(page)) == 8 and not page.find("#all").is_displayed()


def test_a_filter_of_a_large_graph_shows_calls(browser):
    nodes = many(2000)
    some = [call for call in nodes if call.startswith("step_3")][:5]
    browser.open(nodes, {call: {"state": "stale", "reasons": []} for call in some})
    browser.find("#states [data-state=stale]").click()
    assert browser.ask("page.scene.units.map(u => u.kind)") == ["card"] * 5
    browser.find("#byfunction").click()
    settle(browser)
    assert {label["text"] for label in browser.ask("page.painter.labels")} >= {"step_3 ×5 of 222"}


def test_without_a_look_there_are_no_filters(browser):
    browser.open(states()[0])
    for css in ("#reach", "#causes", "#all"):
        assert not browser.find(css).is_displayed(), css
    assert browser.text("#states") == "" and browser.text("#counts").endswith("not checked for changes")
    browser.keys("s", "c")
    assert browser.errors() == [] and len(shown(browser)) == 8


# ---------------------------------------------------------------- causes


def test_the_causes_are_those_of_status(page):
    page.keys("c")
    said = page.js("return [...document.querySelectorAll('#panel .cause')].map(b => [...b.children].slice(1).map(e => e.textContent))")
    found = {call: each["reasons"] for call, each in states()[1].items()}
    assert said == [[cause.text, cause.reach] for cause in causes(found)]
    assert page.find("#causes").get_attribute("aria-expanded") == "true"
    assert page.driver.switch_to.active_element.get_attribute("class") == "cause"
    page.keys("c")
    assert not page.find("#panel").is_displayed() and page.find("#causes").get_attribute("aria-expanded") == "false"


def test_a_cause_shows_what_it_makes_stale(page):
    page.keys("c", ENTER)
    assert page.text("#panel h2") == "file /data/01.csv changed" and page.text("#panel .sub") == "1 call and 2 above"
    assert marked(page, 3) == STALE
    assert page.text("#said") == "file /data/01.csv changed: 1 call and 2 above"
    page.find("#keepcause").click()
    assert shown(page) == STALE and page.find("#keepcause").get_attribute("aria-pressed") == "true"
    page.find("#keepcause").click()
    assert len(shown(page)) == 8
    page.keys(ESCAPE)
    assert page.ask("page.marks") is None


def test_the_panel_of_a_file_says_that_it_changed(page):
    page.click(number(page, "01.csv"))
    assert page.text("#panel .chip").split("\n")[-1] == "changed file"
    assert page.text("#panel .why") == "file /data/01.csv changed" and "1 call and 2 above" in page.text("#panel")
    assert page.text("#said") == "01.csv, changed file"
    page.find("#panel .cause").click()
    assert page.text("#panel h2") == "file /data/01.csv changed"
    page.click(number(page, "02.csv"))
    assert page.text("#panel .chip").split("\n")[-1] == "file" and "changed" not in page.text("#panel")


def test_stale_by_itself_and_because_of_another_are_told_apart(page):
    words = {}
    for name in ("load", "clean", "total"):
        page.click(number(page, name))
        words[name] = page.text("#panel .chip").split("\n")[-1]
    assert words == {"load": "stale", "clean": "stale because of another call", "total": "stale because of another call"}


# ---------------------------------------------------------------- tooltips


def hover(browser, x, y):
    from selenium.webdriver.common.action_chains import ActionChains

    actions = ActionChains(browser.driver, duration=0)
    actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    actions.perform()


def tip(browser):
    return browser.js("return [...document.querySelectorAll('#tip:not([hidden]) p')].map(p => p.textContent)")


def test_tooltips(page):
    for name, words, said in [
        ("total", "", ["total", "year = 2013", "stale because of another call: because of load('/data/01.csv')"]),
        ("clean", "Frame 4×2", ["clean", "raw = Frame 4×2", "fresh"]),
        ("01.csv", "", ["/data/01.csv", "changed file: file /data/01.csv changed"]),
    ]:
        hover(page, *page.js("return cachepy.spotOf(arguments[0])", number(page, name, words)))
        assert tip(page) == said
        inside = "(b => [b.left >= 0, b.right <= innerWidth, b.bottom <= innerHeight])(document.querySelector('#tip').getBoundingClientRect())"
        assert page.ask(inside) == [True] * 3
    hover(page, 3, 110)
    assert not page.find("#tip").is_displayed()


def test_the_tooltip_of_a_function_counts_its_states(browser):
    nodes = many(500)
    loads = [call for call in nodes if call.startswith("load")]
    browser.open(nodes, {loads[0]: {"state": "stale", "reasons": []}, loads[1]: {"state": "missing", "reasons": []}})
    group = browser.ask("page.model.groups.find(g => g.name === 'load').id")
    hover(browser, *browser.js("return cachepy.spotOf(arguments[0])", f"group:{group}"))
    assert tip(browser) == ["load", "jobs", "200 calls, 1 stale, 1 missing, 198 fresh"]


# ---------------------------------------------------------------- the table


def rows(browser):
    cells = "[...document.querySelectorAll('#tableview tbody tr')].map(r => [...r.cells].slice(0, 3).map(c => [...c.childNodes].filter(n => !n.matches?.('.key')).map(n => n.textContent).join('')))"
    return [tuple(row) for row in browser.ask(cells)]


def test_the_table_says_the_same(page):
    page.find("#astable").click()
    assert page.text("#tableview caption") == "6 calls, 2 files"
    assert set(rows(page)) == {
        ("missing", "load · 02.csv", "its stored value is missing"), ("stale", "load · 01.csv", "file 01.csv changed"),
        ("stale", "clean · Frame 3×2", "because of load('/data/01.csv')"), ("stale", "total · 2013", "because of load('/data/01.csv')"),
        ("changed", "/data/01.csv", "file /data/01.csv changed"), ("unknown", "alone", str(Reason("unseen", "jobs", None, None))),
        ("fresh", "clean · Frame 4×2", ""), ("file", "/data/02.csv", ""),
    }  # fmt: skip
    assert [row[0] for row in rows(page)] == ["missing", "stale", "stale", "stale", "changed", "unknown", "fresh", "file"]
    assert page.ask("[...document.querySelectorAll('#tableview thead th')].map(c => c.scope)") == ["col"] * 5
    assert page.ask("[...document.querySelectorAll('#tableview tbody th')].every(c => c.scope === 'row')")
    assert page.find("#graph").get_attribute("aria-hidden") == "true" and page.find("#graph").get_attribute("tabindex") == "-1"
    assert page.errors() == []


def test_the_table_by_keys(page):
    page.keys("l")
    assert page.driver.switch_to.active_element.get_attribute("id") == "tableview"
    page.keys(TAB, TAB, ENTER)  # the head of the second column
    sort = "[...document.querySelectorAll('#tableview th[aria-sort]')].map(c => [c.textContent, c.ariaSort])"
    assert page.ask(sort) == [["Call or file", "ascending"]]
    first = rows(page)
    page.keys(ENTER)
    assert page.ask(sort) == [["Call or file", "descending"]] and rows(page) == first[::-1]
    page.keys(TAB, TAB, TAB, TAB, ENTER)  # the first row
    assert page.find("#panel").is_displayed() and page.text("#panel h2") in first[-1][1]
    assert page.ask("document.querySelectorAll('#tableview [aria-current=true]').length") == 1
    page.keys(ESCAPE)
    assert not page.find("#panel").is_displayed() and page.find("#tableview").is_displayed()
    page.find("#bycall").click()
    assert not page.find("#tableview").is_displayed() and page.find("#graph").get_attribute("tabindex") == "0"


@pytest.mark.parametrize("column", range(5))
def test_each_column_sorts_both_ways(browser, column):
    nodes, stale = scattered(4)
    browser.open(nodes, stale)
    browser.find("#astable").click()
    ways = []
    for _ in range(2):
        browser.ask(f"document.querySelectorAll('#tableview thead button')[{column}].click()")
        ways.append(browser.ask("page.table.sorted().map(item => item.id)"))
    assert sorted(ways[0]) == sorted(ways[1]) and ways[0] != ways[1]


def test_a_filter_holds_in_the_table(page):
    page.find("#astable").click()
    page.find("#states [data-state=missing]").click()
    assert [row[1] for row in rows(page)] == ["load · 02.csv"] and page.text("#tableview caption") == "1 call"
    page.find("#files").click()
    page.find("#all").click()
    assert page.text("#tableview caption") == "6 calls"


def test_a_long_table_comes_in_parts(browser):
    browser.open(many(10_000), {})
    spent = browser.ask("(t => { page.showTable(true); return performance.now() - t; })(performance.now())")
    assert spent < 500 and len(rows(browser)) == 200
    browser.find("#tableview .wide").click()
    assert len(rows(browser)) == 400 and browser.driver.switch_to.active_element.tag_name == "button"
    assert browser.text("#tableview caption") == "10,000 calls, 4,000 files; the first 400 are shown"


def test_hostile_names_in_table_and_tooltip_are_text(browser):
    bad = ["</script><b>x</b>", "'\"`", "a\nb\0", "\u202egpj", "שלום", "<img src=x onerror='window.hacked=1'>"]
    nodes: dict = {}
    for each in bad:
        path = f"/d/{each}"
        add(nodes, each, label={each: each}, files=[Path(path)] if "\0" not in each else [], file_hashes={path: "1"})
    browser.open(nodes, {call: {"state": "stale", "reasons": [Reason("file", f"/d/{bad[0]}", "1", "2")]} for call in nodes})
    browser.find("#astable").click()
    browser.keys("c")
    assert browser.ask("document.querySelectorAll('#stage b, #stage img, #panel img').length") == 0
    assert any("<img src=x" in row[1] for row in rows(browser)) and any(r"a\nb\x00" in row[1] for row in rows(browser))
    browser.find("#bycall").click()
    for i in range(len(bad)):
        hover(browser, *browser.js("return cachepy.spotOf(arguments[0])", i))
        assert browser.ask("document.querySelectorAll('#tip *:not(p)').length") == 0
    assert browser.js("return window.hacked") is None and browser.errors() == []


# ---------------------------------------------------------------- where the graph begins; order; names


def test_the_top_call_is_named_among_ten_thousand(browser):
    browser.open(many(10_000))
    browser.find("#bycall").click()
    settle(browser)
    assert "▸ report" in {label["text"] for label in browser.ask("page.painter.labels")}
    browser.keys("t")
    settle(browser)
    assert chosen(browser) == "report" and "report" in {label["text"] for label in browser.ask("page.painter.labels")}
    x, y = browser.js("return cachepy.spotOf(arguments[0])", number(browser, "report"))
    assert 0 < x < 1100 and 90 < y < 900


def test_siblings_keep_their_order_by_argument_across_functions(browser):
    nodes: dict = {}
    made = []
    for n in (1, 10, 11, 2, 3):
        load = add(nodes, "load", label={"path": f"{n}.csv"})
        made += [load, add(nodes, "clean", label={"raw": f"Frame {90 - n}×2"}, inputs={"raw": load})]
    add(nodes, "total", children=made)
    browser.open(nodes)
    y = browser.ask("page.model.items.map(i => [i.name, page.model.items[i.id].rank, page.scene.units[page.scene.unitOf[i.id]]]).map(([n, r, u]) => [n, u.x, u.y, r])")
    for name in ("load", "clean"):
        column = sorted((each[3], each[2]) for each in y if each[0] == name)
        assert [top for _, top in column] == sorted(top for _, top in column), name


FREE_SWAPS = """(() => {
    const { units, edges } = page.scene, middle = u => u.y + u.h / 2, found = [];
    const near = new Map(units.map(u => [u, [new Set(), new Set()]]));
    for (const { a, b, route } of edges) {  // the next box, or the next bend
        near.get(units[a])[1].add(route.length === 2 ? middle(units[b]) : route[2][1]);
        near.get(units[b])[0].add(route.length === 2 ? middle(units[a]) : route[route.length - 2][1]);
    }
    const crossings = (p, q) => [0, 1].reduce((sum, side) => sum + [...near.get(p)[side]].reduce((n, y) => n + [...near.get(q)[side]].filter(z => y > z + 0.1).length, 0), 0);
    const joined = new Set(edges.flatMap(e => [units[e.a], units[e.b]])), columns = new Map();
    for (const u of joined) columns.set(u.x, [...(columns.get(u.x) || []), u]);
    const bends = edges.flatMap(e => e.route.slice(2, -1));
    for (const column of columns.values()) {
        column.sort((p, q) => p.y - q.y);
        column.slice(1).forEach((q, i) => {
            const p = column[i], between = bends.some(([x, y]) => x >= p.x - 1 && x <= p.x + p.w + 1 && y > p.y && y < q.y + q.h);
            if (!between && p.rank > q.rank && crossings(q, p) <= crossings(p, q)) found.push([p.rank, q.rank]);
        });
    }
    return found;
})()"""


@pytest.mark.parametrize("seed", range(6))
def test_neighbours_stand_by_argument_wherever_that_costs_no_crossing(browser, seed):
    dice, nodes = random.Random(seed), {}
    loads = [add(nodes, dice.choice(["load", "fetch"]), label={"n": str(n)}) for n in range(15)]
    middles = [add(nodes, "clean", children=dice.sample(loads, 2), label={"n": str(n)}) for n in range(12)]
    add(nodes, "total", children=dice.sample(middles, 8))
    add(nodes, "check", children=[*dice.sample(middles, 6), *dice.sample(loads, 3)])
    browser.open(nodes)
    browser.find("#bycall").click()
    assert browser.ask("page.scene.units.every(u => u.kind === 'card')")
    assert browser.ask(FREE_SWAPS) == []


WORDS = ["run", "2013", "mean", "a", "bb", "data", "raw"]


@pytest.mark.parametrize("seed", range(6))
def test_cut_names_stay_apart(browser, seed):
    dice = random.Random(seed)
    names = set()
    while len(names) < 40:
        middle = "_".join(dice.choice(WORDS) for _ in range(dice.randint(1, 3)))
        names.add(dice.choice([f"/d/2013-long-beginning-{middle}", f"{middle}_the_same_end", f"x{middle}-{dice.randint(0, 99):03}y",
                               f"measurement-{dice.randint(0, 99):03}-of-station.csv"][seed % 4:]))  # fmt: skip
    nodes: dict = {}
    for name in names:
        add(nodes, "load", label={"name": name})
    browser.open(nodes)
    fitted = "page.model.items.map(i => page.painter.ruler.fitted(i.words, 'cell', 11, {room}, 'cell:' + i.group))"
    for room in (30, 45, 60, 90, 140):
        short = [each for each in browser.ask(fitted.replace("{room}", str(room))) if each]
        assert len(set(short)) == len(short), (room, sorted(short))
    assert len(short) == len(names)


@pytest.mark.parametrize(("names", "cut"), [
    (["temperature_of_oslo_2011", "temperature_of_oslo_2012"], "…2011"),
    (["oslo_temperature_of_year", "rome_temperature_of_year"], "oslo"),
    (["oslo_temperature_2011_mean", "rome_temperature_2012_sum"], "oslo"),
    (["temperature_2011_of_oslo", "temperature_2012_of_oslo"], "…11_of_oslo"),
])  # fmt: skip
def test_the_middle_is_cut_only_where_both_ends_differ(browser, names, cut):
    nodes: dict = {}
    for name in names:
        add(nodes, "load", label={"name": name})
    browser.open(nodes)
    fitted = "page.model.items.map(i => page.painter.ruler.fitted(i.words, 'cell', 11, 75, 'cell:' + i.group))"
    short = browser.ask(fitted)
    both = names[0][0] != names[1][0] and names[0][-1] != names[1][-1]
    assert len(set(short)) == 2 and cut.strip("…") in short[0]
    assert (0 < short[0].find("…") < len(short[0]) - 1) is both, short


# ---------------------------------------------------------------- narrow windows


def narrow(browser, nodes, stale=None, scheme="light"):
    browser.window(400, 800)
    browser.media(scheme)
    browser.open(nodes, stale)
    settle(browser)


BOXES = "page.scene.units.map(({x, y, w, h}) => [x, y, w, h])"
CROSSED = """(() => {
    const found = [];
    page.scene.edges.forEach(({ route, a, b }) => route.slice(1).forEach(([x1, y1], i) => {
        const [x0, y0] = route[i], [l, r] = [Math.min(x0, x1), Math.max(x0, x1)], [t, d] = [Math.min(y0, y1), Math.max(y0, y1)];
        page.scene.units.forEach((u, n) => {
            if (n !== a && n !== b && l < u.x + u.w - 0.5 && r > u.x + 0.5 && t < u.y + u.h - 0.5 && d > u.y + 0.5) found.push([a, b, n]);
        });
    }));
    return found.slice(0, 5);
})()"""


@pytest.mark.parametrize("calls", [False, True])
@pytest.mark.parametrize("size", [5, 50, 500, 10_000])
def test_at_400_pixels_all_stands_below_each_other(browser, size, calls):
    narrow(browser, *(pipeline() if size == 5 else (many(size), {})))
    browser.find("#bycall" if calls else "#byfunction").click()
    boxes, now, wide = browser.ask(BOXES), browser.ask("page.camera.now"), browser.ask("page.painter.width")
    assert all((x - now["x"]) * now["k"] >= 0 and (x + w - now["x"]) * now["k"] <= wide for x, _, w, _ in boxes)
    assert now["k"] == pytest.approx(1)
    rows = sorted((y, y + h) for _, y, _, h in boxes)
    assert all(end <= begin for (_, end), (begin, _) in zip(rows, rows[1:], strict=False))
    if calls and size > 100:
        assert all(0 < x < 400 for x in browser.ask("page.model.items.slice(0, 300).map(i => cachepy.spotOf(i.id)[0])"))
    assert browser.ask(CROSSED) == []
    assert browser.errors() == []


@pytest.mark.parametrize("seed", range(6))
def test_narrow_windows_show_strange_graphs(browser, seed):
    narrow(browser, *scattered(seed))
    boxes = browser.ask(BOXES)
    assert all(x >= 0 and x + w <= 400 for x, _, w, _ in boxes)
    assert browser.ask(CROSSED) == [] and browser.errors() == []
    labels = browser.ask("page.painter.labels")
    assert all(label["x"] >= 0 and label["x"] + label["w"] <= 400 for label in labels)


def test_a_narrow_window_moves_up_and_down_only(browser):
    narrow(browser, many(500), {})
    browser.find("#bycall").click()
    before = browser.ask("page.camera.now")
    browser.js("cachepy.page.camera.pan(-200, -300)")
    now = browser.ask("page.camera.now")
    assert now["x"] == pytest.approx(before["x"]) and now["y"] == pytest.approx(before["y"] + 300)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_of_400_pixels(browser, scheme):
    nodes, stale = states()
    narrow(browser, nodes, stale, scheme)
    outside = """[...document.querySelectorAll('body *')].filter(e => e.offsetParent && !e.closest('.help, .unseen, svg, #found'))
        .map(e => [e.id || e.className || e.tagName, e.getBoundingClientRect()]).filter(([, b]) => b.left < -0.5 || b.right > innerWidth + 0.5).map(([n]) => n)"""
    for act in ("", "#causes", "#panel .cause", "#keepcause", "#all", "#astable", "#tableview tbody .link"):
        if act:
            browser.find(act).click()
        assert browser.ask(outside) == [], act
        assert browser.js("return document.documentElement.scrollWidth") <= 400
        assert browser.ask("[...document.querySelectorAll('#tableview, #panel')].every(e => e.scrollWidth <= e.clientWidth)"), act
    assert browser.ask("page.canvas.clientHeight") > 250
    columns = "[...document.querySelectorAll('#tableview thead th')].filter(c => c.offsetParent).map(c => c.textContent)"
    assert browser.ask(columns) == ["State", "Call or file", "Why"]


def test_the_window_may_become_narrow_and_wide_again(browser):
    browser.open(*states())
    wide = browser.ask(BOXES)
    browser.window(400, 800)
    settle(browser)
    assert browser.ask("page.scene.narrow") and len({x for x, *_ in browser.ask(BOXES)}) <= 4
    browser.window(1440, 900)
    settle(browser)
    assert not browser.ask("page.scene.narrow") and browser.ask(BOXES) == wide
