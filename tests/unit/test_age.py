"""`max_age`: a result that is older is stale, by a clock that a session has."""

from __future__ import annotations

import os
import pickle
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cachepy import cache_file, cache_tree_plan, cache_tree_refresh, cache_tree_stale
from cachepy.calls import ages
from cachepy.core.verify import Verifier
from cachepy.errors import UsageError, UsageValueError
from cachepy.session import Session, use_session

DAY = 86_400.0


class Days:
    """A clock that nearly stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        self.now += 0.001
        return self.now

    def pass_(self, days: float) -> None:
        self.now += days * DAY


@pytest.fixture
def clock(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = Days()
    session = Session()
    session.clock = made
    with use_session(session):
        yield made


@pytest.fixture
def verified(monkeypatch):
    """The traces that took the long way."""
    seen, holds = [], Verifier.holds

    def noted(self, trace):
        seen.append(trace)
        return holds(self, trace)

    monkeypatch.setattr(Verifier, "holds", noted)
    return seen


def new_session(clock):
    session = Session()
    session.clock = clock
    return use_session(session)


# ---------------------------------------------------------------- what can be said


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ("90s", "90 s"), ("15 min", "15 min"), ("12h", "12 h"), ("7d", "7 d"), ("2w", "2 w"), (" 1.5 h ", "1.5 h"),
        (90, "90 s"), (3600.0, "1 h"), (7 * 86_400, "7 d"), (0.5, "0.5 s"), (timedelta(days=7), "7 d"),
        (timedelta(hours=1, minutes=1), "61 min"), ("today", "today"), ("today Europe/Berlin", "today Europe/Berlin"),
        (None, None), ("7 d", "7 d"),
    ],
)  # fmt: skip
def test_ages_as_people_write_them(given, limit):
    assert ages.limit_of("max_age", given) == limit
    assert ages.limit_of("max_age", limit) == limit  # as it travels to a worker


@pytest.mark.parametrize("given", ["", "7", "d", "7 days", "-1d", "0s", "today Mars/Base", "1e3s", "today  ", 0, -5, float("nan"), float("inf"), timedelta(0), 10**12])  # fmt: skip
def test_an_age_that_is_none_is_an_error_that_names_the_option(given):
    if given == "today  ":
        assert ages.limit_of("max_age", given) == "today"
        return
    with pytest.raises(UsageValueError, match="max_age"):
        cache_file("cache", max_age=given)


@pytest.mark.parametrize("given", [True, b"7d", [7], datetime(2026, 1, 1, tzinfo=UTC)])
def test_what_is_no_age_at_all_is_an_error(given):
    with pytest.raises(UsageError, match="max_age"):
        cache_file("cache", max_age=given)


@pytest.mark.parametrize(
    ("zone", "created", "end"),
    [
        ("Europe/Berlin", (2026, 3, 28, 23, 59), (2026, 3, 29, 0, 0)),
        ("Europe/Berlin", (2026, 3, 29, 0, 0), (2026, 3, 30, 0, 0)),  # that day has 23 hours
        ("Asia/Tokyo", (2026, 12, 31, 12, 0), (2027, 1, 1, 0, 0)),
    ],
)
def test_today_ends_at_midnight_of_the_zone(zone, created, end):
    moment = datetime(*created, tzinfo=ZoneInfo(zone)).timestamp()
    assert ages.until(f"today {zone}", moment) == datetime(*end, tzinfo=ZoneInfo(zone)).timestamp()


def test_today_without_a_zone_is_that_of_this_machine():
    now = time.time()
    end = ages.until("today", now)
    assert now < end and time.localtime(end)[3:6] == (0, 0, 0) and time.localtime(end)[:3] != time.localtime(now)[:3]
    assert time.localtime(end - 1)[:3] == time.localtime(now)[:3]


# ---------------------------------------------------------------- calls


def test_an_old_result_is_made_again_and_says_why(clock):
    ran = []

    @cache_file("cache", max_age="7d", ignore_globals=["ran"])
    def load(x):
        ran.append(x)
        return x * 2

    assert load(1) == 2 and load(1) == 2
    clock.pass_(6.99)
    assert load(1) == 2 and load.is_cached(1) and str(load.explain(1)) == "fresh"
    clock.pass_(0.02)
    assert not load.is_cached(1)
    assert str(load.explain(1)) == "stale: older than 7 d"
    assert load(1) == 2 and ran == [1, 1]
    assert load.is_cached(1)
    clock.pass_(7.01)
    assert load(1) == 2 and ran == [1, 1, 1]


def test_a_hot_call_notices_that_time_passes(clock, verified):
    @cache_file("cache", max_age="7d", warn_cheap=False)
    def load(x):
        return [x, os.getpid()]

    for _ in range(4):
        load(1)
    del verified[:]
    load(1)
    assert not verified  # it is hot
    clock.pass_(7.01)
    load(1)
    assert verified
    assert load.is_cached(1)


CALLER = """
from cachepy import cache_file

made = []

@cache_file("cache", max_age="7d", ignore_globals=["made"], warn_cheap=False)
def load(x):
    made.append(x)
    return x

@cache_file("cache", ignore_globals=["made"], warn_cheap=False)
def total():
    return load(1) + load(2)
"""


def test_a_hot_caller_notices_it_too_and_is_hot_again(clock, verified, tmp_path, monkeypatch):
    (tmp_path / "aged_caller.py").write_text(CALLER)
    monkeypatch.syspath_prepend(tmp_path)
    import aged_caller as m  # local functions are never hot below another one

    for _ in range(4):
        assert m.total() == 3
    del verified[:]
    m.total()
    assert not verified
    clock.pass_(8)
    assert str(m.total.explain()).startswith("stale: load(1) below it is stale: older than 7 d")
    assert m.total() == 3
    assert m.made == [1, 2, 1, 2]
    for _ in range(4):
        m.total()
    del verified[:]
    m.total()
    assert not verified


def test_a_child_that_gives_the_same_again_leaves_its_caller_a_hit(clock, tmp_path, monkeypatch):
    (tmp_path / "aged_child.py").write_text(CALLER.replace("def total():", "def total():\n    made.append('total')"))
    monkeypatch.syspath_prepend(tmp_path)
    import aged_child as m

    m.total()
    clock.pass_(8)
    assert m.total() == 3
    assert m.made == ["total", 1, 2, 1, 2]
    assert m.total.is_cached()


def test_clocks_that_jump_and_results_of_the_future(clock):
    @cache_file("cache", max_age="7d")
    def load():
        return 5

    load()
    clock.pass_(-400)
    assert load.is_cached()
    clock.pass_(406)
    assert load.is_cached()
    clock.pass_(2)
    assert not load.is_cached()


def test_another_age_runs_nothing_that_is_young_enough(clock):
    ran = []

    def body(x):
        ran.append(x)
        return x

    def cached(**options):
        return cache_file("cache", ignore_globals=["ran"], **options)(body)

    cached()(1)
    clock.pass_(3)
    for options in ({"max_age": "7d"}, {"max_age": "4d"}, {}, {"max_age": timedelta(days=5)}):
        assert cached(**options)(1) == 1 and ran == [1]
    assert cached().key(1) == cached(max_age="1d").key(1)
    assert str(cached(max_age="2d").explain(1)) == "stale: older than 2 d"  # it had none when it ran
    cached(max_age="2d")(1)
    assert ran == [1, 1]
    clock.pass_(3)
    assert cached()(1) == 1 and ran == [1, 1]  # none now
    assert cached(max_age="4d")(1) == 1 and ran == [1, 1]  # a longer one now
    assert str(cached(max_age="2 d").explain(1)) == "stale: older than 2 d"


def test_a_hot_call_of_a_function_that_had_no_age_when_it_ran(clock, verified):
    def body():
        return 1

    cache_file("cache")(body)()
    load = cache_file("cache", max_age="7d", warn_cheap=False)(body)
    for _ in range(4):
        load()
    del verified[:]
    load()
    assert not verified
    clock.pass_(8)
    assert not load.is_cached()


def test_only_the_newest_of_results_that_grow_old_is_kept(clock):
    @cache_file("cache", max_age="1d", ignore_globals=["clock"])
    def load():
        return [clock.now]

    for _ in range(4):
        load()
        clock.pass_(2)
    files = [path for _, _, names in os.walk("cache/entries") for path in names if "load" in path]
    assert len(files) == 1


def test_status_plan_and_refresh_see_it(clock):
    @cache_file("cache", max_age="7d")
    def load(x):
        return x + 1

    @cache_file("cache")
    def report(y):
        return load(y) * 2

    report(1)
    assert not cache_tree_stale()
    clock.pass_(8)
    reasons = {each["node"]["fname"]: [str(r) for r in each["reasons"]] for each in cache_tree_stale().values()}
    assert reasons["load"] == ["older than 7 d"]
    assert reasons["report"] == ["load(1) below it is stale: older than 7 d"]
    assert {each.fname: each.state for each in cache_tree_plan()} == {"load": "stale", "report": "stale"}
    cache_tree_refresh()
    assert not cache_tree_stale()


def test_status_goes_by_the_age_of_a_function_that_is_here(clock):
    def body(x):
        return x

    cache_file("cache")(body)(1)
    clock.pass_(3)
    aged = cache_file("cache", max_age="2d")(body)
    assert [str(r) for each in cache_tree_stale().values() for r in each["reasons"]] == ["older than 2 d"]
    aged(1)
    assert not cache_tree_stale()


def test_who_takes_over_what_was_not_stored_grows_old_with_it(clock):
    @cache_file("cache", max_age="7d")
    def load():
        return (x for x in [1, 2])  # cannot be pickled

    @cache_file("cache")
    def total():
        return sum(load()) + sum(load())

    with pytest.warns(UserWarning, match="cannot be pickled"):
        assert total() == 6
    assert total.is_cached()
    clock.pass_(8)
    assert not total.is_cached()


def test_a_function_with_an_age_travels(clock):
    @cache_file("cache", max_age=timedelta(days=7))
    def load():
        return 1

    import cloudpickle

    again = pickle.loads(cloudpickle.dumps(load))
    assert again.__cachepy__.options.max_age == "7 d" and again.key() == load.key()


# ---------------------------------------------------------------- programs

HEAD = """
import os
os.environ["CACHEPY_IGNORE_ENV"] += ",DAYS"  # where code is observed, what this clock reads in a body would count
import time
from datetime import timedelta
from cachepy import cache_file
from cachepy.session import current_session

current_session().clock = lambda: time.time() + float(os.environ.get("DAYS", 0)) * 86400
"""
PROGRAM = """
@cache_file("cache", max_age="7d")
def load(x):
    print("load")
    return [x]

@cache_file("cache")
def report(x):
    print("report")
    return sum(load(x)) + 1

if __name__ == "__main__":
    report(1)
"""


def status(project, *options: str) -> tuple[int, str]:
    ran = project.finish(project.start("-m", "cachepy", "status", "--cache-dir", "cache", *options), code=None)
    return ran.returncode, ran.stdout


@pytest.fixture
def old(project):
    """A project whose program ran five days ago."""
    project.head = HEAD
    project.write("main.py", PROGRAM)
    assert project.run("main.py", DAYS="-5").stdout.split() == ["report", "load"]
    return project


def test_programs_and_status_in_processes_of_their_own(old):
    assert status(old)[0] == 0
    assert old.run("main.py").stdout == ""
    code, out = status(old)
    assert code == 0, out
    assert old.run("main.py", DAYS="3").stdout.split() == ["load"]  # it gives what it gave
    assert old.run("main.py", DAYS="9").stdout == ""
    assert old.run("main.py", DAYS="11").stdout.split() == ["load"]


@pytest.mark.parametrize("now", ['"4d"', "timedelta(days=4)", "4 * 86400", "LIMIT"])
@pytest.mark.parametrize("before", [', max_age="7d"', ""])
@pytest.mark.parametrize("is_run_between", [False, True])
def test_status_reads_todays_age_from_the_source(project, before, now, is_run_between):
    project.head = HEAD
    project.write("main.py", 'LIMIT = "4d"\n' + PROGRAM.replace(', max_age="7d"', before))
    project.run("main.py", DAYS="-5")
    old_text = f'"cache"{before})\ndef load'
    project.edit("main.py", old_text, f'"cache", max_age={now})\ndef load')
    if is_run_between:  # the record of its code knows the new text then, and nothing ran
        assert project.run("main.py", DAYS="-4").stdout == ""
    code, out = status(project)
    assert code == 1 and "older than 4 d" in out
    assert project.run("main.py").stdout.split() == ["load"]
    assert status(project)[0] == 0


def test_status_sees_that_an_age_was_taken_away_or_made_longer(old):
    old.edit("main.py", '"7d"', '"1d"')
    assert status(old)[0] == 1
    old.edit("main.py", '"1d"', '"30d"')
    assert status(old)[0] == 0
    old.edit("main.py", ', max_age="30d"', "")
    assert status(old)[0] == 0
    assert old.run("main.py", DAYS="20").stdout == ""


def test_status_does_not_guess_what_a_program_computes(old):
    old.edit("main.py", 'max_age="7d"', "max_age=max(3, int(time.time() // 1e12)) * 86400")
    code, out = status(old)
    assert code == 3 and "max_age of main:load could not be checked" in out


def test_a_caller_whose_child_is_in_a_module_that_is_not_loaded(project):
    project.head = HEAD
    project.write("child.py", PROGRAM.partition("@cache_file(\"cache\")\n")[0].replace(', max_age="7d"', ""))
    project.write("main.py", """
        @cache_file("cache")
        def report(x):
            from child import load
            return sum(load(x)) + 1

        report(1)
        """)
    project.run("main.py", DAYS="-5")
    project.edit("child.py", '"cache")', '"cache", max_age="4d")')
    assert project.run("main.py").stdout.split() == ["load"]


def test_hits_of_functions_without_an_age_load_nothing_for_it(project):
    project.write("main.py", """
        import sys
        from cachepy import cache_file

        @cache_file("cache")
        def load(x):
            return x

        load(1), load(1), load(1)
        print([name for name in sys.modules if "ages" in name or "zoneinfo" in name or "max_age" in name])
        """)
    for _ in range(2):
        assert project.run("main.py").stdout.strip() == "[]"


def test_an_old_result_that_was_accepted_counts_from_then_on(clock):
    cached = cache_file("cache", max_age="7d", warn_cheap=False)

    @cached
    def rate(day):
        return day

    assert rate("monday") == "monday"
    clock.pass_(8)
    assert rate.explain("monday").state == "stale"
    assert len(rate.accept("monday").accepted) == 1
    clock.pass_(6)
    assert rate.explain("monday").state == "fresh"
    clock.pass_(2)
    assert rate.explain("monday").state == "stale"
