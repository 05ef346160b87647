"""A function that runs faster than its result is found again says so, once."""

from __future__ import annotations

import time
import warnings

import pytest

from cachepy import CheapCallWarning, Session, cache_file, use_session
from cachepy.calls.slow import Slow


@pytest.fixture
def cheap(monkeypatch, tmp_path):
    """Makes a cached function whose hits cost as many seconds as one says, whatever the clock does."""
    cost = {"s": 1.0}
    monkeypatch.setattr(Slow, "cost_of", staticmethod(lambda *_: cost["s"]))

    def make(body=lambda x: x, **options):
        def f(x):
            return body(x)

        return cache_file(tmp_path / "cache", ignore_globals=["body"], **options)(f), cost

    with use_session(Session()):
        yield make


def heard(f, *arguments):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for each in arguments:
            f(each)
    return [w for w in caught if w.category is CheapCallWarning]


def test_it_says_what_both_cost_and_what_to_do(cheap):
    f, _ = cheap()
    (warning,) = heard(f, *[1] * 5)
    text = str(warning.message)
    assert text.startswith("f takes ") and "and finding its result in the cache 1000000.0 µs" in text
    assert "warn_cheap=False" in text and "Cache the function that calls it" in text
    assert warning.filename == __file__


def test_once_for_a_function(cheap):
    f, _ = cheap()
    assert len(heard(f, *[1] * 4, *[2] * 4)) == 1


def test_not_before_the_second_hit(cheap):
    f, _ = cheap()
    assert not heard(f, 1, 1)


def test_quiet_if_asked(cheap):
    f, _ = cheap(warn_cheap=False)
    assert not heard(f, *[1] * 5)


def test_a_function_that_is_worth_it(cheap):
    f, cost = cheap()
    cost["s"] = 0.0
    assert not heard(f, *[1] * 5)


def test_slow_functions_are_not_measured(cheap):
    f, _ = cheap(lambda _: time.sleep(0.001))
    assert not heard(f, *[1] * 5)


def test_the_real_cost_is_that_of_a_hit(tmp_path):
    """Without a fake clock: some microseconds, and far less than a second."""
    with use_session(Session()):

        @cache_file(tmp_path / "cache", warn_cheap=False)
        def g(x):
            return x

        g(1)
        request = g.__cachepy__.request((1,), {})
        assert 1e-7 < Slow.cost_of(request, request.look(), 0) < 1
