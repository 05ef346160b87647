"""The page in a real browser: how it looks, what it may do, and how fast it is there."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import pytest
from graphs import add, many, pipeline, read, scattered
from looking import ENTER, ESCAPE, camera, number, settle

from cachepy.views.page import shown

# ---------------------------------------------------------------- looks


@pytest.mark.parametrize("seed", range(12))
def test_boxes_and_texts_never_overlap_at_any_zoom(browser, seed):
    browser.open(*scattered(seed))
    assert browser.errors() == []
    boxes = [[u["x"], u["y"], u["w"], u["h"]] for u in browser.ask("page.scene.units.map(({x, y, w, h}) => ({x, y, w, h}))")]
    assert apart(boxes)
    for factor in (1, 0.5, 0.5, 0.4, 40, 2):
        browser.js("cachepy.page.camera.zoom(arguments[0]); cachepy.page.paintNow()", factor)
        labels = browser.ask("page.painter.labels")
        assert apart([[t["x"], t["y"], t["w"], t["h"]] for t in labels]), (seed, factor)
        assert all(t["size"] >= 8 for t in labels)


def apart(boxes):
    rows = sorted(boxes)
    for i, (x, y, w, h) in enumerate(rows):
        for x2, y2, w2, h2 in rows[i + 1 :]:
            if x2 >= x + w - 0.01:
                break
            if y2 < y + h - 0.01 and y < y2 + h2 - 0.01 and w2 > 0:
                return False
    return True


def test_apart_can_fail():
    assert not apart([[0, 0, 10, 10], [9, 9, 5, 5]]) and apart([[0, 0, 10, 10], [10, 0, 5, 5], [0, 10, 20, 1]])


def test_texts_stay_in_their_boxes(browser):
    browser.open(*scattered(5))
    inside = """page.painter.labels.every(t => page.scene.units.some(u => { const [x, y] = page.painter.spot(u.x, u.y), k = page.camera.k;
        return t.x >= x - 1 && t.y >= y - 1 && t.x + t.w <= x + u.w * k + 1 && t.y + t.h <= y + u.h * k + 1; }))"""
    browser.js("cachepy.page.camera.zoom(1 / cachepy.page.camera.k); cachepy.page.paintNow()")
    assert browser.ask("page.painter.labels.length") > 5 and browser.ask(inside)


def test_some_name_is_readable_at_every_zoom(browser):
    browser.open(many(3000))
    browser.find("#bycall").click()
    for _ in range(12):
        browser.js("cachepy.page.camera.zoom(1.6); cachepy.page.paintNow()")
        assert browser.ask("page.painter.labels.length") > 0, camera(browser)
    browser.js("cachepy.page.camera.zoom(1e-6); cachepy.page.paintNow()")
    assert browser.ask("page.painter.labels.length") > 0


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(browser, scheme):
    browser.media(scheme)
    browser.open(*pipeline())
    assert browser.js("return document.documentElement.dataset.theme") == scheme
    colours = browser.ask("page.painter.colours")
    fills = [look["fill"] for look in colours["looks"]]
    assert [fill.upper() for fill in fills] == [
        "#1D3557", "#FBBC04", "#F1F3F5", "#EFE7FB", "#E8F0FE", "#FBBC04", "#FBBC04",
    ]  # fmt: skip
    for look in colours["looks"]:
        assert contrast(look["fill"], look["ink"]) >= 7 and contrast(look["fill"], look["soft"]) >= 4.5
    assert contrast(colours["ink"], colours["paper"]) >= 7 and contrast(colours["soft"], colours["frame"]) >= 4.5
    assert all(contrast(a, b) >= 1.5 for a, b in combinations(fills[:3], 2))  # also in greyscale
    edges = [look["edge"] for look in colours["looks"]] + [colours[name] for name in ("line", "flow", "accent", "frame-edge")]
    for ground in (colours["paper"], colours["frame"]):
        assert [edge for edge in edges if contrast(edge, ground) < 3] == []
    assert contrast(colours["badge"], colours["badge-ink"]) >= 4.5 and contrast(colours["badge"], "#FBBC04") >= 1.5


CONTRASTS = """(() => {
    const rgb = c => (c.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number), see = (c, at = 3) => rgb(c)[at] === undefined || rgb(c)[at] > 0.99;
    const ground = e => { for (let at = e; at; at = at.parentElement) if (see(getComputedStyle(at).backgroundColor)) return getComputedStyle(at).backgroundColor; };
    const light = c => rgb(c).slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
    const found = [];
    for (const e of document.querySelectorAll('body *')) {
        if (!e.offsetParent || e.closest('svg, .key, .help, .unseen')) continue;
        const look = getComputedStyle(e), name = e.id || e.className || e.tagName;
        const says = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
        if (says && ratio(look.color, ground(e)) < 4.5) found.push([name, 'text', ratio(look.color, ground(e))]);
        const bordered = e.matches('button, input') && parseFloat(look.borderTopWidth) > 0;
        if (bordered && ratio(look.borderTopColor, ground(e.parentElement)) < 3) found.push([name, 'border', ratio(look.borderTopColor, ground(e.parentElement))]);
    }
    return found;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_of_texts_and_borders(browser, scheme):
    browser.media(scheme)
    browser.open(*pipeline())
    for act in ("", "#causes", "#panel .cause", "#states button", "#astable", "#tableview tbody .link"):
        if act:
            browser.find(act).click()
        assert browser.ask(CONTRASTS) == [], act


def test_the_theme_can_be_changed(opened):
    def paper():
        settle(opened)
        return opened.ask("[...page.painter.c.getImageData(2, 2, 1, 1).data].slice(0, 3)")

    assert paper() == [255, 255, 255]
    opened.find("#theme").click()
    assert paper() == [15, 21, 29] and opened.find("#theme").get_attribute("aria-pressed") == "true"
    opened.find("#theme").click()
    assert paper() == [255, 255, 255]


@pytest.mark.parametrize("size", [(1440, 900), (800, 600), (420, 700)])
def test_nothing_sticks_out_of_the_window(browser, size):
    browser.window(*size)
    browser.open(*pipeline(), title="A heading that is rather long for a small window, and goes on and on")
    browser.click(number(browser, "merge"))
    for css in ("header", "#legend", ".zoom", "#panel", "#query", "#theme", "canvas"):
        box = browser.js("const b = document.querySelector(arguments[0]).getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]", css)
        assert box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1], (css, box)
    assert browser.js("return document.documentElement.scrollWidth") <= size[0]
    x, _ = browser.js("return cachepy.spotOf(arguments[0])", number(browser, "merge"))
    if size[0] > 500:
        assert x < browser.js("return document.querySelector('#panel').getBoundingClientRect().left")


def test_the_panel_does_not_hide_what_was_clicked(browser):
    browser.window(800, 600)
    browser.open(*pipeline())
    for name in ("02.csv", "01.csv"):
        item = number(browser, name)
        browser.js("cachepy.page.choose(arguments[0], false)", item)
        settle(browser)
        assert browser.js("return cachepy.spotOf(arguments[0])[0]", item) < browser.js("return document.querySelector('#panel').getBoundingClientRect().left")


def test_names_and_roles_for_those_who_do_not_see_it(opened):
    unnamed = """[...document.querySelectorAll('button, input, canvas, [role=group], [role=listbox]')]
        .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.outerHTML)"""
    opened.click(number(opened, "merge"))
    assert opened.ask(unnamed) == []
    assert opened.text("#said") == "merge, Frame 3×2, Frame 4×2, 7, stale"
    assert opened.find("#said").get_attribute("aria-live") == "polite"
    opened.keys(ESCAPE)
    assert opened.driver.switch_to.active_element.get_attribute("id") == "graph"


# ---------------------------------------------------------------- safety

PROBES = [
    "</script><script>window.hacked = 1</script>", "<img src=x onerror='window.hacked=1'>", "'\"`;window.hacked=1;//", "a\nb\r", "\ud800 alone",
    "nul\0", "\u2028\u2029", "&lt;b&gt;", "${window.hacked=1}", "__proto__", "constructor", "\u202egpj.exe", "w" * 5000, "読み込み 🙂",
]  # fmt: skip


def test_hostile_names_are_text_and_nothing_runs(browser):
    from cachepy.core.reasons import Reason

    nodes, stale = {}, {}
    for i, bad in enumerate(PROBES):
        path = f"/d{i}/{bad}"
        call = add(nodes, bad, module=bad, label={bad: bad}, files=[Path(path)], file_hashes={path: bad}, outfile=Path(path))
        stale[call] = {"state": "stale", "reasons": [Reason("file", path, bad, bad, where=bad, diff=f"-{bad}\n+{bad}")]}
    before = list(nodes)
    for node in nodes.values():
        node["inputs"] = {node["fname"]: before[0]}
    browser.open(nodes, stale, title=PROBES[0])
    assert browser.text("h1") == PROBES[0] and browser.driver.title == PROBES[0]
    for i, bad in enumerate(PROBES):
        item = browser.js("return cachepy.page.model.items.filter(i => i.call && i.name === arguments[0])[0].id", shown(bad))
        browser.js("cachepy.page.choose(arguments[0], true); cachepy.page.paintNow()", item)
        panel = browser.js("return document.querySelector('#panel').textContent")
        assert panel.count(shown(bad)) >= 6, bad
        assert browser.js("return document.querySelector('#panel h2').textContent") == shown(bad)
        browser.js("cachepy.page.search.queryBox.value = arguments[0]; cachepy.page.search.look()", shown(bad)[:50])
        assert browser.ask("page.search.hits").count(item) == 1 or not shown(bad).strip(), i
    assert browser.js("return window.hacked") is None
    assert browser.js("return document.querySelectorAll('script, img, iframe, b').length") == 2 + browser.js("return document.querySelectorAll('#hits b').length")
    assert browser.errors() == []


def test_the_page_may_not_reach_the_network_or_run_other_scripts(opened):
    tried = opened.driver.execute_async_script("""
        const done = arguments[0], seen = [];
        document.addEventListener("securitypolicyviolation", e => seen.push(e.effectiveDirective));
        const script = document.createElement("script"); script.textContent = "window.hacked = 1"; document.body.append(script);
        const image = new Image(); image.src = "http://127.0.0.1:9/x.png"; document.body.append(image);
        const block = document.createElement("div"); block.setAttribute("onclick", "window.hacked = 1"); document.body.append(block); block.click();
        fetch("http://127.0.0.1:9/").catch(() => setTimeout(() => done([seen.sort(), window.hacked || 0]), 200));
    """)
    assert tried == [["connect-src", "img-src", "script-src-attr", "script-src-elem"], 0]


def test_opening_asks_for_one_file_only(browser):
    browser.open(*pipeline())
    browser.click(number(browser, "merge"))
    log = [json.loads(entry["message"])["message"] for entry in browser.driver.get_log("performance")]
    asked = {m["params"]["request"]["url"] for m in log if m["method"] == "Network.requestWillBeSent"}
    assert len(asked) == 1 and all(url.startswith("file:") for url in asked), asked


# ---------------------------------------------------------------- speed


def test_ten_thousand_calls_open_in_two_seconds(browser):
    browser.open(many(10_000))
    first = browser.ask("page.painted")
    assert first < 2000
    spent = browser.ask("(t => { page.openAll(true); page.paintNow(); return performance.now() - t; })(performance.now())")
    assert spent < 2000 and browser.ask("page.scene.unitOf.filter(u => u >= 0).length") == 14_000
    frame = """(n => { const t = performance.now(); for (let i = 0; i < n; i++) { page.camera.pan(7, 3); page.camera.zoom(i % 2 ? 1.1 : 1 / 1.1); page.paintNow(); }
        page.painter.c.getImageData(0, 0, 1, 1); return (performance.now() - t) / n; })(20)"""
    assert browser.ask(frame) < 100, "milliseconds for one picture"
    busiest = "(m => { let best = 0; for (let i = 0; i < m.calls; i++) if (m.right[i].length + m.left[i].length > m.right[best].length + m.left[best].length) best = i; return best; })(page.model)"
    chosen = browser.ask(f"(t => {{ page.choose({busiest}, true); page.paintNow(); return performance.now() - t; }})(performance.now())")
    assert chosen < 1000


@pytest.mark.parametrize("shape", ["chain", "functions", "fan", "loose"])
def test_other_large_shapes(browser, shape):
    nodes = {}
    for i in range(5000):
        before = list(nodes)[-1:] if shape in ("chain", "functions") else []
        add(nodes, f"f{i}" if shape == "functions" else "f", children=before if shape != "loose" else [], label={"i": str(i)})
    if shape == "fan":
        add(nodes, "top", children=list(nodes))
    browser.open(nodes)
    assert browser.ask("page.painted") < 3000
    spent = browser.ask("(t => { page.openAll(true); page.paintNow(); return performance.now() - t; })(performance.now())")
    assert spent < 3000 and browser.errors() == []
    browser.click(0)
    settle(browser)
    assert browser.errors() == []


def test_files_of_one_name_in_many_folders(browser):
    nodes = {}
    for i in range(30):
        read(nodes, f"/data/{i}/part.csv")
    browser.open(nodes)
    browser.keys("/", "/data/17/", ENTER)
    assert browser.text("#panel .sub") == "/data/17/part.csv"
