"""Topmost calls that began and did not end, so that a program has to run again: failed, interrupted, killed.

The graph knows only calls that ended.  A call that fails leaves its claim behind under another name; of one whose
process was killed the claim itself is still there.  Nothing is changed by asking.  Imports claims, owner, places,
store.
"""

from __future__ import annotations

import os
import time

from cachepy.disk.claims import UNSURE
from cachepy.disk.owner import Owner, read_claim
from cachepy.disk.places import CLAIM, ENTRY, UNENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachepy.store import Store


def unended(store: Store) -> dict[str, float]:
    """The ids of these calls, with when that was last known, in seconds since the epoch; none that ended since."""
    return dict(sorted(_found(store), key=lambda each: each[1]))


def _found(store: Store) -> Iterator[tuple[str, float]]:
    owner = Owner()
    for path in store.files(UNENDED, CLAIM):
        stem = path.removesuffix(UNENDED).removesuffix(CLAIM)
        try:
            when = os.stat(path).st_mtime
        except OSError:  # given back meanwhile
            continue
        if not os.path.exists(stem + ENTRY) and (path.endswith(UNENDED) or _is_dead(owner, path, when)):
            name, _, key = os.path.basename(stem).rpartition("-")
            yield f"{name}:{key}", when


def _is_dead(owner: Owner, path: str, when: float) -> bool:
    """Whether nobody runs a call any more whose claim is there; of one on another host, by its heartbeat."""
    content = read_claim(path)
    lives = None if content is None else owner.lives(content)
    return lives is False or (lives is None and time.time() - when > UNSURE)
