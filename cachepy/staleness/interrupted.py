"""Topmost calls that began and did not end, so that a program has to run again: failed, interrupted, killed.

The graph knows only calls that ended.  A call that fails leaves its claim behind under another name; of one whose
process was killed the claim itself is still there.  Nothing is changed by asking.
"""

from __future__ import annotations

import os
import time

from cachepy.store.claims import UNSURE
from cachepy.store.layout import CLAIM, ENTRY, UNENDED, call_named
from cachepy.store.owner import Owner, read_claim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


def unended(root: str, listing: Collection[str]) -> dict[str, float]:
    """The ids of these calls, with when that was last known, in seconds since the epoch; none that ended since.

    listing: the files of a cache directory's entries, as `Places.listing` gives them.
    """
    return dict(sorted(_found(root, listing), key=lambda each: each[1]))


def _found(root: str, listing: Collection[str]) -> Iterator[tuple[str, float]]:
    owner = Owner()
    for name in sorted(name for name in listing if name.endswith((UNENDED, CLAIM))):
        stem, path = name.removesuffix(UNENDED).removesuffix(CLAIM), os.path.join(root, name)
        try:
            when = os.stat(path).st_mtime
        except OSError:  # given back meanwhile
            continue
        if stem + ENTRY not in listing and (name.endswith(UNENDED) or _is_dead(owner, path, when)):
            yield call_named(stem), when


def _is_dead(owner: Owner, path: str, when: float) -> bool:
    """Whether nobody runs a call any more whose claim is there; of one on another host, by its heartbeat."""
    content = read_claim(path)
    lives = None if content is None else owner.lives(content)
    return lives is False or (lives is None and time.time() - when > UNSURE)
