"""The graph file made small again: the same graph, beside writers, whoever dies at whatever moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from cachepy import Session, cache_prune, cache_repair, cache_tree_nodes, cache_tree_sync, cache_verify, use_session
from cachepy.core.model import CALL, FILE, Dep, Event, Trace
from cachepy.graph import compact as compacting
from cachepy.graph.compact import compact, needed
from cachepy.graph.table import FORMAT, Reading, Table
from cachepy.store.codec import calls_in, pack, times
from cachepy.store.entries import Store
from cachepy.store.fs import number_in
from cachepy.store.journal import frame, framed
from tests.programs import Project

ROOT = Path(__file__).parents[2]
FLOOR = 20_000


def key(number: int) -> str:
    return f"{number:032x}"


def event(number: int, run: int, *, calls: tuple[int, ...] = (), result: int = 0, took: int | None = None) -> Event:
    deps = tuple(Dep(CALL, f"f:{key(each)}", key(each)) for each in calls)
    return Event(
        id=f"f:{key(number)}", fname="f", module="m", qualname="f", hash=key(number), run=key(run),
        trace=Trace((Dep(FILE, "/a", key(run)),), deps, key(result)), args={} if took is None else {"x": key(took)},
        label={}, root="/r", outfile=f"entries/{key(number)[:2]}/f-{key(number)}.entry", cwd="/c", created=float(run),
        elapsed=0.1, seen=float(run), origin="o",
    )  # fmt: skip


def table_of(data: bytes) -> Table:
    table = Table()
    table.merge(data)
    return table


def first_made(table: Table) -> dict[str, float]:
    return {call: table.first.get(call, times(row)[1]) for call, row in table.rows.items()}


def history(table: Table) -> set[str]:
    return table.links.history(table.past, table.left, {}, (), set)


@pytest.mark.parametrize("seed", range(40))
def test_what_is_left_folds_to_the_same_graph(seed):
    chance = random.Random(seed)
    events = []
    for run in range(1, 1500):
        number = chance.randrange(12)
        below = tuple(chance.sample(range(12, 30), chance.randrange(4)))
        took = chance.choice([None, *range(50, 60)])
        events.append(event(number, run, calls=below, result=chance.randrange(50, 60)))
        events.append(event(chance.choice([*below, 31]), run, result=chance.randrange(50, 60), took=took))
        if chance.random() < 0.1:
            older = chance.choice(events)
            events.append(older.replace(seen=run + 0.5))
    data = b"".join(framed(pack(each)) for each in events)
    rows = needed(Reading(data, None))
    before, after = table_of(data), table_of(b"".join(framed(row) for row in rows))
    assert after.rows == before.rows
    made = {call for row in before.rows.values() for call in calls_in(row)}  # of these the next run tells anew
    assert {call: at for call, at in after.left.items() if call not in made} == {
        call: at for call, at in before.left.items() if call not in made
    }
    assert first_made(before) == first_made(after)
    assert history(after) == history(before)
    assert len(rows) < len(events) / 3


# -- in use

PROGRAM = """
import sys
from cachepy import cache_file, Session, use_session
from cachepy.graph import compact
from cachepy.store import entries
compact.GRAPH_FLOOR = entries.GRAPH_FLOOR = int(sys.argv[2])
cached = cache_file("cache", warn_cheap=False)

@cached
def leaf(x):
    return x

@cached
def top(x):
    return leaf(x) + 1

for turn in range(int(sys.argv[3])):
    for x in range(5):
        top(x, _force=True)
        leaf(f"{sys.argv[1]} {turn}") if turn % 10 == 0 else None
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(name: str, turns: int, floor: int = FLOOR) -> subprocess.Popen[str]:
    return Project(Path()).start("program.py", name, floor, turns)


def run(*args: object, **more: object) -> None:
    process = start(*args, **more)  # type: ignore[arg-type]
    assert Project(Path()).finish(process).stderr == ""


def nodes() -> dict[str, tuple[list[str], list[str]]]:
    with use_session(Session()):
        cache_tree_sync("cache")
        return {i: (node["parents"], node["children"]) for i, node in cache_tree_nodes().items()}


def test_reruns_do_not_make_the_file_grow(place):
    run("a", 20)
    small = nodes()
    for _ in range(3):
        run("a", 200)
        live = number_in("cache/graph.live")
        assert live
        assert os.path.getsize("cache/graph.pkl") < max(FLOOR, 10 * live) + 1000
    assert small.items() <= nodes().items()
    assert not cache_verify("cache").problems


def test_nothing_is_lost_beside_writers(place):
    writers = [start(name, 120, floor=4000) for name in ("a", "b", "c")]
    for each in writers:
        assert Project(Path()).finish(each).stderr == ""
    data = Path("cache/graph.pkl").read_bytes()  # before anybody may put back what is missing
    whole, expected = nodes(), 12 * 3
    texts = [i for i, (callers, _) in whole.items() if i.startswith("leaf:") and not callers]
    assert len(texts) == expected
    reading = Reading(data, None)
    recorded = {call for ids, _ in reading for call in ids}
    assert not reading.damaged
    assert recorded == set(whole), "the file itself has all, not only the entries"


def test_what_is_added_meanwhile_is_carried_over(place, monkeypatch):
    run("a", 40, floor=1 << 30)
    other, real = Store(os.path.abspath("cache")), compacting.needed

    def adding(reading):
        rows = real(reading)
        other.journal.append_packed(pack(event(7, 7)))
        return rows

    monkeypatch.setattr(compacting, "needed", adding)
    assert compact(Store(os.path.abspath("cache")), 2)
    other.journal.append_packed(pack(event(8, 8)))
    table = table_of(Path("cache/graph.pkl").read_bytes())
    assert {f"f:{key(7)}", f"f:{key(8)}"} <= table.rows.keys()


@pytest.mark.parametrize("care", [cache_prune, cache_repair])
def test_care_makes_the_file_small_too(place, care):
    run("a", 40, floor=1 << 30)
    reference, large = nodes(), os.path.getsize("cache/graph.pkl")
    care("cache")
    assert os.path.getsize("cache/graph.pkl") < large / 2
    assert nodes() == reference
    assert Store(os.path.abspath("cache")).extent.covers(os.path.getsize("cache/graph.pkl"))


# -- deaths

STEPS = ("open", "write", "fsync", "fchmod", "replace", "pwrite", "unlink", "close")


def dies(step: int) -> bool:
    """A child makes the file small, and is killed before its step of this number; whether it was."""
    pid = os.fork()
    if pid == 0:
        count = 0

        def wrapped(real):
            def change(*args, **kwargs):
                nonlocal count
                count += 1
                if count == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **kwargs)

            return change

        for name in STEPS:
            setattr(os, name, wrapped(getattr(os, name)))
        compact(Store(os.path.abspath("cache")), 2)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def test_death_at_every_step(place, tmp_path):
    run("a", 40, floor=1 << 30)
    reference = nodes()
    large = os.path.getsize("cache/graph.pkl")
    shutil.copytree("cache", "kept")
    step, sizes = 1, set()
    while True:
        shutil.rmtree("cache")
        shutil.copytree("kept", "cache")
        is_killed = dies(step)
        sizes.add(os.path.getsize("cache/graph.pkl"))
        assert not cache_verify("cache").problems, step
        assert nodes() == reference, step
        run("b", 1)  # goes on, without a warning
        assert reference.items() <= nodes().items(), step
        for each in Path("cache").glob("*.tmp"):
            os.utime(each, (1, 1))
        compact(Store(os.path.abspath("cache")), 2)
        run("b", 1)
        assert not list(Path("cache").glob("*.tmp")), step
        assert os.path.getsize("cache/graph.pkl") < large / 5
        if not is_killed:
            break
        step += 1
    assert step > 8
    assert len(sizes) == 2, "the file is the old one or the new one"


def test_damage_goes_and_the_entries_are_asked(place):
    run("a", 40, floor=1 << 30)
    reference = nodes()
    data = Path("cache/graph.pkl").read_bytes()
    at = data.rindex(b"\xc5cpj")
    Path("cache/graph.pkl").write_bytes(data[: at + 40])
    assert compact(Store(os.path.abspath("cache")), 2)
    assert not Path("cache/graph.size").exists()
    run("b", 1)
    assert reference.items() <= nodes().items()
    assert not cache_verify("cache").problems


def test_much_damage_is_left_to_repair(place):
    run("a", 40, floor=1 << 30)
    data = bytearray(Path("cache/graph.pkl").read_bytes())
    for at in range(0, len(data), 1000):
        data[at] ^= 255
    Path("cache/graph.pkl").write_bytes(data)
    assert compact(Store(os.path.abspath("cache")), 2) is None
    assert Path("cache/graph.pkl").read_bytes() == data


def test_another_users_directory_costs_one_look(place, monkeypatch):
    run("a", 40, floor=1 << 30)
    store = Store(os.path.abspath("cache"))
    store.journal.append_packed(pack(event(1, 1)))
    looks = []

    def refused(*args):
        looks.append(args)
        raise PermissionError(13, "no")

    monkeypatch.setattr(compacting, "compact", refused)
    monkeypatch.setattr(compacting, "GRAPH_FLOOR", 1000)
    compacting.relieve(store)
    assert len(looks) == 1
    assert store.graph_limit == 2 * store.journal.size


def test_a_large_live_graph_is_not_looked_at_again_and_again(place, monkeypatch):
    monkeypatch.setattr(compacting, "GRAPH_FLOOR", 1000)
    store = Store(os.path.abspath("cache"))
    os.mkdir("cache")
    looks, real = [], compacting.compact
    monkeypatch.setattr(compacting, "compact", lambda *args: looks.append(args) or real(*args))
    for number in range(2000):
        store.journal.append_packed(pack(event(number, number)))
        if store.journal.size > store.graph_limit or number == 10:
            compacting.relieve(store)
    again = Store(os.path.abspath("cache"))
    again.journal.append_packed(pack(event(1, 5000)))
    compacting.relieve(again)
    assert len(looks) <= 3
    assert len(table_of(Path("cache/graph.pkl").read_bytes()).rows) == 2000


def test_a_file_of_another_format_is_left_as_it_is(place):
    run("a", 40, floor=1 << 30)
    path = Path("cache/graph.pkl")
    data = frame(("cachepy-graph", FORMAT + 1)) + path.read_bytes()
    path.write_bytes(data)
    assert compact(Store(os.path.abspath("cache")), 2) is None
    assert path.read_bytes() == data
