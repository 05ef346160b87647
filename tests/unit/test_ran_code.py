"""Code that ran counts, however it was found: by a text, a registry, a pickle, in threads, coroutines, generators."""

import asyncio
import importlib
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cachepy import ChangedGlobalWarning, Session, UncachedCallWarning, cache_file, use_session
from cachepy.core.kinds import KINDS

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="the interpreter tells which code runs from 3.12 on")
HEAD = "from cachepy import cache_file\ncached = cache_file('cache', warn_cheap=False)\n"


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """Makes a module of some text, and gives a function that finds its functions where no code names them."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(text):
        name = f"steps_of_{tmp_path.name}"
        (tmp_path / f"{name}.py").write_text(text)
        return importlib.import_module(name)

    with use_session(Session()):
        yield make


def ran(fn, *args):
    """The names of the code that counts because it ran."""
    from cachepy import current_session

    session = current_session()
    events = session.stores.events(f"{fn.__name__}:{fn.key(*args)}")
    return {dep.name.partition(":")[2] for dep in events[0].trace.deps if KINDS[dep.kind].word == "ran"}


def called(module, name, *args):
    """Calls what it is told by a text."""
    return vars(sys.modules[module])[name](*args)


# -- programs


@pytest.fixture
def plugins(project):
    project.head = ""
    project.write("main.py", HEAD + (
        "import importlib\n"
        "@cached\n"
        "def f(name):\n"
        "    print('ran', end=' ')\n"
        "    return importlib.import_module('plug_' + name).score(3)\n"
        "if __name__ == '__main__':\n"
        "    print(f('a'))\n"
    ))  # fmt: skip
    project.write("plug_a.py", (
        "from base import scaled\n"
        "RATE = 2\n"
        "def score(x):\n"
        "    return scaled(x) * RATE  # the rate\n"
        "def other(x):\n"
        "    return x\n"
    ))  # fmt: skip
    project.write("base.py", "def scaled(x):\n    return x + 1\ndef unused(x):\n    return x\n")
    return project


@pytest.mark.parametrize(
    ("file", "old", "new", "answer", "runs"),
    [
        ("plug_a.py", "RATE = 2", "RATE = 3", "12", 1),
        ("plug_a.py", "scaled(x) * RATE", "scaled(x) + RATE", "6", 1),
        ("base.py", "return x + 1", "return x + 2", "10", 1),
        ("plug_a.py", "# the rate", "# a rate", "8", 0),
        ("plug_a.py", "def other(x):\n    return x", "def other(x):\n    return 2 * x", "8", 0),
        ("base.py", "def unused(x):\n    return x", "def unused(x):\n    return 2 * x", "8", 0),
    ],
)
def test_a_plugin_found_by_a_computed_name_counts_by_what_ran(plugins, file, old, new, answer, runs):
    assert plugins.run("main.py").silent() == "ran 8\n"
    assert plugins.run("main.py").silent() == "8\n"
    plugins.edit(file, old, new)
    assert plugins.run("main.py").silent() == f"{'ran ' * runs}{answer}\n"
    assert plugins.run("main.py").silent() == f"{answer}\n"


def test_status_and_explain_say_that_it_was_found_at_run_time(plugins):
    plugins.run("main.py")
    assert plugins.cachepy("status", "--cache-dir", "cache").returncode == 0
    plugins.edit("base.py", "return x + 1", "return x + 2")
    told = plugins.cachepy("status", "--cache-dir", "cache", code=1)
    assert "code of base:scaled changed, found at run time (base.py:" in told.stdout
    told = plugins.run("-c", "import main; print(main.f.explain('a'))").silent()
    assert "code of base:scaled changed, found at run time (base.py:1)" in told


def test_a_constant_of_such_a_module_counts(plugins):
    plugins.edit("main.py", ".score(3)", ".RATE")
    assert plugins.run("main.py").silent() == "ran 2\n"
    plugins.edit("plug_a.py", "RATE = 2", "RATE = 5")
    assert plugins.cachepy("status", "--cache-dir", "cache").returncode == 1
    assert plugins.run("main.py").silent() == "ran 5\n"


def test_one_that_is_loaded_already_counts_by_its_name(plugins):
    plugins.edit("main.py", ".score(3)", ".RATE")
    plugins.edit("main.py", "import importlib\n", "import importlib, plug_a\n")
    assert plugins.run("main.py").silent() == "ran 2\n"
    plugins.edit("plug_a.py", "RATE = 2", "RATE = 5")
    assert plugins.run("main.py").silent() == "ran 5\n"


def test_what_registers_itself_when_it_is_imported_by_the_body_is_a_hit_the_next_time(plugins):
    plugins.write("plug_a.py", "import registry\n@registry.add\ndef score(x):\n    return x\n")
    plugins.write("registry.py", "FOUND = {}\ndef add(fn):\n    FOUND[fn.__name__] = fn\n    return fn\n")
    assert [plugins.run("main.py").silent() for _ in range(3)] == ["ran 3\n", "3\n", "3\n"]


def test_it_can_be_turned_off(plugins):
    plugins.edit("main.py", "'cache', ", "'cache', observe_code=False, ")
    plugins.run("main.py")
    plugins.edit("base.py", "return x + 1", "return x + 2")
    assert plugins.run("main.py").silent() == "8\n"


def test_other_tools_may_have_all_numbers(plugins):
    plugins.edit("main.py", "import importlib\n", "import importlib, sys\nfor i in range(6):\n    sys.monitoring.use_tool_id(i, 'mine')\n")
    first = plugins.run("main.py")
    assert first.stdout == "ran 8\n"
    assert first.stderr.count("OpaqueGlobalWarning: other tools have all numbers of sys.monitoring") == 1
    assert plugins.run("main.py").silent() == "8\n"


def test_a_lambda_that_no_name_leads_to(plugins):
    plugins.write("hooks.py", "HOOKS = []\ndef fire(x):\n    return [hook(x) for hook in __import__('gc').get_referents(HOOKS)]\n")
    plugins.write("plug_a.py", "import hooks\nRATE = 2\nhooks.HOOKS.append(lambda x: x * RATE)\n")
    plugins.edit("main.py", "import importlib\n", "import importlib, sys, plug_a\n")
    plugins.edit("main.py", "importlib.import_module('plug_' + name).score(3)", "vars(sys.modules['ho' + 'oks'])['fi' + 're'](3)")
    assert plugins.run("main.py").silent() == "ran [6]\n"
    assert plugins.run("main.py").silent() == "[6]\n"
    for old, new, answer in (("x * RATE", "x + RATE", "[5]\n"), ("RATE = 2", "RATE = 7", "[10]\n")):
        plugins.edit("plug_a.py", old, new)
        assert plugins.run("main.py").silent() == f"ran {answer}"
        assert plugins.run("main.py").silent() == answer


# -- whose code it is


def test_code_of_a_call_below_is_not_the_callers(steps, tmp_path):
    name = steps("def inner(x):\n    return x\ndef outer(x):\n    return x\ndef both(x):\n    return x\n").__name__
    cached = cache_file(tmp_path / "c", warn_cheap=False)

    @cached
    def child(x):
        return called(name, "inner", x) + called(name, "both", x)

    @cached
    def parent(x):
        return child(x) + called(name, "outer", x)

    @cached
    def parent_of_both(x):
        return child(x) + called(name, "both", x)

    @cached
    def parent_before(x):
        return called(name, "both", x) + child(x)

    parent(1), parent_of_both(2), parent_before(3)
    assert ran(child, 1) == ran(child, 2) == ran(child, 3) == {"inner", "both"}
    assert ran(parent, 1) == {"outer"}
    assert ran(parent_of_both, 2) == ran(parent_before, 3) == {"both"}


def test_bodies_one_after_the_other_each_have_it(steps, tmp_path):
    name = steps("def step(x):\n    return x\n").__name__
    called(name, "step", 0)
    cached = cache_file(tmp_path / "c", warn_cheap=False)

    @cached
    def one(x):
        return called(name, "step", x)

    @cached
    def two(x):
        return called(name, "step", x)

    for x in range(3):
        assert one(x) == two(x) == x
        assert ran(one, x) == ran(two, x) == {"step"}


def test_bodies_at_the_same_time_each_have_what_they_ran(steps, tmp_path):
    name = steps("def first(x):\n    return x\ndef second(x):\n    return x\ndef shared(x):\n    return x\n").__name__
    cached = cache_file(tmp_path / "c", warn_cheap=False)
    meet = threading.Barrier(2, timeout=20)

    @cached
    def one(x):
        meet.wait()
        found = called(name, "first", x)
        meet.wait()
        return called(name, "shared", found)

    @cached
    def two(x):
        meet.wait()
        found = called(name, "shared", x)
        meet.wait()
        return called(name, "second", found)

    with ThreadPoolExecutor(2) as pool:
        assert [each.result() for each in (pool.submit(one, 1), pool.submit(two, 2))] == [1, 2]
    assert ran(one, 1) == {"first", "shared"}
    assert ran(two, 2) == {"second", "shared"}


def test_code_that_starts_too_often_meanwhile_is_given_to_all(steps, tmp_path):
    name = steps("def hot(x):\n    return x\n").__name__
    cached = cache_file(tmp_path / "c", warn_cheap=False, ignore_globals=["begun", "done"])
    begun, done = threading.Event(), threading.Event()

    @cached
    def slow(x):
        begun.set()
        assert done.wait(20)
        return x

    @cached
    def busy(x):
        return sum(called(name, "hot", x) for _ in range(3000))

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slow, 1)
        assert begun.wait(20)
        busy(1)
        done.set()
        waiting.result()
    assert ran(busy, 1) == {"hot"}
    assert ran(slow, 1) <= {"hot"}  # it may count too much


def test_coroutines_at_the_same_time_each_have_what_they_ran(steps, tmp_path):
    name = steps("".join(f"def step{i}(x):\n    return x\n" for i in range(20)) + "def shared(x):\n    return x\n").__name__
    cached = cache_file(tmp_path / "c", warn_cheap=False)

    @cached
    async def child(i):
        found = called(name, f"step{i}", i)
        await asyncio.sleep(0.001 * (i % 3))
        return called(name, "shared", found)

    @cached
    async def parent(n):
        return sum(await asyncio.gather(*map(child, range(n))))

    assert asyncio.run(parent(20)) == 190
    assert [ran(child, i) for i in range(20)] == [{f"step{i}", "shared"} for i in range(20)]
    assert ran(parent, 20) == set()


def test_threads_that_a_body_begins_are_its_own(steps, tmp_path):
    name = steps("def step(x):\n    return x\n").__name__

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        with ThreadPoolExecutor(2) as pool:
            return sum(pool.map(lambda i: called(name, "step", i), range(x)))

    assert f(5) == 10
    assert ran(f, 5) == {"step"}


def test_a_thread_that_was_there_before_works_for_nobody_here(steps, tmp_path):
    name = steps("COUNT = 0\ndef tick(x):\n    global COUNT\n    COUNT += 1\n    return x\n").__name__
    begun, done = str(tmp_path / "begun"), str(tmp_path / "done")

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        os.mkdir(begun)
        while not os.path.exists(done):
            time.sleep(0.01)
        return x

    def beside():
        while not os.path.exists(begun):
            time.sleep(0.01)
        called(name, "tick", 1)
        os.mkdir(done)

    thread = threading.Thread(target=beside)
    thread.start()
    f(1)
    thread.join()
    assert ran(f, 1) == set()


def test_a_pool_that_was_there_before_and_is_found_by_a_text(steps, tmp_path):
    text = (
        "from concurrent.futures import ThreadPoolExecutor\nPOOL = ThreadPoolExecutor(1)\nPOOL.submit(int).result()\n"
        "def step(x):\n    return x\ndef send(x):\n    return POOL.submit(globals()['st' + 'ep'], x).result()\n"
    )
    name = steps(text).__name__

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        return called(name, "send", x)

    assert f(1) == 1
    assert "send" in ran(f, 1)  # which leads to all names of its module
    sys.modules[name].POOL.shutdown()


def test_a_thread_of_the_parent_that_runs_what_its_child_ran_first(steps, tmp_path):
    name = steps("def step(x):\n    return x\n").__name__
    cached = cache_file(tmp_path / "c", warn_cheap=False, ignore_globals=["was_run", "may_end"])
    was_run, may_end = threading.Event(), threading.Event()

    @cached
    def child(x):
        called(name, "step", x)
        was_run.set()
        assert may_end.wait(20)
        return x

    @cached
    def parent(x):
        def beside():
            assert was_run.wait(20)
            called(name, "step", x)
            may_end.set()

        thread = threading.Thread(target=beside)
        thread.start()
        child(x)
        thread.join()
        return x

    parent(1)
    assert ran(parent, 1) == ran(child, 1) == {"step"}


def test_a_generator_that_began_before_the_body(steps, tmp_path):
    module = steps("def numbers():\n    while True:\n        yield 1\nSTREAM = numbers()\nnext(STREAM)\nnext(STREAM)\n")
    name = module.__name__

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        return next(vars(sys.modules[name])["STREAM"]) + x

    assert f(1) == 2
    assert ran(f, 1) == {"numbers"}


def test_a_method_counts_by_the_class_of_its_object(steps, tmp_path):
    text = "class Base:\n    RATE = 1\n    def rate(self):\n        return self.RATE\nclass Sub(Base):\n    RATE = 2\nSUB = Sub()\n"
    name = steps(text).__name__

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        return vars(sys.modules[name])["SUB"].rate() + x

    assert f(1) == 3
    assert ran(f, 1) == {"Sub"}


def test_what_it_changes_itself_is_said_and_not_stored(steps, tmp_path):
    name = steps("COUNT = 0\ndef step(x):\n    global COUNT\n    COUNT += 1\n    return x\n").__name__

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        return called(name, "step", x)

    with pytest.warns(ChangedGlobalWarning, match=rf"{name}.COUNT changed while f ran"):
        f(1)
    assert not f.is_cached(1)


def test_code_that_the_function_leads_to_anyway_does_not_count_twice(steps, tmp_path):
    module = steps("def step(x):\n    def inner(y):\n        return y\n    return inner(x) + sum(i for i in range(x))\n")

    def helper(x):
        plus = lambda y: y + 1
        return plus(x)

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x, each=None):
        return helper(module.step(x)) + (each(x) if each else 0)

    f(1), f(2, lambda x: x)
    assert ran(f, 1) == ran(f, 2, lambda x: x) == set()


def test_deep_recursion_of_cached_calls(steps, tmp_path):
    name = steps("def step(x):\n    return x\n").__name__

    @cache_file(tmp_path / "c", warn_cheap=False)
    def down(n):
        return called(name, "step", n) + (down(n - 1) if n else 0)

    assert down(60) == 1830
    assert all(ran(down, n) == {"step"} for n in (0, 30, 60))


def test_an_error_inside_does_not_come_out_of_the_users_function(steps, tmp_path, monkeypatch):
    from cachepy.calls.ran_code import RanCode

    name = steps("def step(x):\n    return x\n").__name__
    monkeypatch.setattr(RanCode, "_add", lambda *_: 1 / 0)

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        return called(name, "step", x)

    with pytest.warns(UncachedCallWarning, match="it ran step, of whose code no digest can be made"):
        assert f(1) == 1
    assert not f.is_cached(1)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_function_carried_into_a_pool_of_processes(project, start):
    project.head = ""
    project.write("plug.py", "def score(x):\n    return x * 2\n")
    project.write("work.py", "import sys\ndef work(x):\n    return vars(__import__('plu' + 'g'))['sco' + 're'](x)\n")
    project.write("main.py", HEAD + (
        "import multiprocessing, work\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from cachepy import with_caller\n"
        "@cached\n"
        "def f(n):\n"
        "    print('ran', end=' ', flush=True)\n"
        f"    with ProcessPoolExecutor(2, multiprocessing.get_context({start!r})) as pool:\n"
        "        return sum(pool.map(with_caller(work.work), range(n)))\n"
        "if __name__ == '__main__':\n"
        "    print(f(4))\n"
    ))  # fmt: skip
    assert project.run("-W", "ignore", "main.py").stdout == "ran 12\n"
    assert project.run("-W", "ignore", "main.py").stdout == "12\n"
    project.edit("plug.py", "x * 2", "x * 3")
    assert project.run("-W", "ignore", "main.py").stdout == "ran 18\n"
    assert project.run("-W", "ignore", "main.py").stdout == "18\n"


def test_a_variable_of_the_environment_that_it_reads_counts(steps, tmp_path, monkeypatch):
    name = steps("import os\ndef step(x):\n    return os.environ.get('OBSERVED', '') + x\n").__name__
    monkeypatch.setenv("OBSERVED", "a")

    @cache_file(tmp_path / "c", warn_cheap=False)
    def f(x):
        return called(name, "step", x)

    assert f("x") == f("x") == "ax"
    monkeypatch.setenv("OBSERVED", "b")
    assert f("x") == "bx"


def test_a_file_that_was_edited_after_it_was_loaded_vouches_for_nothing(plugins):
    plugins.edit("main.py", ".score(3)", ".RATE")
    plugins.edit("main.py", "import importlib\n", (
        "import importlib, plug_a, sys\n"
        "if len(sys.argv) > 1:\n"
        "    open('plug_a.py', 'w').write('RATE = 9')\n"
    ))  # fmt: skip
    assert plugins.run("main.py", "edit").stdout == "ran 2\n"
    told = plugins.cachepy("status", "--cache-dir", "cache")
    assert "plug_a.py could not be checked: it was edited after its program began" in told.stdout
    assert told.returncode in (1, 3)
    assert plugins.run("main.py").silent() == "ran 9\n"
    assert plugins.run("main.py").silent() == "9\n"
