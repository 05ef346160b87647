"""A cached function that workers import."""

from __future__ import annotations

import os

from cachepy import cache_file


@cache_file(os.environ.get("PIPE_CACHE", "cache"), warn_cheap=False)
def frames(series):
    return len(series)


@cache_file(os.environ.get("PIPE_CACHE", "cache"), warn_cheap=False, env_vars=["OTHER_CODE_MODE"])
def by_environment(x):
    return [os.environ.get("OTHER_CODE_MODE"), x]
