"""`valid=`: a test of the user's is asked before a stored result is used, wherever it would be."""

from __future__ import annotations

import pytest

from cachepy import Session, StoredResult, cache_file, cache_list, cache_tree_stale, use_session
from cachepy.calls.glance import glance
from cachepy.errors import UsageError
from tests.programs import Project

RAN, ASKED = [], []
GOOD = {"answer": True}


class Days:
    """A clock that nearly stands still until somebody moves it."""

    def __init__(self):
        self.now = 1e9

    def __call__(self):
        self.now += 0.001
        return self.now


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    RAN.clear()
    ASKED.clear()
    GOOD["answer"] = True
    with use_session(Session()):
        yield tmp_path


def asked(result, info):
    ASKED.append((result, info))
    return GOOD["answer"]


def made(test=asked, **options):
    @cache_file("cache", warn_cheap=False, ignore_globals=["RAN"], valid=test, **options)
    def load(x):
        RAN.append(x)
        return [x]

    return load


def above(load):
    @cache_file("cache", warn_cheap=False, ignore_globals=["RAN"])
    def top(x):
        RAN.append("top")
        return load(x)[0]

    return top


def test_it_is_asked_at_each_hit_and_not_at_a_run():
    load = made()
    assert load(3) == [3]
    assert ASKED == []
    for _ in range(4):
        assert load(3) == [3]
    assert RAN == [3]
    assert len(ASKED) == 4
    result, info = ASKED[0]
    assert result == [3]
    assert type(info) is StoredResult
    assert (info.id, info.fname, info.key) == (f"load:{load.key(3)}", "load", load.key(3))
    assert info.label == {"x": "3"}
    assert 0 <= info.age < 60
    assert info.elapsed >= 0
    with pytest.raises(AttributeError):
        info.age = 1


def test_the_age_is_that_of_the_result():
    session, clock = Session(), Days()
    session.clock = clock
    with use_session(session):
        load = made(lambda result, info: info.age < 100)
        load(1), load(1)
        assert RAN == [1]
        clock.now += 101
        assert load.explain(1).state == "stale"
        load(1), load(1)
        assert RAN == [1, 1]


def test_a_refused_result_is_made_again():
    load = made()
    load(3)
    GOOD["answer"] = False
    assert not load.is_cached(3)
    verdict = load.explain(3)
    assert str(verdict) == "stale: valid() refused the stored result"
    assert verdict.reasons[0].cue == "valid"
    load(3)
    assert RAN == [3, 3]
    assert "valid() refused the stored result" in str(load.last)
    GOOD["answer"] = True
    load(3)
    assert RAN == [3, 3]
    with use_session(Session()):
        load(3)
    assert RAN == [3, 3]


def test_a_run_takes_the_place_of_the_one_that_was_refused():
    load = cache_file("cache", warn_cheap=False, valid=lambda result, info: False)(lambda x: [x])
    load(3), load(3)
    assert [row["traces"] for row in cache_list("cache")] == [1]


def test_callers_ask_too():
    load = made()
    top = above(load)
    top(3)
    for _ in range(4):
        top(3)
    assert RAN == ["top", 3]
    assert len(ASKED) >= 4
    GOOD["answer"] = False
    assert top.explain(3).state == "stale"
    assert "valid() refused the stored result" in str(top.explain(3))
    top(3)
    assert 3 in RAN[2:]


def test_a_caller_does_not_run_if_the_result_is_what_it_was():
    load = made(lambda result, info: ASKED.append(1) or len(RAN) != 2)
    top = above(load)
    top(3)
    assert RAN == ["top", 3]
    top(3)
    assert RAN == ["top", 3, 3]


def test_what_the_test_does_to_the_result_stays_in_the_test():
    load = made(lambda result, info: result.append(9) or True)
    load(3)
    for _ in range(3):
        assert load(3) == [3]
    assert RAN == [3]


def test_its_code_does_not_count_and_it_may_come_and_go():
    plain = made(None)
    plain(3)
    key = plain.key(3)
    with use_session(Session()):
        load = made()
        assert load.key(3) == key
        load(3)
        assert RAN == [3]
        assert len(ASKED) == 1
        GOOD["answer"] = False
        assert load.explain(3).state == "stale"
    with use_session(Session()):
        load = made(lambda result, info: result == [3] and bool(info))
        load(3)
        made(None)(3)
    assert RAN == [3]


def test_functions_without_a_test_know_nothing_of_it():
    load = made(None)
    for _ in range(4):
        load(3)
    (node,) = _events()
    assert all(dep.kind != "valid" for dep in node.trace.deps)


def _events():
    from cachepy import current_session

    return current_session().graph.events()


def test_its_error_is_the_users():
    def broken(result, info):
        raise KeyError("rows")

    load = made(broken)
    load(3)
    for ask in (load, load.explain, load.is_cached, above(load)):
        if ask is not load and ask.__name__ == "top":
            continue
        with pytest.raises(KeyError, match="rows") as caught:
            ask(3)
        assert any("valid=" in note and "load(3)" in note for note in caught.value.__notes__)
    assert RAN == [3]


def test_an_error_below_is_the_users_too():
    load = made()
    top = above(load)
    top(3)
    GOOD.clear()
    with pytest.raises(KeyError, match="answer"):
        top(3)
    assert RAN == ["top", 3]


def test_an_error_when_it_is_asked_again_under_the_claim_is_the_users():
    answers = iter([True, False])

    def flapping(result, info):
        for answer in answers:
            return answer
        raise KeyError("rows")

    load = made(flapping)
    load(3)
    assert load(3) == [3]
    with pytest.raises(KeyError, match="rows"):
        load(3)
    assert RAN == [3]
    with pytest.raises(KeyError, match="rows"):  # no claim was left behind
        load(3)


async def _both(load):
    return [await load(3), await load(3)]


def test_async_functions_are_tested_too():
    import asyncio

    @cache_file("cache", warn_cheap=False, ignore_globals=["RAN"], valid=asked)
    async def load(x):
        RAN.append(x)
        return [x]

    assert asyncio.run(_both(load)) == [[3], [3]]
    assert len(ASKED) == 1
    GOOD["answer"] = False
    asyncio.run(_both(load))
    assert RAN == [3, 3, 3]


def test_what_it_reads_and_calls_is_no_matter_of_the_caller(place):
    (place / "limit.txt").write_text("1")
    limit = cache_file("cache", warn_cheap=False)(lambda: 1)
    load = made(lambda result, info: (place / "limit.txt").read_text() == "1" and limit() == 1)
    load(3)
    top = above(load)
    top(3)
    event = next(event for event in _events() if event.fname == "top")
    assert [call.name for call in event.trace.calls] == [f"load:{load.key(3)}"]
    assert not any("limit.txt" in dep.name for dep in event.trace.deps)
    assert not any(dep.kind == "file" for dep in event.trace.deps)


def test_stored_errors_and_collected_items():
    @cache_file("cache", warn_cheap=False, cache_errors=(ValueError,), valid=asked, ignore_globals=["RAN"])
    def fail(x):
        RAN.append(x)
        raise ValueError(x)

    for _ in range(2):
        with pytest.raises(ValueError, match="3"):
            fail(3)
    assert RAN == [3]
    assert ASKED == []

    @cache_file("cache", warn_cheap=False, collect=True, valid=asked)
    def items(x):
        yield from range(x)

    assert list(items(3)) == list(items(3)) == [0, 1, 2]
    assert ASKED[0][0] == [0, 1, 2]


def test_in_the_program_the_graph_asks():
    load = made()
    top = above(load)
    top(3)
    assert cache_tree_stale() == {}
    GOOD["answer"] = False
    found = cache_tree_stale()
    assert {key.partition(":")[0]: each["state"] for key, each in found.items()} == {"load": "stale", "top": "stale"}
    GOOD.clear()
    assert {each["state"] for each in cache_tree_stale().values()} == {"unknown"}


def test_a_look_before_tasks_are_sent_asks():
    load = made()
    load(3)
    assert glance(load.__cachepy__, (3,), {}).value == [3]
    GOOD["answer"] = False
    assert glance(load.__cachepy__, (3,), {}) is None


def test_what_is_no_function_is_refused():
    with pytest.raises(UsageError, match="valid must be a function"):
        cache_file("cache", valid=3)


PROGRAM = """
from cachepy import cache_file

@cache_file(".cache", warn_cheap=False{option})
def load(x):
    return x

@cache_file(".cache", warn_cheap=False)
def top(x):
    return load(x)

if __name__ == "__main__":
    top(1)
"""


@pytest.mark.parametrize("word", ["valid = 1", "print({'valid': 1})", "from_ = 'invalid'"])
def test_the_word_alone_makes_nothing_unknown(tmp_path, word):
    with Project(tmp_path) as project:
        options = "OPTIONS = dict(warn_cheap=False)"
        project.write("other.py", word)
        project.write("prog.py", f"from cachepy import cache_file\n{options}\n" + """
@cache_file(".cache", **OPTIONS)
def load(x):
    return x

if __name__ == "__main__":
    load(1)
""")
        project.run("prog.py")
        project.cachepy("status", "--cache-dir", ".cache", code=0)
        project.write("other.py", "f(valid=1)")
        project.cachepy("status", "--cache-dir", ".cache", code=3)


@pytest.mark.parametrize("before", ["", ", valid=lambda result, info: True"])
def test_from_outside_it_is_unknown(tmp_path, before):
    with Project(tmp_path) as project:
        project.write("prog.py", PROGRAM.format(option=before))
        project.run("prog.py")
        if not before:
            project.cachepy("status", "--cache-dir", ".cache", code=0)
            project.write("prog.py", PROGRAM.format(option=", valid=lambda result, info: True"))
        done = project.cachepy("status", "--cache-dir", ".cache", code=3)
        assert "valid of prog:load could not be checked: only its program can ask it" in done.stdout + done.stderr
        assert project.cachepy("status", "--cache-dir", ".cache", "--import").returncode == 3
