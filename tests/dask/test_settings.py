"""Settings in Dask's configuration: defaults, names in the environment, and what is no setting."""

from __future__ import annotations

import os
import subprocess
import sys

import dask
import pytest

from cachepy import UsageValueError
from dask_plugin.scheduler import Ledger
from dask_plugin.settings import most_events, prunes


def test_defaults():
    assert dask.config.get("cachepy") == {"prune": False, "ledger": 300_000, "events": False}
    assert (prunes(), most_events(), Ledger().most, Ledger(7).most) == (False, 300_000, 300_000, 7)


def test_the_environment():
    code = "from dask_plugin.settings import most_events, prunes; print(prunes(), most_events())"
    env = {**os.environ, "DASK_CACHEPY__PRUNE": "true", "DASK_CACHEPY__LEDGER": "12"}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert found.stdout == "True 12\n"


@pytest.mark.parametrize("value", [0, -1, "many", 2.5, None, True])
def test_what_is_no_number_of_calls(value):
    with dask.config.set({"cachepy.ledger": value}), pytest.raises(UsageValueError, match=r"cachepy\.ledger in Dask's"):
        most_events()
