"""`with cachepy.using(mode=...)` for a block, and `cache_file(dir, mode=...)` for a function."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cachepy import MissingResultError, Session, UsageValueError, cache_file, use_session, using


@pytest.fixture
def cached(tmp_path):
    with use_session(Session()):
        yield cache_file(tmp_path / "c", warn_cheap=False)


def made(cached, **options):
    """A cached function, and which of its bodies ran."""
    ran: list[int] = []

    @cached(ignore_globals=["ran"], **options)
    def double(x):
        ran.append(x)
        return 2 * x

    return double, ran


def entries(tmp_path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "c").rglob("*.entry"))


@pytest.mark.parametrize("hot", [1, 4])
def test_off_runs_and_stores_nothing_in_its_block(cached, tmp_path, hot):
    double, ran = made(cached)
    for _ in range(hot):
        double(1)
    before = entries(tmp_path)
    with using(mode="off"):
        assert (double(1), double(2)) == (2, 4)
    assert ran == [1, 1, 2]
    assert entries(tmp_path) == before
    assert (double(1), double(2)) == (2, 4)
    assert ran == [1, 1, 2, 2]


def test_readonly_and_required(cached, tmp_path):
    double, ran = made(cached)
    double(1)
    before = entries(tmp_path)
    with using(mode="readonly"):
        assert (double(1), double(2)) == (2, 4)
    assert ran == [1, 2]
    assert entries(tmp_path) == before
    with using(mode="required"):
        assert double(1) == 2
        with pytest.raises(MissingResultError, match="double"):
            double(2)
    assert ran == [1, 2]


def test_refresh_runs_and_stores(cached):
    double, ran = made(cached)
    double(1)
    with using(mode="refresh"):
        double(1)
    double(1)
    assert ran == [1, 1]


def test_blocks_lie_inside_each_other_and_end_with_errors(cached):
    double, ran = made(cached)
    block = using(mode="off")
    with block, block:
        with using(mode="readonly"):
            double(1)
        with pytest.raises(ZeroDivisionError), using(mode="refresh"):
            raise ZeroDivisionError
        double(1)
    double(1), double(1)
    assert ran == [1, 1, 1]


def test_it_holds_in_this_thread_and_in_what_it_awaits(cached):
    double, ran = made(cached)
    double(1)
    with using(mode="off"):
        thread = threading.Thread(target=double, args=(1,))
        thread.start()
        thread.join()
        assert ran == [1]

        async def later():
            await asyncio.sleep(0)
            return double(1)

        asyncio.run(later())
    assert ran == [1, 1]


def test_a_mode_that_does_not_exist_is_told(tmp_path):
    for wrong in ("of", "", None):
        with pytest.raises(UsageValueError, match="readonly"):
            using(mode=wrong)
    with pytest.raises(UsageValueError, match="'refresh'"):
        cache_file(tmp_path, mode="of")
    assert repr(using(mode="off")) == "using(mode='off')"


@pytest.mark.parametrize(("mode", "expected"), [("off", [1, 1, 1, 2]), ("readonly", [2]), ("refresh", [1, 1, 1, 2])])
def test_the_mode_of_a_function(cached, tmp_path, mode, expected):
    double, ran = made(cached)
    double(1)
    before, ran[:] = entries(tmp_path), []
    double = cached(double.__wrapped__, mode=mode, ignore_globals=["ran"])
    assert [double(x) for x in (1, 1, 1, 2)] == [2, 2, 2, 4]
    assert ran == expected
    assert (entries(tmp_path) == before) == (mode != "refresh")


def test_a_function_that_requires_its_results(cached):
    double, ran = made(cached)
    double(1)
    strict = cached(double.__wrapped__, mode="required", ignore_globals=["ran"])
    assert [strict(1) for _ in range(4)] == [2] * 4
    with pytest.raises(MissingResultError):
        strict(2)
    assert ran == [1]


def test_who_runs_the_program_has_the_last_word_but_for_what_may_not_be_written(cached):
    double, ran = made(cached, mode="refresh")
    with using(mode="required"), pytest.raises(MissingResultError):
        double(1)
    quiet, calls = made(cached, mode="readonly")
    with using(mode="refresh"):
        quiet(5)
    quiet(5)
    assert (ran, calls) == ([], [5, 5])
    with using(mode="off"):
        quiet(5)
    assert calls == [5, 5, 5]


def test_it_changes_no_key(cached):
    double, _ = made(cached)
    with_mode = cached(double.__wrapped__, mode="readonly", ignore_globals=["ran"])
    assert double.key(1) == with_mode.key(1)
    double(1)
    assert with_mode.is_cached(1)
