"""What a result depends on and nobody can compare: recorded, said once, or refused."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import tempfile
import time
import uuid
import warnings

import pytest

import cachepy
from cachepy import UnseenInputError, UnseenInputWarning, cache_file, cache_tree_nodes
from cachepy.cli.main import main
from tests.observed import folder  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("folder")
RANDOM, TIME = "random numbers (random.random)", "the clock (time.time)"


def draw(x):
    return x + random.random()


def stamp(x):
    return x, time.time()


def both(x):
    return draw(x), stamp(x)


def plain(x):
    return x + 1


def library(x):
    """Libraries ask for the time and for random names by themselves."""
    logging.getLogger("some").warning("x")
    with tempfile.TemporaryDirectory() as made:
        return x + len(made) * 0


def temporary(x):
    return x, len(uuid.uuid4().hex)


def made(fn, **options):
    return cache_file("cache", warn_cheap=False, **options)(fn)


def said_of(fn, *args, **options):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        cached = made(fn, **options)
        for arg in args or (1, 2):
            cached(arg)
    return [str(each.message) for each in seen if each.category is UnseenInputWarning]


def marks():
    return {node["fname"]: node["unseen"] for node in cache_tree_nodes().values()}


def test_it_is_said_once_for_a_function_with_the_ways_out():
    (text,) = said_of(draw)
    assert text.startswith(f"draw depends on {RANDOM}, whose changes go unseen")
    assert all(way in text for way in ("argument", "seed", "version=", "unseen='ok'"))
    assert marks() == {"draw": [RANDOM]}


@pytest.mark.parametrize(
    ("fn", "recorded"),
    [(stamp, [TIME]), (temporary, ["unique ids (uuid.uuid4)"]), (plain, []), (library, [])],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_what_is_recorded_in_silence(fn, recorded):
    assert said_of(fn) == []
    assert marks() == {fn.__name__: recorded}


def test_the_clock_is_not_in_the_warning_of_what_else_there_is():
    (text,) = said_of(both)
    assert "the clock" not in text
    assert marks() == {"both": [RANDOM, TIME]}


def test_ok_records_without_a_word():
    assert said_of(draw, unseen="ok") == []
    assert marks() == {"draw": [RANDOM]}


def test_no_mark_is_part_of_a_key_or_makes_stale():
    cached, other = made(draw, unseen="ok"), made(draw)
    value = cached(1)
    assert other(1) == cached(1) == value
    assert cached.explain(1).state == "fresh"
    assert cached.explain(1).unseen == (RANDOM,)
    assert str(cached.explain(1)) == f"fresh; depends on {RANDOM}, which cannot be compared"


def test_a_call_below_has_its_own():
    below = made(draw, unseen="ok")

    @cache_file("cache", warn_cheap=False)
    def above(x):
        return below(x)

    above(1)
    assert marks() == {"draw": [RANDOM], "above": []}


def test_a_call_below_without_the_cache_hands_it_on():
    below = made(lambda lock: (lock, random.random())[1])

    @cache_file("cache", warn_cheap=False, unseen="ok")
    def above(x):
        return below(generator for generator in ()) * x

    with pytest.warns(cachepy.UncachedCallWarning):
        above(1)
    assert marks() == {"above": [RANDOM]}


def test_a_function_is_not_blamed_for_the_code_around_it():
    def around():
        start = int(random.random()) + 1

        @cache_file("cache", warn_cheap=False)
        def inner(x):
            return x + start

        return inner

    around()(1)
    assert marks() == {"inner": []}


def test_code_that_comes_as_an_argument():
    @cache_file("cache", warn_cheap=False, unseen="ok")
    def apply(fn):
        return fn(1)

    apply(draw)
    assert marks() == {"apply": [RANDOM]}


def test_error_comes_before_the_body_and_names_all():
    ran = []

    def body(x):
        ran.append(x)
        return both(x)

    with pytest.raises(UnseenInputError, match=r"body depends on random numbers \(random.random\), the clock") as said:
        made(body, unseen="error", ignore_globals=["ran"])(1)
    assert ran == []
    assert isinstance(said.value, cachepy.CachepyError)
    assert made(plain, unseen="error")(1) == 2


def test_error_refuses_what_is_stored():
    made(draw, unseen="ok")(1)
    cached = made(draw, unseen="error")
    for _ in range(3):
        with pytest.raises(UnseenInputError, match="random numbers"):
            cached(1)
    cached.clear()
    assert not cached.is_cached(1)


def test_error_of_a_coroutine():
    @cache_file("cache", unseen="error")
    async def ask(x):
        return x, time.time()

    with pytest.raises(UnseenInputError, match="the clock"):
        asyncio.run(ask(1))


@pytest.mark.parametrize(("value", "error"), [("no", cachepy.UsageValueError), (True, cachepy.UsageError)])
def test_the_option_is_one_of_three_words(value, error):
    with pytest.raises(error, match="unseen must be 'warn' or 'ok' or 'error', not"):
        made(plain, unseen=value)


def test_the_program_lists_them(capsys):
    made(draw, unseen="ok")(1)
    made(plain)(1)
    (call,) = [each for each in cache_tree_nodes() if each.startswith("draw")]
    assert run("status", "--unseen", "--no-code", "--cache-dir", "cache") == 0
    shown = capsys.readouterr().out
    assert RANDOM in shown
    assert "plain" not in shown.partition("fresh")[2]
    run("status", "--no-code", "--cache-dir", "cache", "--json")
    assert json.loads(capsys.readouterr().out)["sources"] == {call: [RANDOM]}
    run("show", "draw", "--cache-dir", "cache")
    assert f"unseen    {RANDOM}" in capsys.readouterr().out


def test_the_program_says_if_there_are_none(capsys):
    made(plain)(1)
    run("status", "--unseen", "--no-code", "--cache-dir", "cache")
    assert "no call depends on what cannot be compared" in capsys.readouterr().out


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main([*words])
    return ended.value.code
