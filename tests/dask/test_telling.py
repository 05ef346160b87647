"""Where the time of cached tasks goes, in Dask's own metrics; events for users; what Dask's pages and reports say."""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import dask
import pytest
from dashboards import read, until
from distributed import Client, LocalCluster, get_client, performance_report
from jinja2 import TemplateNotFound
from prometheus_client.parser import text_string_to_metric_families

from cachepy import cache_file
from cachepy.session import Session, use_session
from dask_plugin import connect, disconnect, with_caller
from dask_plugin.scheduler import Ledger
from dask_plugin.telling import EVENTS, Teller

pytestmark = pytest.mark.dask
STEPS = {"cachepy-digest", "cachepy-verify", "cachepy-load", "cachepy-store"}


@pytest.fixture
def functions(tmp_path):
    @cache_file(tmp_path / "cache", warn_cheap=False)
    def read_file(path):
        with open(path) as file:
            return [file.read()] * 20

    @cache_file(tmp_path / "cache", warn_cheap=False)
    def above(path):
        time.sleep(0.2)
        return [read_file(path), read_file(path)]

    @cache_file(tmp_path / "cache", warn_cheap=False)
    def spread(path):
        return get_client().submit(with_caller(read_file), path, pure=False).result()

    @cache_file(tmp_path / "cache", warn_cheap=False)
    def bad(path):
        read_file(path)
        raise ValueError(path)

    path = tmp_path / "a.txt"
    path.write_text("a")
    return SimpleNamespace(read_file=read_file, above=above, spread=spread, bad=bad, path=path)


def seconds_of(client):
    """By task prefix and label, of all workers."""
    found = {}
    for totals in client.run(lambda dask_worker: dict(dask_worker.digests_total)).values():
        for key, value in totals.items():
            if key[0] == "execute" and key[-1] == "seconds":
                found[key[-3:-1]] = found.get(key[-3:-1], 0) + value
    return found


# -- metrics


def test_fine_metrics_show_where_the_time_of_a_task_goes(client, functions):
    for _ in range(2):
        client.submit(functions.above, str(functions.path), pure=False, key=f"above-{time.time_ns()}").result()
    found = seconds_of(client)
    labels = {label for prefix, label in found if prefix == "above"}
    assert labels >= {*STEPS, "thread-cpu", "thread-noncpu"}
    assert all(found["above", label] > 0 for label in STEPS)


def test_a_task_that_fails_leaves_its_time_to_no_other_one(client, functions):
    workers = list(client.scheduler_info()["workers"])[:1]
    assert client.submit(functions.bad, str(functions.path), workers=workers).exception()
    client.submit(len, "ab", workers=workers).result()
    assert not {label for prefix, label in seconds_of(client) if prefix == "len"} & STEPS
    below = client.submit(lambda: vars(_recorder()._thread).get("below"), workers=workers, pure=False)
    assert below.result() is None


def _recorder():
    from cachepy import current_session

    return current_session().recorder


def test_spans_have_them(client, functions):
    from distributed import span

    with span("of mine"):
        client.submit(functions.above, str(functions.path), pure=False, key="spanned").result()

    def labels(dask_scheduler):
        spans = dask_scheduler.extensions["spans"].spans_search_by_name["of mine",]
        return [str(key) for each in spans for key in each.cumulative_worker_metrics]

    until(lambda: any("cachepy-digest" in label for label in client.run_on_scheduler(labels)))


def test_each_worker_has_metrics_of_its_own(client, functions):
    address, info = next(iter(client.scheduler_info()["workers"].items()))

    def ours():
        host = address.rpartition(":")[0].partition("//")[2]
        with urlopen(f"http://{host}:{info['services']['dashboard']}/metrics", timeout=30) as answer:
            text = answer.read().decode()
        assert "dask_worker_" in text
        families = [f for f in text_string_to_metric_families(text) if f.name.startswith("cachepy_")]
        assert len({f.name for f in families}) == len(families)
        return {s.name: s.value for f in families for s in f.samples if s.labels.get("function", "").endswith("above")}

    hits, runs = ("cachepy_hits_total", "cachepy_runs_total")
    before = ours()
    for _ in range(3):
        client.submit(functions.above, str(functions.path), pure=False, workers=[address]).result()
    found = until(lambda: (found := ours()).get(hits, 0) == before.get(hits, 0) + 2 and found)
    assert found[runs] == before.get(runs, 0) + 1 and found["cachepy_run_seconds_total"] >= 0.2
    assert all(found[f"cachepy_{step}_seconds_total"] > 0 for step in ("digest", "verify", "load", "store"))
    assert "cachepy_verify_seconds_total{" in read(client, "/metrics"), "the scheduler has the sums of all"


def test_metrics_go_with_the_plugin(functions):
    with use_session(Session()), LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        with Client(cluster) as client:
            worker = cluster.workers[0]
            before = len(worker.http_application.default_router.rules)
            connect(client)
            assert len(worker.http_application.default_router.rules) > before
            disconnect(client)
            until(lambda: len(worker.http_application.default_router.rules) == before)


# -- events


class Heard(list):
    """What a user is told."""

    def __call__(self, event):
        self.extend(event[1])


def test_a_user_is_told_of_hits_and_runs_and_why_they_ran(client, functions):
    heard = Heard()
    client.subscribe_topic(EVENTS, heard)
    keys = []
    for text in ("a", "a", "b"):
        functions.path.write_text(text)
        future = client.submit(functions.above, str(functions.path), pure=False)
        future.result()
        keys.append(future.key)
    until(lambda: len(heard) >= 7)
    client.unsubscribe_topic(EVENTS)
    told = [(each["function"].rpartition(".")[2], each["outcome"], each["task"]) for each in heard]
    assert told == [
        ("read_file", "run", keys[0]), ("read_file", "hit", keys[0]), ("above", "run", keys[0]), ("above", "hit", keys[1]),
        *[("read_file", "stale", keys[2]), ("read_file", "hit", keys[2]), ("above", "stale", keys[2])],
    ]  # fmt: skip
    assert heard[2]["seconds"] >= 0.2 and heard[3]["seconds"] == heard[2]["seconds"] and heard[2]["cause"] == ""
    assert heard[4]["cause"] == f"file {functions.path} changed" and heard[4]["worker"].startswith("tcp://")
    assert heard[4]["call"] == heard[0]["call"] and heard[4]["call"].startswith("read_file:")


def test_what_a_caller_had_made_elsewhere_is_told_of_once(client, functions):
    heard = Heard()
    client.subscribe_topic(EVENTS, heard)
    client.submit(functions.spread, str(functions.path)).result()
    until(lambda: len(heard) >= 2)
    time.sleep(0.5)
    client.unsubscribe_topic(EVENTS)
    assert sorted(each["function"].rpartition(".")[2] for each in heard) == ["read_file", "spread"]


def test_nothing_is_told_while_nobody_listens(client, functions):
    before = len(client.get_events(EVENTS))
    client.submit(functions.above, str(functions.path)).result()
    assert len(client.get_events(EVENTS)) == before


def test_a_setting_logs_events_for_later():
    scheduler, logged = SimpleNamespace(), []
    scheduler.log_event = lambda topic, msg: logged.append((topic, len(msg)))
    records = [("hit", f"f:{i}", "r", "/cache") for i in range(2500)]
    Teller(scheduler, Ledger()).tell(records, [], range(2500), "tcp://a")
    assert logged == []
    with dask.config.set({"cachepy.events": True}):
        teller = Teller(scheduler, Ledger())
    teller.tell(records, [], range(2500), "tcp://a")
    assert logged == [(EVENTS, 1000), (EVENTS, 1000), (EVENTS, 500)], "a message has a bound"
    teller.tell([("again", f"f:{i}", "m.f", "cause", 1.0) for i in range(30_000)], [], [], "tcp://a")
    assert len(teller._causes) == 10_000


# -- what others show


def test_jupyterlab_is_offered_the_page(client):
    plots = json.loads(read(client, "/individual-plots.json"))
    assert plots["Cachepy"] == "/cachepy" and len(plots) > 10
    assert "<title>cachepy" in read(client, plots["Cachepy"])


@contextmanager
def reports_of_dask():
    """Older releases of Dask cannot make any with the newest bokeh."""
    try:
        yield
    except TemplateNotFound as error:
        pytest.skip(f"this release of Dask makes no reports: {error}")


def test_the_performance_report_has_a_part(client, functions, tmp_path):
    with reports_of_dask(), performance_report(filename=str(tmp_path / "report.html")):
        for text in ("a", "<b>"):
            functions.path.write_text(text)
            client.submit(functions.above, str(functions.path), pure=False).result()
        assert client.submit(functions.bad, "<script>").exception()
    report = unescape(Path(tmp_path / "report.html").read_text())
    (text,) = re.findall(r"<h2> cache[p]y, since.*?</ul>", report, flags=re.DOTALL)
    assert "ran again: file" in text and "verify: " in text and "failed: FileNotFoundError" in text
    assert "<script>" not in text and "&lt;script&gt;" in text
