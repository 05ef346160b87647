"""The page `/cachepy`: its graph by function, its counts, what goes on now; and in a browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import time
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from urllib.request import urlopen

import pytest
from dashboards import CHROMIUM, HOSTILE, address, data_of, event, until, wait_for
from distributed import Client, LocalCluster

from cachepy import cache_file
from cachepy.core.reasons import Reason
from dask_plugin import connect
from dask_plugin import dashboard as dashboard_module
from dask_plugin import now as now_module
from dask_plugin.dashboard import Live, page
from dask_plugin.overview import Overview
from dask_plugin.records import event_record, is_record
from dask_plugin.scheduler import Ledger, SchedulerPart
from dask_plugin.tally import Tally

pytestmark = pytest.mark.dask


@pytest.fixture
def local(session):
    """A client of a cluster inside this process, connected."""
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as made:
        with Client(made) as client, connect(client):
            yield client


# -- the page


def test_the_page_is_in_one_piece_and_runs_no_other_script(local):
    text, _ = page()
    with urlopen(address(local) + "/cachepy") as answer:
        policy = answer.headers["Content-Security-Policy"]
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy and "default-src 'none'" in policy
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)
    assert script.count("arrange(") >= 2 and "prefers-color-scheme" in script


def test_one_answer_serves_all_who_look(monkeypatch):
    ledger = Ledger()
    ledger.add(event_record(event("f")))
    live = Live(ledger)
    asked = []
    monkeypatch.setattr(ledger, "since", lambda seq: asked.append(seq) or Ledger.since(ledger, seq))

    async def look():
        return await asyncio.gather(*[live.json() for _ in range(5)])

    assert len(set(asyncio.run(look()))) == 1
    assert asked == [0]
    live._next = 0
    asyncio.run(live.json())
    assert asked == [0, 1], "what was taken in is not asked for again"


def test_many_records_are_taken_in_by_parts_in_their_order(monkeypatch):
    monkeypatch.setattr(dashboard_module, "_PART", 2)
    ledger = Ledger()
    for each in [*pipeline(), event("load", result="another", at=5.0)]:
        ledger.add(event_record(each))
    live = Live(ledger)
    behind, shown = [], {}
    for _ in range(3):
        live._next = 0
        shown = json.loads(asyncio.run(live.json()))
        behind.append(shown["behind"])
    assert behind == [2, 0, 0]
    assert sum(row["calls"] for row in shown["functions"]) == shown["calls"] == 4
    assert {row["label"] for row in shown["functions"] if row["stale"]} == {"clean", "report"}
    assert len(shown["edges"]) == 1, "of clean and report; load came after clean"


def overview(*events):
    made = Overview()
    made.update([event_record(e)[4] for e in events])
    return made


def add(made, *events):
    made.update([event_record(e)[4] for e in events])


def stale(made):
    return {row["label"] for row in made.functions().values() if row["stale"]}


def pipeline():
    return [
        event("load", files=["a", "b"], at=1.0),
        event("clean", calls=[("load", "result of load")], at=2.0),
        event("report", args=["result of clean"], at=3.0),
        event("other", at=4.0),
    ]


def test_the_order_of_records_does_not_matter():
    made, other = overview(*pipeline()), overview(*pipeline()[::-1])
    assert made.functions() == other.functions()
    expected = [(("m.clean", "m.load", "call"), 1), (("m.report", "m.clean", "flow"), 1)]
    assert made.edges() == other.edges() == expected
    assert made.functions()["m.load"] == {"label": "load", "calls": 1, "stale": 0, "files": 2}


def test_records_in_parts_give_the_same():
    made = Overview()
    for each in pipeline():
        add(made, each)
    assert made.functions() == overview(*pipeline()).functions()


def test_another_result_below_makes_all_above_stale_until_they_ran_again():
    made = overview(*pipeline())
    assert stale(made) == set()
    add(made, event("load", result="another", files=["c"], at=5.0))
    assert stale(made) == {"clean", "report"}
    assert made.functions()["m.load"] == {"label": "load", "calls": 1, "stale": 0, "files": 1}
    add(made, event("clean", calls=[("load", "another")], result="another clean", at=6.0))
    add(made, event("report", args=["another clean"], at=7.0))
    assert stale(made) == set()
    assert made.edges() == [(("m.clean", "m.load", "call"), 1), (("m.report", "m.clean", "flow"), 1)]


def test_newer_code_makes_the_other_calls_stale():
    made = overview(*pipeline(), event("load", key="1" * 32, at=1.5))
    add(made, event("load", key="1" * 32, code="c2", at=5.0))
    assert stale(made) == {"load", "clean", "report"}
    assert made.functions()["m.load"]["stale"] == 1


def test_functions_of_one_name_in_two_modules_are_two():
    made = overview(event("load"), event("load", module="n", key="1" * 32))
    assert sorted(made.functions()) == ["m.load", "n.load"]


def test_a_damaged_record_does_not_hide_the_others(caplog):
    made = Overview()
    made.update([b"no record", event_record(event("load"))[4]])
    assert list(made.functions()) == ["m.load"]
    assert "damaged" in caplog.text


# -- counts


@pytest.mark.parametrize(
    "amounts",
    [{"hits": float("nan")}, {"hits": -1}, {"hits": "1"}, {"hits": True}, {"hats": 1}, {"hits": 1 << 64}, [1], None],
)
def test_what_is_no_count_is_left_out(amounts):
    part = SchedulerPart()
    assert not is_record(("count", "f", amounts))
    part.receive([("count", "f", amounts), ("count", "g", {"hits": 1})])
    assert part.ledger.tally.rows == {"g": {"hits": 1}}


def test_counts_add_up_and_the_last_is_the_latest():
    tally = Tally()
    for amounts in [{"runs": 1, "last": 5.0}, {"runs": 2, "last": 4.0}, {"hits": 1}]:
        tally.add("f", amounts)
    assert tally.rows == {"f": {"runs": 3, "last": 5.0, "hits": 1}}
    assert tally.totals()["runs"] == 3
    assert tally.take() == [("f", {"runs": 3, "last": 5.0, "hits": 1})] and not tally.rows


@pytest.mark.parametrize("records", [
    [("count", "f", {"hits": 1})], [("running", [["load:1", 5.0]], True), ("failed", "m.f", "OSError", 5.0, 1)],
], ids=["counts", "what goes on"])  # fmt: skip
def test_what_is_told_to_no_client(records):
    part, sent = SchedulerPart(), []
    part.scheduler = type("Fake", (), {"log_event": lambda self, topic, message: sent.append(message)})()
    part.receive(records, worker="tcp://a")
    assert sent == [] and part.ledger.seq == 0


# -- what goes on now


def test_what_runs_is_named_and_gone_when_it_has_ended(local, tmp_path):
    begun, gate = str(tmp_path / "begun"), str(tmp_path / "gate")

    @cache_file(tmp_path / "cache")
    def inner(n):
        open(begun, "w").close()
        wait_for(gate)
        return ["inner", n]

    @cache_file(tmp_path / "cache")
    def outer(n):
        return ["outer", inner(n)]

    future = local.submit(outer, 1)
    wait_for(begun)
    began = time.time()
    shown = until(lambda: len(data_of(local)["running"]) == 2 and data_of(local)["running"])
    assert [row["label"] for row in shown] == ["outer", "inner"]
    assert all(re.fullmatch(r"(outer|inner) #[0-9a-f]{8}", row["title"]) for row in shown)
    assert all(began - 30 < row["since"] <= time.time() for row in shown)
    assert data_of(local)["tasks"]["outer"] == {"all": 1, "done": 0, "running": 1, "failed": 0}
    Path(gate).touch()
    future.result()
    assert until(lambda: not data_of(local)["running"])
    assert data_of(local)["tasks"]["outer"] == {"all": 1, "done": 1, "running": 0, "failed": 0}


def test_what_ran_on_a_worker_that_is_gone_runs_no_more():
    part = SchedulerPart()
    part.receive([("running", [["load:1", 5.0]], True)], worker="tcp://a")
    part.receive([("running", [["load:2", 4.0]], False)], worker="tcp://b")
    assert part.ledger.now.all_running() == [(4.0, "load:2", ""), (5.0, "load:1", "tcp://a")]
    part.remove_worker(None, "tcp://a")
    part.remove_worker(None, "tcp://a")
    assert part.ledger.now.all_running() == [(4.0, "load:2", "")]
    part.receive([("running", [], True)], worker="tcp://b")
    assert part.ledger.now.running == {}


def test_a_call_that_ran_before_is_named_with_its_arguments():
    ledger = Ledger()
    ledger.add(event_record(event("load").replace(label={"path": "01.csv"})))
    ledger.add(("running", [[f"load:{'0' * 32}", 5.0], [f"load:{'1' * 32}", 6.0]], True), "tcp://a")
    shown = json.loads(asyncio.run(Live(ledger).json()))
    assert [(row["title"], row["worker"]) for row in shown["running"]] == [("load(01.csv)", "tcp://a"), ("load #11111111", "tcp://a")]


def test_many_that_run_are_counted():
    ledger = Ledger()
    ledger.add(("running", [[f"load:{i:032x}", 5.0] for i in range(100)], True), "tcp://a")
    shown = json.loads(asyncio.run(Live(ledger).json()))
    assert len(shown["running"]) == 30 and shown["more_running"] == 70


def test_failures_say_what_they_said(local, tmp_path):
    @cache_file(tmp_path / "cache")
    def bad(n):
        raise OSError(f"no network {n}")

    for n in (1, 2, 1):
        local.submit(bad, n, pure=False).exception()
    rows = until(lambda: len(data_of(local)["failures"]) == 2 and data_of(local)["failures"])
    assert [(row["text"], row["times"]) for row in rows] == [("OSError: no network 1", 2), ("OSError: no network 2", 1)]
    assert all(row["function"].endswith(".bad") and row["worker"] and row["last"] <= time.time() for row in rows)


class Nasty(Exception):
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(("error", "text"), [
    (OSError("no network"), "OSError: no network"), (KeyError(), "KeyError"), (Nasty(), "Nasty"),
    (ValueError("\ud800"), r"ValueError: \ud800"), (ValueError("x" * 5000), "ValueError: " + "x" * 287 + "…"),
])  # fmt: skip
def test_what_an_error_says(error, text):
    assert now_module.error_text(error) == text


def test_failures_without_end_are_counted_and_bounded():
    rows = [("m.f", f"OSError: {n % 30}", float(n)) for n in range(900)]
    sent = now_module.summed(rows)
    assert len(sent) == now_module.MOST_AT_ONCE and sent[-1] == ("m.f", "OSError: 29", 899.0, 30)
    now = now_module.Now()
    for n in range(1000):
        now.failed("tcp://a", "m.f", f"OSError: {n}", float(n), 2)
    now.failed("tcp://b", "m.f", "OSError: 970", 2000.0, 1)
    shown = now.failures()
    assert len(shown) == now_module.MOST_FAILURES
    assert shown[0] == {"function": "m.f", "text": "OSError: 970", "last": 2000.0, "times": 3, "worker": "tcp://b"}


def test_reasons_without_end_are_counted_and_bounded():
    now = now_module.Now()
    for n in range(1000):
        now.ran_again("tcp://a", "m.f", f"{n}.txt changed", float(n))
    now.ran_again("tcp://b", "m.f", "970.txt changed", 2000.0)
    now.ran_again("tcp://b", "m.f", "970.txt changed", float("inf"))
    shown = now.again()
    assert len(shown) == now_module.MOST_FAILURES
    assert shown[0] == {"function": "m.f", "text": "970.txt changed", "last": 2000.0, "times": 2, "worker": "tcp://b"}


@pytest.mark.parametrize("record", [
    ("running", "load:1", True), ("running", [["load:1", 5.0]]), ("running", [["load:1", 5.0]], 1),
    ("failed", "m.f", "text", "when", 1), ("failed", "m.f", b"text", 5.0, 1), ("failed", "m.f"),
    ("again", "f:1", "m.f", "cause", "when"), ("again", "f:1", "m.f", 5.0), ("again", 1, "m.f", "cause", 5.0),
])  # fmt: skip
def test_what_is_no_record_of_now_is_left_out(record):
    part = SchedulerPart()
    part.receive([record, ("failed", "m.g", "OSError", 5.0, 1)], worker="tcp://a")
    assert part.ledger.now.running == {} and [row["function"] for row in part.ledger.now.failures()] == ["m.g"]
    assert part.ledger.now.again() == []


@pytest.mark.parametrize("bad", [["load:1", "5"], ["load:1"], [1, 5.0], ["load:1", float("nan")], ["load:1", True], "load", None])
def test_what_is_no_running_call_is_left_out(bad):
    now = now_module.Now()
    now.runs("tcp://a", [bad, ["load:2", 5.0]], is_alone=True)
    now.failed("tcp://a", "m.f", "OSError", float("nan"), 1)
    assert now.all_running() == [(5.0, "load:2", "tcp://a")] and now.failures() == []


def test_long_calls_are_told_again_now_and_then():
    """A scheduler that was restarted has to learn of them."""
    calls = now_module.LongCalls()
    assert [calls.look([("load:1", "a")], at) for at in (0.0, 1.0, 2.0)] == [None, [["load:1", 0.0]], None]
    assert calls.look([("load:1", "a")], 1.0 + now_module.AGAIN) == [["load:1", 0.0]]
    assert calls.look([("load:1", "b")], 20.0) == [], "another run of the same call"
    assert calls.look([], 40.0) is None


ANOTHER = str(Reason("result", "load", None, None))


def test_why_calls_are_stale():
    made = overview(*pipeline())
    assert made.causes() == []
    add(made, event("load", result="another", files=["c"], at=5.0))
    assert made.causes() == [{"text": ANOTHER, "calls": 1, "above": 1}]
    add(made, event("clean", key="1" * 32, code="c2", at=6.0))
    assert made.causes() == [
        {"text": "code of m:clean changed", "calls": 1, "above": 1},
        {"text": ANOTHER, "calls": 1, "above": 1},
    ]
    add(made, event("clean", calls=[("load", "another")], result="another clean", code="c2", at=7.0))
    add(made, event("report", args=["another clean"], at=8.0))
    assert made.causes() == []


def test_causes_without_end_are_bounded():
    made = Overview()
    for i in range(60):
        add(made, event(f"f{i}", at=1.0), event(f"f{i}", key="1" * 32, code="c2", at=2.0))
    assert len(made.causes()) == 20 and sum(row["stale"] for row in made.functions().values()) == 60


# -- the page in a browser


LOOKS = """
const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number), see = c => rgb(c).length === 3;
const ground = e => { for (let at = e; at; at = at.parentElement) if (see(getComputedStyle(at).backgroundColor)) return getComputedStyle(at).backgroundColor; };
const light = c => rgb(c).slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const found = [], note = (e, what, value, least) => value < least && found.push([e.getAttribute('class') || e.id || e.tagName, what, value]);
for (const e of document.querySelectorAll('body *')) {
    const look = getComputedStyle(e), svg = e.closest('#picture svg'), says = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (svg && e.matches('.shape, .link, .glow.runs')) note(e, 'edge', ratio(look.stroke, ground(svg)), 3);
    if (svg && e.matches('text') && !e.closest('.badge')) note(e, 'text', ratio(look.fill, getComputedStyle(e.parentElement.querySelector('.shape')).fill), 4.5);
    if (svg || e.closest('svg, .key, noscript, script') || !e.offsetParent) continue;
    if (says) note(e, 'text', ratio(look.color, ground(e)), 4.5);
    if (e.matches('button, input') && parseFloat(look.borderTopWidth) > 0) note(e, 'border', ratio(look.borderTopColor, ground(e.parentElement)), 3);
    const box = e.getBoundingClientRect();
    if (!e.closest('#picture, .scroll') && (box.left < -0.5 || box.right > innerWidth + 0.5)) found.push([e.id || e.tagName, 'outside']);
}
return found;
"""


@pytest.fixture(scope="module")
def chrome():
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.chrome.service import Service

    if CHROMIUM is None or shutil.which("chromedriver") is None:
        assert not os.environ.get("CACHEPY_NEEDS_BROWSER"), "CACHEPY_NEEDS_BROWSER is set, and there is no Chromium"
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--lang=en-US"):
        options.add_argument(flag)
    running = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield running
    running.quit()


def busy_ledger():
    """Some stale, some running, some failing."""
    ledger = Ledger()
    for each in [*pipeline(), event("load", result="another", at=5.0), *[event("clean", key=f"{i:032x}", at=6.0) for i in range(1, 9)]]:
        ledger.add(event_record(each))
    ledger.add(("running", [[f"load:{'0' * 32}", time.time() - 75]], True), "tcp://10.0.0.1:1234")
    ledger.add(("failed", "m.fetch", "OSError: " + HOSTILE[0] + " https://example.org/" + "long/" * 30, time.time(), 3), "tcp://10.0.0.1:1234")
    ledger.add(("again", f"load:{'0' * 32}", "m.load", f"{HOSTILE[1]} changed", time.time()), "tcp://10.0.0.1:1234")
    ledger.tally.add("m.fetch", {"failures": 3})
    return ledger


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_how_the_page_looks(local, chrome, width, scheme):
    part = local.cluster.scheduler.plugins["cachepy-scheduler"]
    part.ledger = part.dashboard.live.records = busy_ledger()
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    chrome.get(f"{address(local)}/cachepy")
    text = until(lambda: chrome.execute_script("return document.querySelector('#running b') && document.body.innerText"))
    for said in ("load()", "for 1 min 1", ANOTHER, "1 call and 1 above", "m.fetch", HOSTILE[0], "3 times", "Why calls ran again", f"{HOSTILE[1]} changed"):
        assert said in text, said
    assert chrome.execute_script(LOOKS) == []
    assert chrome.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    amber = "return [...document.querySelectorAll('.glow.runs')].map(e => getComputedStyle(e).stroke)"
    rings = chrome.execute_script(amber)
    assert len(rings) == 1 and rings[0] not in ("rgb(251, 188, 4)", "none"), "what runs is not amber: that is what is stale"
    shares = "return [...document.querySelectorAll('.box')].map(b => [b.querySelector('.name').textContent, b.getAttribute('class'), b.querySelectorAll('.share').length])"
    found = {name: (look, bands) for name, look, bands in chrome.execute_script(shares)}
    assert found["clean"] == ("box fresh", 1) and found["report"] == ("box stale", 0), "one stale call of nine is no amber box"
    assert chrome.title == "cachepy on this cluster"
