"""Questions about very many entries: memory grows by little for each, and a bar is shown where it takes long.

No times: what a command takes for 20,000 entries over what it takes for 4,000.
"""

from __future__ import annotations

import json
import sys

import pytest

import cachepy
from tests import big_cache

FEW, MANY = 4_000, 20_000
MOST = {  # bytes of memory for each entry more; an entry as objects takes 3,500
    "ls": 1_500, "ls --json": 1_500, "stats": 200, "status": 1_800, "status --import": 1_800,
    "prune --dry-run": 1_500, "prune --dry-run --older-than 0": 1_800, "verify": 1_700, "repair --dry-run": 2_500,
    "graph --format mermaid --root": 1_800,
}  # fmt: skip


@pytest.fixture(scope="module")
def caches(tmp_path_factory):
    return [big_cache.make(tmp_path_factory.mktemp("big") / str(number), number) for number in (FEW, MANY)]


def peak(cache, command):
    """The most memory that a command had, in bytes, and what it said."""
    call = [next(cache.glob("entries/00/merge-*")).stem.replace("-", ":")] if command.endswith("--root") else []
    args = [sys.executable, "-m", "cachepy", *command.split(), *call, "--cache-dir", str(cache)]
    _, most, out, code = big_cache.used_by(args, cache.parent)
    return most, out, code


@pytest.mark.parametrize("command", MOST)
def test_memory_grows_by_little_for_each_entry(caches, command):
    (few, _, code), (many, out, _) = (peak(cache, command) for cache in caches)
    assert code == 0
    assert (many - few) / (MANY - FEW) < MOST[command]
    if command == "ls --json":
        assert len(json.loads(out)["entries"]) == MANY
    if command == "ls":
        assert out.count("\n") == MANY
    if command.startswith("status"):
        assert out == f"all {MANY:,} calls are fresh\n"


def test_the_entries_are_real(caches):
    """They are read, verified and served as those of calls that were made."""
    checked = cachepy.cache_verify(caches[0])
    assert (checked.entries, checked.is_good, checked.unrecorded, checked.missing) == (FEW, True, (), ())
