"""Calls that depend on each other, since nobody knew whose one of them was: no endless walk, no false `fresh`."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from prelude import PRELUDE

from tests.programs import Project

CIRCLE = """
    POOL = ThreadPoolExecutor(2)
    POOL.submit(int).result()  # its thread is there before any body runs
    GATES = {}

    def pause(name):
        gate = GATES.get(name)
        if gate:
            gate[0].set()
            gate[1].wait()

    def number(name):
        return int(open(track_file(HERE / name)).read())

    @cache_file(CACHE)
    def shared():
        log("shared")
        return number("shared") > 0

    @cache_file(CACHE, ignore_globals=["GATES"])
    def f(x):
        if x == "never":
            POOL.submit(g, x)
        log("f")
        pause("f")
        return shared(), number("f")

    @cache_file(CACHE, ignore_globals=["GATES"])
    def g(x):
        if x == "never":
            POOL.submit(f, x)
        log("g")
        pause("g")
        return shared(), number("g")
    """
MAKE = """
    from circle import *

    def during(name, fn, other):
        begun, go = GATES[name] = threading.Event(), threading.Event()
        runs = threading.Thread(target=fn)
        runs.start()
        begun.wait()
        GATES.clear()
        POOL.submit(other).result()
        go.set()
        runs.join()

    during("f", lambda: f(1), lambda: g(1))
    during("g", lambda: g(1, _force=True), lambda: f(1))
    """
ASK = """
    from circle import *

    print(json.dumps([f(1), g(1)]))
    """
LOOK = """
    from circle import *

    cache_tree_sync(CACHE)
    plan = cachepy.cache_tree_plan()
    print(json.dumps([sorted(c.fname for c in plan), sorted(c.fname for c in plan.running)]))
    done = cachepy.cache_tree_refresh()
    print(json.dumps([sorted(e["node"]["fname"] for e in cachepy.cache_tree_stale().values()), sorted({c.partition(":")[0] for c in (*done.ran, *done.cut)})]))
    """


@pytest.fixture
def project(tmp_path):
    with Project(tmp_path, PRELUDE) as made:
        yield made


@pytest.fixture
def circle(project):
    project.write("circle.py", CIRCLE)
    project.write("make.py", MAKE)
    project.write("ask.py", ASK)
    project.write("look.py", LOOK)
    for name in ("shared", "f", "g"):
        (project / name).write_text("1")
    project.run("make.py").silent()
    project.ran()
    return project


def edited(project, name, text):
    (project / name).write_text(text)
    project.ran()
    value = json.loads(project.run("ask.py").silent())
    return value, Counter(project.logged())


def test_what_did_not_change_does_not_run(circle):
    assert edited(circle, "f", "1") == ([[True, 1], [True, 1]], {})


def test_a_call_below_both_that_gives_the_same_lets_the_walk_end(circle):
    value, ran = edited(circle, "shared", "2")
    assert value == [[True, 1], [True, 1]]
    assert ran["shared"] == 1
    assert edited(circle, "shared", "2") == (value, {})


@pytest.mark.parametrize("name", ["f", "g", "shared"])
def test_what_changed_is_noticed(circle, name):
    text = "0" if name == "shared" else "5"
    value, _ = edited(circle, name, text)
    assert value == {"f": [[True, 5], [True, 1]], "g": [[True, 1], [True, 5]], "shared": [[False, 1], [False, 1]]}[name]
    assert edited(circle, name, text) == (value, {})


def test_a_plan_names_them_and_refresh_makes_them(circle):
    (circle.folder / "shared").write_text("0")
    planned, refreshed = map(json.loads, circle.run("look.py").silent().splitlines())
    assert planned == [["f", "g", "shared"]] * 2
    circle.ran()
    assert refreshed == [[], ["f", "g", "shared"]]
    assert json.loads(circle.run("ask.py").silent()) == [[False, 1], [False, 1]]
    assert circle.ran() == []
