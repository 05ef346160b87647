"""The settings under ``cachepy`` in Dask's configuration; their defaults are in ``cachepy.yaml`` beside this."""

from __future__ import annotations

from pathlib import Path

import yaml
from dask import config

from cachepy.errors import UsageValueError

config.update_defaults(yaml.safe_load(Path(__file__).with_name("cachepy.yaml").read_text(encoding="utf-8")))


def prunes() -> bool:
    """Whether verified hits are taken out before tasks are submitted, where nobody says otherwise."""
    return bool(config.get("cachepy.prune"))


def tells_events() -> bool:
    """Whether events are logged for users also while nobody subscribes to them."""
    return bool(config.get("cachepy.events"))


def most_events() -> int:
    """How many events a ledger keeps."""
    value = config.get("cachepy.ledger")
    if type(value) is not int or value < 1:
        raise UsageValueError(f"cachepy.ledger in Dask's configuration is {value!r}; it takes a number of calls")
    return value
