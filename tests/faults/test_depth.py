"""Deep chains, wide callers, values that hold themselves: the result or a clean error, and never damage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prelude import HEARING

from tests.programs import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path, HEARING) as made:
        yield made


CHAIN = """
        ran = []

        @cache_file(ROOT, ignore_globals=["ran"])
        def chain(n):
            ran.append(n)
            return len(open(track_file("leaf")).read()) if n == 0 else chain(n - 1) + 1

        def deeply(call, *args):
            '''On a thread with room for it.'''
            out = []
            sys.setrecursionlimit(1_000_000)
            threading.stack_size(1 << 29)
            thread = threading.Thread(target=lambda: out.append(call(*args)))
            thread.start()
            thread.join()
            sys.setrecursionlimit(1000)
            return out[0]

        open("leaf", "w").write("1")
"""


def test_5000_nested_calls_within_pythons_own_limit(project: Project) -> None:
    """A clean RecursionError, not a warning or a wrong value; nothing is left, and all works right afterwards."""
    project.main(
        CHAIN
        + """
        for _ in range(2):
            try:
                chain(5000)
            except RecursionError:
                pass
            else:
                raise AssertionError("no RecursionError")
            assert left() == [] and heard == [] and current_session().owners == {}, (left(), heard)
            assert current_session().waiting == {} and cache_tree_nodes() == {}
        from cachepy.core.current import caller
        assert caller() is None
        assert chain(50) == 51
        ran.clear()
        assert chain(50) == 51 and chain(51) == 52 and ran == [51], ran
        assert len(cache_tree_nodes()) == 52 and heard == []
        """
    ).silent()


def test_a_tree_that_is_made_again_in_part_is_whole(project: Project) -> None:
    """At every depth from 1 to the limit: a value or a RecursionError, and the values stay right."""
    project.main(
        CHAIN
        + """
        def down(n, call, *args):
            return call(*args) if n == 0 else down(n - 1, call, *args)

        for depth in range(500, 995, 7):
            try:
                assert down(depth, chain, 5) == 6
            except RecursionError:
                pass
            assert left() == [], depth
            chain.clear(5)
            chain.clear(4)
        assert chain(5) == 6 and heard == [], heard
        """
    ).silent()


def test_a_global_is_not_taken_for_opaque_near_the_limit(project: Project) -> None:
    """Its digest fails only for want of stack; if that were remembered, later changes of it would go unseen."""
    project.main(
        """
        NESTED = {1}
        for _ in range(30):
            NESTED = [NESTED, {1, 2}]

        def read():
            return str(NESTED)

        @cache_file(ROOT)
        def f(n):
            return read()

        def down(n, call, *args):
            return call(*args) if n == 0 else down(n - 1, call, *args)

        for depth in range(870, 985, 6):
            with use_session(Session()):
                try:
                    down(depth, f, depth)
                except RecursionError:
                    pass
                NESTED[1].add(1000 + depth)
                assert str(1000 + depth) in f(depth), depth
        assert heard == [], heard
        """
    ).silent()


def test_stale_leaf_under_a_deep_tree(project: Project) -> None:
    deep_story(project, 60)


@pytest.mark.stress
def test_stale_leaf_under_2000_calls_and_a_hit_on_5000(project: Project) -> None:
    deep_story(project, 2000)
    project.main(CHAIN + "\n        deeply(chain, 5000)\n        ran.clear()\n        assert chain(5000) == 5001 and ran == []").silent()


def deep_story(project: Project, deep: int) -> None:
    """Made once on a deep stack; asked for, explained, planned and refreshed on a common one."""
    project.main(
        CHAIN
        + f"""
        from cachepy import cache_tree_plan, cache_tree_refresh
        assert deeply(chain, {deep}) == {deep} + 1
        ran.clear()
        with use_session(Session()):
            assert chain({deep}) == {deep} + 1 and ran == []
            assert len(cache_tree_nodes()) == {deep} + 1
            open("leaf", "w").write("2")
            assert len(cache_tree_stale()) == {deep} + 1
            assert chain.explain({deep}).state == "stale"
            assert cache_tree_plan() is not None
            assert chain({deep}) == {deep} + 1 and ran == [0], ran  # early cutoff: the leaf gives what it gave
            assert cache_tree_stale() == {{}}
            open("leaf", "w").write("33")
            ran.clear()
            if {deep} > 100:  # the refresh of one chain takes the square of its length
                sys.exit()
            cache_tree_refresh()
            assert sorted(ran) == list(range({deep} + 1)), len(ran)
            ran.clear()
            assert chain({deep}) == {deep} + 2 and ran == []
            assert cache_tree_stale() == {{}}
        assert left() == [] and heard == [], heard
        """,
        limit=600,
    ).silent()


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.stress)])
def test_a_caller_with_many_children(project: Project, count: int) -> None:
    """At a constant cost for each, counted in bytes of the graph file and in steps, not in seconds."""
    project.main(
        f"""
        COUNT = {count}

        @cache_file(ROOT)
        def item(n):
            return n

        @cache_file(ROOT, ignore_globals=["marks", "steps", "count"])
        def total(n):
            done = 0
            for k in range(n):
                done += item(k)
                if k in marks:
                    marks[k] = os.path.getsize(os.path.join(ROOT, "graph.pkl")), steps[0]
                    sys.setprofile(None if sys.getprofile() else count)
            return done

        steps = [0]
        marks = dict.fromkeys([COUNT // 10, COUNT // 10 + 100, COUNT - 200, COUNT - 100])
        def count(*_):
            steps[0] += 1

        assert total(COUNT) == COUNT * (COUNT - 1) // 2
        early, late = (tuple(b - a for a, b in zip(*pair)) for pair in zip(*[iter(marks.values())] * 2))
        assert late[0] < 1.3 * early[0] and late[1] < 1.3 * early[1], (early, late)
        with use_session(Session()):
            assert total(COUNT) == COUNT * (COUNT - 1) // 2
            node = cache_tree_nodes()["total:" + total.key(COUNT)]
            assert len(node["children"]) == COUNT
        assert heard == []
        """,
        limit=1800,
    ).silent()


SELVES = {
    "list": "x = [1]; x.append(x)",
    "list of lists": "x = [[]]; x[0].append(x)",
    "dict": "x = {1: 2}; x[3] = x",
    "object": "x = Thing(); x.me = x",
    "object in a list": "x = [Thing()]; x[0].me = x",
    "object in a tuple": "t = Thing(); x = (t, 1); t.me = x",
    "object in a set": "t = Thing(); x = {t}; t.me = x",
    "object in a key": "t = Thing(); x = {t: 1}; t.me = x",
    "two that know each other": "x, y = Thing(), Thing(); x.me, y.me = y, x",
    "default of a function": "def x(a=[]): pass\nx.__defaults__[0].append(x)",
    "array of objects": "import numpy as np; x = np.empty(1, object); x[0] = x",
}
DEEP = {
    "lists": "[x]",
    "tuples": "(x,)",
    "dicts": "{1: x}",
    "objects": "Thing(x)",
    "sets": "frozenset([x, 1])",
    "lists and sets": "[(x,)]",
}
THING = """
        class Thing:
            def __init__(self, me=None):
                self.me = me

        @cache_file(ROOT)
        def f(x):
            return 1

        @cache_file(ROOT)
        def g(x, n):
            return n
"""


@pytest.mark.parametrize("name", SELVES)
def test_a_value_that_holds_itself(project: Project, name: str) -> None:
    """A digest, or one warning that names the argument; another such value is another one, and the result is right."""
    project.main(
        THING
        + f"""
        exec({SELVES[name]!r})
        assert f(x) == f(x) == 1 and g(x, 1) == 1 and g(x, 2) == 2
        assert {{kind for kind, _ in heard}} <= {{"UncachedCallWarning"}} and len(heard) <= 2, heard
        assert all("'x'" in text for _, text in heard), heard
        if not heard:
            plain = [1, [1, [1, None]]]
            assert f.key(x) != f.key(plain) and f.key(x) != f.key([x, 1])
        """
    ).silent()


@pytest.mark.parametrize("limit", [1000, 10**6], ids=["Python's own limit", "limit raised"])
def test_values_of_100000_levels(project: Project, limit: int) -> None:
    """As argument, as result, as a global: a warning and the value, no crash of the process."""
    project.main(
        THING
        + f"""
        kept = []  # to take them apart one by one at the end would cost more stack than there is

        def nested(make, levels=100_000):
            x = 0
            for _ in range(levels):
                x = make(x)
            kept.append(x)
            return x

        @cache_file(ROOT, ignore_globals=["nested", "MAKE"])
        def result(n):
            return nested(MAKE[0])

        sys.setrecursionlimit({limit})
        MAKE = [None]
        for text in {list(DEEP.values())!r}:
            MAKE[0] = eval("lambda x: " + text)
            x = nested(MAKE[0])
            assert f(x) == f([1, x]) == 1
            assert result(text) is kept[-1]
        kinds = [kind for kind, _ in heard]
        assert set(kinds) <= {{"UncachedCallWarning", "CacheWriteWarning"}} and len(kinds) <= 2, heard
        assert left() == []
        sys.stdout.flush()
        os._exit(0)
        """,
        limit=120,
    ).silent()


def test_wide_and_shared_values_are_not_taken_for_deep(project: Project) -> None:
    """With a raised limit each value is looked through first: that finds depth, not size."""
    project.main(
        """
        from cachepy.session import current_session
        digester = current_session().digester
        sys.setrecursionlimit(10**6)
        shared = [1]
        for _ in range(60):
            shared = [shared, shared]
        chain = [[]]
        for _ in range(20_000):
            chain.append([chain[-1]])
        assert not digester.is_too_deep([[i] for i in range(100_000)])
        assert not digester.is_too_deep(shared)
        assert digester.is_too_deep(chain), "20,000 levels, though each list is also on top"
        assert digester.is_too_deep(list(reversed(chain)))
        loop = []
        loop.append(loop)
        assert not digester.is_too_deep(loop)
        os._exit(0)
        """
    ).silent()
