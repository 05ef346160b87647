"""A result that comes back as another value than it was stored: the run that stores it goes on with what will be read."""

from __future__ import annotations

import warnings

import pytest

from cachepy import AlteredResultWarning, CacheWriteWarning, Session, cache_file, use_session

HEAD = """
from cachepy import cache_file
cached = cache_file("cache", warn_cheap=False)

class Restored:
    def __init__(self, value): self.value = value
    def __setstate__(self, state): self.__dict__.update(state, restored=True)

class Chain(list):
    def __reduce__(self): return Chain, (list(self)[:2],)

"""

PROGRAMS = {
    "an object": ("Restored(2.5)", "hasattr(value, 'restored')"),
    "one in a list": ("[1, Restored(2.5)]", "hasattr(value[1], 'restored')"),
    "a subclass of list": ("Chain([1, 2, 3])", "len(value)"),
    "one deep inside": ("{'a': {'b': (Restored(3.5),)}}", "hasattr(value['a']['b'][0], 'restored')"),
}


@pytest.mark.parametrize(("made", "read"), PROGRAMS.values(), ids=PROGRAMS)
def test_the_second_program_runs_nothing(project, made, read):
    project.write("program.py", f"""{HEAD}
@cached
def make(n):
    print("make")
    return {made}

@cached
def pass_on(value):
    print("pass")
    return {read}, value

@cached
def use(both):
    print("use")
    return both[0]

print(use(pass_on(make(1))))
""")
    first = project.run("program.py").stdout.split()
    assert first[:3] == ["make", "pass", "use"]
    for _ in range(2):
        assert project.run("program.py").stdout.split() == first[3:], "the same value, and nothing ran"


class Lossy:
    def __init__(self, kept, lost):
        self.kept, self.lost = kept, lost

    def __reduce__(self):
        return Lossy, (self.kept, None)


class Unreadable:
    def __init__(self, at):
        self.at = at

    def __getstate__(self):
        return {"at": self.at}

    def __setstate__(self, state):
        raise TypeError("no way back")


@pytest.fixture
def cached(tmp_path):
    with use_session(Session()), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield cache_file(tmp_path, warn_cheap=False)


def test_what_pickle_is_known_to_leave_out_is_said_and_stays_in_the_first_run(cached):
    @cached
    def make(n):
        return Lossy(n, "much")

    with pytest.warns(AlteredResultWarning, match="the attribute lost of Lossy"):
        assert make(1).lost == "much"


def test_what_cannot_be_read_back_is_not_stored(cached):
    ran = []

    @cached(ignore_globals=["ran"])
    def make(n):
        ran.append(n)
        return Unreadable(n)

    with pytest.warns(CacheWriteWarning, match=r"make cannot be read back \(TypeError: no way back\), so it was not stored"):
        assert make(1).at == 1
    assert not make.is_cached(1)
    assert make(1).at == 1
    assert ran == [1, 1]


def test_what_comes_back_as_it_was_is_the_object_that_was_made(cached):
    kept = {"a": [1, 2, {3, 4}]}

    @cached(ignore_globals=["kept"])
    def make(n):
        return kept

    assert make(1) is kept


def test_a_type_that_came_back_as_it_was_is_read_back_only_where_that_is_cheap(cached, monkeypatch):
    from cachepy.calls import run

    read = []
    monkeypatch.setattr(run, "load_value", lambda *parts: read.append(1) or load(*parts))
    from cachepy.store.entryfile import load_value as load

    @cached
    def make(n):
        return Plain(n)

    make(1)
    monkeypatch.setattr(run, "_SMALL", -1.0)
    monkeypatch.setattr(run, "_SHARE", 0.0)
    make(2)
    assert len(read) == 1


class Plain:
    def __init__(self, n):
        self.n = n

    def __setstate__(self, state):
        self.__dict__.update(state)
