"""What code names that no digest can tell: a table of constructs, each with what it comes to."""

from __future__ import annotations

import datetime as dt
import getpass
import os
import random
import secrets
import sys
import time
import uuid
from datetime import datetime as moment
from random import choice as pick
from time import time as now

import numpy as np
import pandas as pd
import pytest
from numpy.random import default_rng, rand

from cachepy.code.unseen_names import sources_in, uses_of
from cachepy.values.modules import Origins

TEXT = "time.time"
CLOCK, CHANCE, IDS, USERS = "the clock", "random numbers", "unique ids", "user input"


def imports_inside():
    import time as t
    from datetime import date

    import numpy.random as drawn

    return date.today(), t.time(), drawn.rand()  # noqa: NPY002 - it is the one that is meant


def imports_what_is_not_loaded():
    import tensorflow.random as drawn  # type: ignore[import-not-found]
    from tensorflow import random as same  # type: ignore[import-not-found]

    return drawn.uniform(), same.normal()


def writes_a_function_inside():
    import random as chance

    def inner():
        return [chance.gauss(0, 1) for _ in range(3)]

    return inner


def seeds_in_another_order(n):
    drawn = np.random.normal(size=n)  # noqa: NPY002 - it is the one that is meant
    np.random.seed(n + 1)  # noqa: NPY002 - it is the one that is meant
    return drawn


COUNTED = {
    "time": (lambda: time.time(), CLOCK, "time.time"),
    "time under another name": (lambda: now(), CLOCK, "time.time"),
    "time_ns handed on": (lambda: list(map(time.time_ns, ())), CLOCK, "time.time_ns"),
    "localtime of now": (lambda: time.localtime(), CLOCK, "time.localtime"),
    "localtime of None": (lambda: time.localtime(None), CLOCK, "time.localtime"),
    "strftime of now": (lambda: time.strftime("%Y"), CLOCK, "time.strftime"),
    "datetime.now": (lambda: dt.datetime.now(tz=None), CLOCK, "datetime.datetime.now"),
    "now of a class": (lambda: moment.now().isoformat(), CLOCK, "datetime.datetime.now"),
    "today": (lambda: dt.date.today(), CLOCK, "datetime.date.today"),
    "Timestamp.now": (lambda: pd.Timestamp.now(), CLOCK, "pandas.Timestamp.now"),
    "Timestamp of a text": (lambda: pd.Timestamp("now"), CLOCK, "pandas.Timestamp"),
    "datetime64": (lambda: np.datetime64("now"), CLOCK, "numpy.datetime64"),
    "random": (lambda: random.random(), CHANCE, "random.random"),
    "choice under another name": (lambda: pick([1]), CHANCE, "random.choice"),
    "Random": (lambda: random.Random().random(), CHANCE, "random.Random"),
    "SystemRandom": (lambda: random.SystemRandom(), CHANCE, "random.SystemRandom"),
    "a seed of nothing": (lambda: (random.seed(), random.random()), CHANCE, "random.random"),
    "another's seed": (lambda: (random.seed(1), np.random.normal()), CHANCE, "numpy.random.normal"),  # noqa: NPY002 - it is the one that is meant
    "a legacy function": (lambda: np.random.randint(3), CHANCE, "numpy.random.randint"),  # noqa: NPY002 - it is the one that is meant
    "one under its name": (lambda: rand(3), CHANCE, "numpy.random.rand"),  # noqa: NPY002 - likewise
    "default_rng": (lambda: np.random.default_rng().normal(), CHANCE, "numpy.random.default_rng"),
    "default_rng of None": (lambda: default_rng(seed=None), CHANCE, "numpy.random.default_rng"),
    "RandomState": (lambda: np.random.RandomState(), CHANCE, "numpy.random.RandomState"),
    "urandom": (lambda: os.urandom(3), CHANCE, "os.urandom"),
    "secrets": (lambda: secrets.token_hex(), CHANCE, "secrets.token_hex"),
    "uuid4": (lambda: uuid.uuid4(), IDS, "uuid.uuid4"),
    "input": (lambda: input("name: "), USERS, "input"),
    "stdin": (lambda: sys.stdin.read(), USERS, "sys.stdin"),
    "getpass": (lambda: getpass.getpass(), USERS, "getpass.getpass"),
    "a function inside": (writes_a_function_inside, CHANCE, "random.gauss"),
    "a closure": (writes_a_function_inside(), CHANCE, "random.gauss"),
}
NOT_COUNTED = {
    "measuring": lambda: (time.perf_counter(), time.monotonic(), time.process_time(), time.sleep(0)),
    "a moment that is given": lambda x: (time.localtime(x), time.strftime("%Y", x), dt.datetime.fromtimestamp(x)),
    "a date that is given": lambda: (pd.Timestamp("2001-01-01"), np.datetime64("2001"), dt.datetime(2001, 1, 1)),
    "a generator with a seed": lambda n: (np.random.default_rng(n), random.Random(3), np.random.RandomState(seed=n)),
    "a seed": lambda n: (random.seed(n), random.random()),
    "a seed of numpy": seeds_in_another_order,
    "a generator that is given": lambda rng: (rng.random(), rng.choice([1]), rng.shuffle([])),
    "a text": lambda: TEXT,
    "names of others": lambda table: (table.input, table.sample(), table.now, table.time.time()),
    "whether somebody is there": lambda: sys.stdin.isatty(),
    "a parameter": lambda input: input(3),  # noqa: A006 - that is the point
}


def found(*functions):
    return sources_in(uses_of(functions, Origins()))


@pytest.mark.parametrize("case", COUNTED)
def test_what_counts(case):
    fn, source, name = COUNTED[case]
    assert found(fn) == [f"{source} ({name})"]


@pytest.mark.parametrize("case", NOT_COUNTED)
def test_what_does_not(case):
    assert found(NOT_COUNTED[case]) == []


def test_imports_in_a_body():
    chance, clock = found(imports_inside)
    assert chance == "random numbers (numpy.random.rand)"
    assert clock == "the clock (datetime.date.today, time.time)"
    assert found(imports_what_is_not_loaded) == ["random numbers (tensorflow.random.normal, tensorflow.random.uniform)"]


def test_names_that_do_not_count():
    fn = COUNTED["random"][0]
    assert uses_of([fn], Origins(), frozenset({"random"})) == frozenset()


def test_a_seed_in_other_code_that_is_reached():
    def seeds(n):
        np.random.seed(n)  # noqa: NPY002 - it is the one that is meant

    assert found(COUNTED["a legacy function"][0], seeds) == []
    assert found(COUNTED["random"][0], seeds) == ["random numbers (random.random)"]


def test_what_the_user_put_in_the_place_of_the_clock(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0)
    assert found(COUNTED["time"][0]) == []
