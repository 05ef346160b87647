"""Random projects, random edits between their runs, and what `cachepy` says of them before each run.

Whenever the next run computes anything, `status` had not said 0; whenever it said stale of a call, that call ran, or did
not have to, or is made no more; `plan` names what then runs; every picture shows the same; asking runs and changes
nothing; after a run all is fresh.  ``asking_draw.py`` draws more of them by hand.

CACHEPY_STRESS=1 runs many more examples, newly drawn each time.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

sys.path.insert(0, str(Path(__file__).parent))

from asking_plans import plans
from asking_story import Servers, Story
from budgets import STRESS, budget


@pytest.fixture(scope="module")
def asking() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.close()
    print("\nexit codes of status:", dict(servers.asked.most_common()))


@pytest.mark.timeout(3600 if STRESS else 900)  # making a failing example small takes up to five minutes
@given(plans())
@budget(8, 1000)
def test_status_knows_what_runs(asking: Servers, plan: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        Story(plan, Path(place), asking).run()


@pytest.mark.stress
@given(plans())
@budget(25, 110, long=True)
def test_status_knows_what_runs_for_long(asking: Servers, plan: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as place:
        Story(plan, Path(place), asking).run()
