"""Random modules and edits: with `observe_code="exact"` every value is right, and no more runs than without."""

import importlib
import os
import sys
import time
from random import Random

import pytest
from budgets import STRESS
from exact_program import Drawn

from cachepy import Session, cache_file, use_session

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="the interpreter tells which code runs from 3.12 on")
STEPS = 5
SEEDS = range(300) if STRESS else range(6)


class Runs:
    """Modules of one name, loaded again and again from a folder, as new programs would."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.patch = monkeypatch
        self.when = time.time() - 100_000
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(self, drawn, cached):
        given = type(sys)("cached_of_drawn")
        given.cached = cached
        self.patch.setitem(sys.modules, "cached_of_drawn", given)
        path = self.folder / "drawn_module.py"
        path.write_text(drawn.text("cached_of_drawn"))
        self.when += 10
        os.utime(path, (self.when, self.when))
        sys.modules.pop("drawn_module", None)
        importlib.invalidate_caches()
        return importlib.import_module("drawn_module")

    def right(self, drawn, calls):
        module = self.load(drawn, lambda fn: fn)
        return [vars(module)[name](*args) for name, *args in calls]

    def cached(self, drawn, calls, how):
        """The values, and which of the calls ran."""
        with use_session(Session()):
            module = self.load(drawn, cache_file(self.folder / f"cache_{how}", warn_cheap=False, observe_code=how))
            values, ran = [], set()
            for name, *args in calls:
                fn = vars(module)[name]
                values.append(fn(*args))
                ran |= {(name, *args)} if fn.last.outcome == "run" else set()
            return values, ran


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", SEEDS)
def test_what_did_not_run_does_not_count_and_all_else_does(tmp_path, monkeypatch, seed):
    random = Random(seed)
    drawn, runs = Drawn(random), Runs(tmp_path, monkeypatch)
    for step in range(STEPS):
        what = drawn.edit(random) if step else "as it was drawn"
        calls = drawn.calls()
        random.shuffle(calls)
        right = runs.right(drawn, calls)
        exact, ran = runs.cached(drawn, calls, "exact")
        plain, more = runs.cached(drawn, calls, True)
        assert exact == right, what
        assert plain == right, what
        assert ran <= more, what
    sys.modules.pop("drawn_module", None)
