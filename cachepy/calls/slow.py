"""What a call that is no hit goes through, whom it tells of that, and what the walk of some code needs.

Loaded at once: a process that loses sight of the files has all of it, or stores nothing.
"""

from __future__ import annotations

import cachepy.code.extensions
import cachepy.code.imports
import cachepy.core.hooks
import cachepy.values.registry  # noqa: F401 - see above
from cachepy.calls.event_loops import in_thread, sleep
from cachepy.calls.fast import HitCache, cost_of, remember
from cachepy.calls.listeners import note_found
from cachepy.calls.metered_run import MeteredRun
from cachepy.calls.miss import Uncached, cuts_off, turn
from cachepy.calls.run import Run


class Slow:
    """The steps behind the fast ones, by their names."""

    turn = staticmethod(turn)
    sleep = staticmethod(sleep)
    in_thread = staticmethod(in_thread)
    cuts_off = staticmethod(cuts_off)
    note_found = staticmethod(note_found)
    Run = Run
    MeteredRun = MeteredRun
    Uncached = Uncached
    HitCache = HitCache
    remember = staticmethod(remember)
    cost_of = staticmethod(cost_of)
