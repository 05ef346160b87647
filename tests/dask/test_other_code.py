"""Code that was edited on the client while the workers keep what they imported: a new value, or a warning that names it.

Each program is a module with a number in it (and, for some, a second module); the workers import it with 2, then the
client reloads it with 3. What is sent is always `g`, unedited, above a cached `f`.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import textwrap
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dask
import dask.bag
import dask.dataframe
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from other_code_module import by_environment, frames

from cachepy import cache_tree_nodes
from cachepy.session import Session, use_session
from dask_plugin import OtherCodeWarning, connect, delayed, with_caller
from dask_plugin.differences import _MOST_SENT, MINOR, Differences

pytestmark = pytest.mark.dask

HEAD = """
import os, sys
from functools import partial
from cachepy import cache_file
cached = cache_file(os.environ["PIPE_CACHE"], warn_cheap=False)
"""
ABOVE = """
@cached
def g(x):
    return f(x) + 1
"""


@dataclass
class Program:
    text: str
    lib: str = ""
    above: str = ABOVE


FOUND_BY_A_TEXT = {
    "a function found by a text": Program(
        "import importlib\nNAME = 'LIB'[::-1]\n@cached\ndef f(x): return importlib.import_module(NAME[::-1]).helper(x)",
        "def helper(x): return x * NUMBER",
    ),
}
PROGRAMS = {
    "its own body": Program("@cached\ndef f(x): return x * NUMBER"),
    "a helper": Program("def helper(x): return x * NUMBER\n@cached\ndef f(x): return helper(x)"),
    "a helper's helper": Program(
        "def deep(x): return x * NUMBER\ndef helper(x): return deep(x)\n@cached\ndef f(x): return helper(x)"
    ),
    "a global": Program("FACTOR = NUMBER\n@cached\ndef f(x): return x * FACTOR"),
    "a default": Program("@cached\ndef f(x, k=NUMBER): return x * k"),
    "a class": Program(
        "class Base:\n    def times(self, x): return x * NUMBER\nclass Model(Base): pass\n"
        "@cached\ndef f(x): return Model().times(x)"
    ),
    "a closure": Program(
        "def make(k):\n    return lambda x: x * k\nhelper = make(NUMBER)\n@cached\ndef f(x): return helper(x)"
    ),
    "a partial": Program(
        "def times(k, x): return x * k\nhelper = partial(times, NUMBER)\n@cached\ndef f(x): return helper(x)"
    ),
    "a helper of another module": Program(
        "import LIB\n@cached\ndef f(x): return LIB.helper(x)", "def helper(x): return x * NUMBER"
    ),
    "a constant of another module": Program(
        "from LIB import FACTOR\n@cached\ndef f(x): return x * FACTOR", "FACTOR = NUMBER"
    ),
    "a module imported in the body": Program(
        "@cached\ndef f(x):\n    import LIB\n    return x * LIB.FACTOR", "FACTOR = NUMBER"
    ),
    **(FOUND_BY_A_TEXT if sys.version_info >= (3, 12) else {}),
    "two calls further down": Program(
        "@cached\ndef e(x): return x * NUMBER\n@cached\ndef f(x): return e(x)",
    ),
    "a plain function between": Program(
        "@cached\ndef f(x): return x * NUMBER\ndef between(x): return f(x)",
        above="@cached\ndef g(x): return between(x) + 1",
    ),
    "a cached call found by name": Program(
        "@cached\ndef f(x): return x * NUMBER",
        above="@cached\ndef g(x, name='f'): return getattr(sys.modules[__name__], name)(x) + 1",
    ),
    "a cached call in a registry": Program(
        "STEPS = {}\ndef step(fn):\n    STEPS[fn.__name__] = fn\n    return fn\n@step\n@cached\ndef f(x): return x * NUMBER",
        above="@cached\ndef g(x): return STEPS['f'](x) + 1",
    ),
    "a cached call registered elsewhere": Program(
        "import LIB\n@cached\ndef f(x): return x * NUMBER\nLIB.STEPS['f'] = f",
        "STEPS = {}\ndef find(name): return STEPS[name]",
        above="@cached\ndef g(x): return LIB.find('f')(x) + 1",
    ),
    "a cached call behind another decorator": Program(
        "def twice(fn):\n    def both(x): return fn(x)\n    return both\n@twice\n@cached\ndef f(x): return x * NUMBER"
    ),
    "a cached method": Program(
        "class Model:\n    @cached\n    def f(self, x): return x * NUMBER",
        above="@cached\ndef g(x): return Model().f(x) + 1",
    ),
    "a call below that raises": Program(
        "@cached\ndef f(x): raise ValueError(x * NUMBER)",
        above="@cached\ndef g(x):\n    try: return f(x)\n    except ValueError as error: return error.args[0] + 1",
    ),
}


def plain(client, module, x):
    return client.submit(module.g, x, pure=False).result()


def carrying(client, module, x):
    return client.submit(with_caller(module.g), x, pure=False).result()


def pure(client, module, x):
    return client.submit(module.g, x).result()


def mapped(client, module, x):
    return client.gather(client.map(module.g, [x]))[0]


def lazy(client, module, x):
    return delayed(module.g)(x).compute()


def lazy_plain(client, module, x):
    return dask.delayed(module.g)(x).compute()


def lazy_pure(client, module, x):
    return delayed(module.g, pure=True)(x).compute()


def in_a_bag(client, module, x):
    return dask.bag.from_sequence([x]).map(with_caller(module.g)).compute()[0]


def of_partitions(client, module, x):
    frame = dask.dataframe.from_pandas(pd.DataFrame({"x": [x]}), npartitions=1)
    made = frame.map_partitions(lambda part, fn: part.assign(x=fn(int(part.x.iloc[0]))), with_caller(module.g))
    return int(made.compute().x.iloc[0])


def as_an_argument(client, module, x):
    return client.submit(_call, module.g, x).result()


def from_a_task(client, module, x):
    return client.submit(_submits, module.g, x).result()


def _call(fn, x):
    return fn(x)


def _submits(fn, x):
    from distributed import worker_client

    with worker_client() as client:
        return client.submit(fn, x, pure=False).result()


WAYS = [plain, pure, mapped, lazy, lazy_plain, lazy_pure, in_a_bag, of_partitions, as_an_argument, from_a_task]


@pytest.fixture(scope="module")
def workers():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as made, Client(made) as client:
        client.run(lambda folder=str(Path(__file__).parent): sys.path.insert(0, folder))
        yield made


@pytest.fixture
def client(workers):
    with use_session(Session()), Client(workers) as made, connect(made):
        yield made


class Edited:
    """A program on disk, imported by the workers and here."""

    def __init__(self, program, folder, client):
        self.program, self.folder, self.client = program, folder, client
        self.name = f"program_{folder.name}".replace("-", "_")
        self.modules = [n for n, text in ((f"{self.name}_lib", program.lib), (self.name, program.text)) if text]
        self.write(2)
        client.run(_import, str(folder), self.modules)
        self.module = [importlib.import_module(name) for name in self.modules][-1]

    def write(self, number):
        texts = {f"{self.name}_lib": self.program.lib, self.name: HEAD + self.program.text + "\n" + self.program.above}
        for name in self.modules:
            text = textwrap.dedent(texts[name]).replace("LIB", f"{self.name}_lib").replace("NUMBER", str(number))
            (self.folder / f"{name}.py").write_text(text)

    def edit(self, number=3):
        self.write(number)
        importlib.invalidate_caches()
        for name in self.modules:
            importlib.reload(sys.modules[name])


def _import(folder, modules):
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    for name in modules:
        importlib.import_module(name)


@pytest.fixture
def start(client, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return lambda program: Edited(PROGRAMS[program], tmp_path, client)


@contextmanager
def hearing(client):
    """The texts of the warnings of other code that come meanwhile."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield said
        client.run(len, "")
    said += [str(w.message) for w in caught if issubclass(w.category, OtherCodeWarning)]


def names(said, what):
    return [text for text in said if what in text]


@pytest.mark.parametrize("again", [True, False], ids=["hit", "run"])
@pytest.mark.parametrize("way", [plain, carrying], ids=lambda way: way.__name__)
@pytest.mark.parametrize("program", PROGRAMS)
def test_old_code_of_workers_is_told(program, way, again, client, start):
    edited = start(program)
    with hearing(client) as said:
        assert way(client, edited.module, 10) == 21
    assert said == [], "nothing was edited yet"
    edited.edit()
    with hearing(client) as said:
        value = way(client, edited.module, 10 if again else 20)
    of = f"{edited.name}_lib:helper" if program in FOUND_BY_A_TEXT else f"{edited.name}:"  # nothing leads there by a name
    assert value == (31 if again else 61) or names(said, of), (value, said)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_however_it_is_sent(way, client, start):
    edited = start("a helper")
    with hearing(client) as said:
        assert way(client, edited.module, 10) == 21
        assert way(client, edited.module, 10) == 21
    assert said == []
    edited.edit()
    with hearing(client) as said:
        assert way(client, edited.module, 20) == 41, "the workers have the old module"
    (text,) = names(said, f"{edited.name}:f")
    assert "helper" in text, "what of it is another"
    assert "tcp://" in text, "which worker"
    assert "restart" in text, "what to do"
    with hearing(client) as said:
        way(client, edited.module, 30)
    assert said == [], "once for each function"


def test_an_edit_that_the_workers_have_too_is_no_matter(client, start):
    edited = start("a helper")
    assert plain(client, edited.module, 10) == 21
    edited.edit()
    client.run(_reload, edited.modules)
    with hearing(client) as said:
        assert plain(client, edited.module, 10) == 31
        assert carrying(client, edited.module, 20) == 61
    assert said == []


def _reload(modules):
    importlib.invalidate_caches()
    for name in modules:
        importlib.reload(sys.modules[name])


def test_a_second_edit_is_told_as_well(client, start):
    edited = start("a helper")
    plain(client, edited.module, 10)
    for number in 3, 4:
        edited.edit(number)
        with hearing(client) as said:
            assert plain(client, edited.module, number) == 2 * number + 1
        assert len(names(said, f"{edited.name}:f")) == 1, number


def test_a_module_that_is_not_loaded_here_is_not_compared(client, start):
    edited = start("a helper")
    edited.edit()
    text = (edited.folder / f"{edited.name}.py").read_text()
    del sys.modules[edited.name]
    with hearing(client) as said:
        assert client.submit(_call_by_name, edited.name, 10).result() == 21
    assert said == []
    assert edited.name not in sys.modules, "looking imports nothing"
    assert "NUMBER" not in text


def _call_by_name(name, x):
    return sys.modules[name].g(x)


def test_only_what_ran_is_told(client, start):
    """A worker that has old code of what nobody asked for is no matter."""
    edited = start("a cached call found by name")
    edited.edit()
    other = client.submit(abs, -3).result()
    with hearing(client) as said:
        assert client.submit(with_caller(_call), abs, -4).result() == 4
    assert (other, said) == (3, [])


def test_a_client_that_is_not_connected_hears_of_it_through_with_caller(workers, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with use_session(Session()), Client(workers) as client:
        edited = Edited(PROGRAMS["two calls further down"], tmp_path, client)
        assert carrying(client, edited.module, 10) == 21
        edited.edit()
        with hearing(client) as said:
            assert carrying(client, edited.module, 20) == 41
    assert names(said, f"{edited.name}:g")


def test_another_version_of_a_package_is_told(client, start, monkeypatch):
    edited = start("a helper")
    from cachepy.session import current_session

    monkeypatch.setitem(current_session().origins._versions, "pandas", "0.1")
    with hearing(client) as said:
        for _ in range(2):
            client.submit(with_caller(_takes_frame), edited.module.g.__wrapped__, pd.Series([1])).result()
            client.submit(frames, pd.Series([1]), pure=False).result()
    (text,) = names(said, "pandas")
    assert "0.1" in text
    assert pd.__version__ in text


def _takes_frame(fn, series):
    return len(series)


def test_the_graph_has_what_ran(client, start):
    """Old code that is below what was sent is stored as what it is: the nodes are there, and are stale."""
    edited = start("a helper")
    edited.edit()
    assert carrying(client, edited.module, 10) == 21
    found = {node["fname"]: node for node in cache_tree_nodes().values() if node["module"] == edited.name}
    assert sorted(found) == ["f", "g"]
    assert edited.module.g.explain(10).state == "stale"
    assert edited.module.g(10) == 31


def test_another_value_of_a_declared_variable_is_told(client, monkeypatch):
    monkeypatch.setenv("OTHER_CODE_MODE", "here")
    with hearing(client) as said:
        assert client.submit(by_environment, 1, pure=False).result() == [None, 1]
        assert client.submit(by_environment, 2, pure=False).result() == [None, 2]
    (text,) = said
    assert "$OTHER_CODE_MODE" in text
    assert "by_environment" in text


def test_a_module_that_is_uploaded_is_the_new_one(client, start):
    edited = start("a helper")
    assert plain(client, edited.module, 10) == 21
    edited.edit()
    client.upload_file(str(edited.folder / f"{edited.name}.py"))
    with hearing(client) as said:
        assert plain(client, edited.module, 10) == 31
        assert carrying(client, edited.module, 20) == 61
    assert said == []


def test_an_asynchronous_client_is_told(workers, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    async def main():
        async with Client(workers.scheduler_address, asynchronous=True) as client, connect(client):
            return await client.submit(edited.module.g, 20, pure=False)

    with use_session(Session()), Client(workers, set_as_default=False) as client:
        edited = Edited(PROGRAMS["a helper"], tmp_path, client)
        edited.edit()
        with hearing(client) as said:
            assert asyncio.run(main()) == 41
    assert len(names(said, f"{edited.name}:f")) == 1


def test_code_that_came_by_value_and_reaches_an_old_module_is_told(client, start):
    """A lambda is sent as it is; the module that it uses is the workers' own."""
    edited = start("a helper of another module")
    module = edited.module
    mine = module.cached(lambda x, lib=sys.modules[f"{edited.name}_lib"]: lib.helper(x))
    assert client.submit(mine, 10, pure=False).result() == 20
    edited.edit()
    mine = module.cached(lambda x, lib=sys.modules[f"{edited.name}_lib"]: lib.helper(x))
    with hearing(client) as said:
        assert client.submit(mine, 20, pure=False).result() == 40
    assert len(names(said, "<lambda>")) == 1


def run_of(differences, facts, python=MINOR):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(differences.compare(facts, "tcp://there", python))
    return [str(w.message) for w in caught]


def test_another_python_is_told_once_and_its_code_is_not_compared():
    facts = {("code", "cachepy.decorator:wrap", "0", "m:f")}
    with use_session(Session()) as session:
        differences = Differences(session)
        (text,) = run_of(differences, facts, "2.7")
        assert "Python 2.7" in text
        assert run_of(differences, facts, "2.7") == []


def test_whoever_compares_meanwhile_knows_the_worker(monkeypatch):
    """A thread works off what waits while the loop adds to it: it may look right after each step."""
    differences, compared = Differences(Session()), []
    monkeypatch.setattr(differences, "_compare", lambda probe, fact, workers: compared.append(set(workers)))

    class LookedAt(dict):
        def setdefault(self, fact, workers):
            found = super().setdefault(fact, workers)
            differences._work()
            return found

        def __setitem__(self, fact, workers):
            super().__setitem__(fact, workers)
            differences._work()

    differences._waiting = LookedAt()
    asyncio.run(differences.compare([("code", "no_such_module:f", "1", "f")], "tcp://there", MINOR))
    assert compared == [{"tcp://there"}]


def test_code_of_another_client_is_not_ours():
    with use_session(Session()) as session, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Differences(session).arrived(("other", "__main__:load", "0" * 32, True), "tcp://there")
    assert caught == []


def test_what_was_sent_is_remembered_within_bounds():
    sent = Differences(Session())
    for number in range(_MOST_SENT + 5):
        sent.departed(f"m:f{number}", "1")
    assert len(sent._sent) <= _MOST_SENT
    assert sent._is_ours(f"m:f{_MOST_SENT + 4}", "1")
    assert not sent._is_ours("m:other", "1")


def test_a_filter_that_makes_errors_stops_no_messages(capfd):
    facts = {("package", "pytest", "0.1", "m:f")}
    with use_session(Session()) as session, warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(Differences(session).compare(facts, "tcp://there", MINOR))
    assert "pytest 0.1" in capfd.readouterr().err
