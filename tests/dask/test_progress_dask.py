"""`dask_plugin.progress`: what a cluster does, in one line; and what a connection and the page say of it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from dashboards import until, wait_for
from distributed import Client, LocalCluster

from cachepy import cache_file
from cachepy.errors import UsageError
from cachepy.session import Session, use_session
from dask_plugin import connect, delayed, progress, showing

pytestmark = pytest.mark.dask


@pytest.fixture
def functions(tmp_path):
    """Cached functions that workers get by value; `slow` waits for a file."""

    @cache_file(tmp_path / "cache", warn_cheap=False)
    def read(path):
        with open(path) as file:
            return [file.read()] * 20

    @cache_file(tmp_path / "cache", warn_cheap=False, ignore_args=["gate"])
    def slow(n, gate):
        wait_for(gate)
        return [n] * 20

    @cache_file(tmp_path / "cache", warn_cheap=False)
    def bad(n):
        raise OSError(f"no network {n}")

    return SimpleNamespace(read=read, slow=slow, bad=bad, gate=str(tmp_path / "gate"))


@pytest.fixture
def lines(monkeypatch):
    """All that is shown, at once."""
    shown = []

    def show(line, *, is_last):
        shown.append((str(line), line._repr_html_(), is_last))

    monkeypatch.setattr(showing, "place", lambda: show)
    monkeypatch.setattr(showing, "_PAUSE", 0.05)
    return shown


def test_a_block_is_told_of_all_its_tasks(client, functions, tmp_path, lines):
    (tmp_path / "a.txt").write_text("a")
    with progress(client):
        delayed(functions.read)(str(tmp_path / "a.txt")).compute()
        client.submit(functions.read, str(tmp_path / "a.txt"), pure=False).result()
        assert client.submit(functions.bad, 1).exception()
    text, html, is_last = lines[-1]
    assert re.fullmatch(
        r"cachepy: 3 of 3 tasks; 1 hit, 1 run, 1 failed, .* saved; failed \S*\.bad: OSError: no network 1", text
    )
    assert is_last and [each[2] for each in lines].count(True) == 1
    assert '<progress value="3" max="3">' in html and "no network 1" in html
    with progress(client):
        pass
    assert lines[-1][0] == "cachepy: 0 of 0 tasks; no calls yet", "what was before does not count"


def test_what_runs_now_is_named(client, functions, lines):
    with progress(client):
        futures = client.map(functions.slow, [1, 2, 3], gate=functions.gate)
        until(lambda: any("; runs slow" in text for text, _, _ in lines))
        Path(functions.gate).touch()
        client.gather(futures)
    named = next(text for text, _, _ in lines if "; runs slow" in text)  # before the gate opens
    assert re.search(r"0 of 3 tasks; no calls yet; runs slow #\w{8} for [\d.]+ s", named)
    assert lines[-1][0] == "cachepy: 3 of 3 tasks; 3 runs", "what has ended does not run"


def test_beside_futures_it_returns_when_they_have_ended(client, functions, lines):
    Path(functions.gate).touch()
    client.gather(client.map(str, range(7)))  # others, which do not count
    futures = client.map(functions.slow, range(5), gate=functions.gate)
    total = client.submit(len, futures)
    progress(client, total)
    assert total.done() and total.result() == 5
    assert lines[-1][0].startswith("cachepy: 6 of 6 tasks;") and lines[-1][2]
    progress(client, [total], {"others": futures})
    assert lines[-1][0] == "cachepy: 6 of 6 tasks; no calls yet"


def test_in_a_notebook_it_goes_on_beside_the_next_cells(client, functions, monkeypatch):
    import IPython
    import IPython.display

    shown = []
    handle = SimpleNamespace(update=lambda html: shown.append(html.data))
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=1))
    monkeypatch.setattr(IPython.display, "display", lambda *_, **__: handle)
    future = client.submit(functions.slow, 1, functions.gate)
    made = progress(client, future)
    assert not future.done() and made._ipython_display_() is None
    until(lambda: any("<div>runs slow" in html for html in shown))
    Path(functions.gate).touch()
    made._thread.join(30)
    assert '<progress value="1" max="1">' in shown[-1] and "1 of 1 task; 1 run" in shown[-1]


def test_errors_of_the_block_go_through(client, lines):
    with pytest.raises(ValueError, match="mine"), progress(client):
        raise ValueError("mine")
    assert lines[-1][2]


def test_a_cluster_that_closes_in_between_does_no_harm(functions, session, lines):
    with Client(n_workers=1, processes=False, dashboard_address=None) as client, connect(client):
        shown = progress(client)
        shown.__enter__()
    shown.__exit__()
    assert lines[-1][2]


def test_an_asynchronous_client(cluster, session, functions, lines):
    Path(functions.gate).touch()

    async def work():
        async with Client(cluster.scheduler_address, asynchronous=True) as client, connect(client):
            async with progress(client):
                await client.submit(functions.slow, 1, functions.gate)
            with pytest.raises(UsageError, match="async with progress"), progress(client):
                pass
            futures = client.map(functions.slow, [1, 2], gate=functions.gate)
            await progress(client, futures)
            assert all(future.done() for future in futures)

    asyncio.run(work())
    assert [text for text, _, is_last in lines if is_last] == [
        "cachepy: 1 of 1 task; 1 run", "cachepy: 2 of 2 tasks; 1 hit, 1 run, " + lines[-1][0].rpartition(", ")[2],
    ]  # fmt: skip


def test_a_cluster_without_cachepy_is_told_of():
    with LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster, Client(cluster) as client:
        with pytest.raises(UsageError, match=r"call connect\(client\) first"), progress(client):
            pass


def test_a_connection_says_what_became_of_calls(functions):
    with use_session(Session()), LocalCluster(n_workers=1, processes=False, dashboard_address=None) as cluster:
        with Client(cluster) as client, connect(client) as connection:
            assert ", cachepy is on 1 of 1 workers, 0 calls in its graph, no calls yet" in repr(connection)
            Path(functions.gate).touch()
            for _ in range(2):
                client.submit(functions.slow, 1, functions.gate, pure=False).result()
            assert re.search(r", 1 call in its graph, 1 hit, 1 run, [^,]* saved[,>]", repr(connection))
            assert re.search(r"<div>1 call in its graph</div><div>1 hit, 1 run, [^,]* saved</div>", connection._repr_html_())


def test_the_scheduler_knows_why_calls_ran_again(client, functions, tmp_path):
    path = tmp_path / "a.txt"
    for text in ("a", "b", "c", "c"):
        path.write_text(text)
        client.submit(functions.read, str(path), pure=False).result()
    again = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.plugins["cachepy-scheduler"].ledger.now.again())
    (row,) = [row for row in again if row["function"].endswith(".read")]
    assert row["text"] == f"file {path} changed" and row["times"] == 2 and row["worker"]
