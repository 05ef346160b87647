"""What users are told of calls on a cluster: readable events on a topic of Dask's, and a part of its report.

The scheduler makes them of what workers send anyway, and makes none while nobody subscribes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from dask_plugin.private import is_subscribed
from dask_plugin.records import event_of
from dask_plugin.settings import tells_events
from dask_plugin.showing import calls_line
from dask_plugin.tally import STEPS, function_name

if TYPE_CHECKING:
    from distributed import Scheduler

    from dask_plugin.records import Record
    from dask_plugin.scheduler import Ledger

EVENTS = "cachepy"  # the topic
_MOST = 1000  # calls in one message
_MOST_CAUSES = 10_000  # of calls that are still running


class Teller:
    """Tells of calls on the topic ``cachepy``: lists of dicts, in the order in which the calls ended on a worker."""

    def __init__(self, scheduler: Scheduler, ledger: Ledger) -> None:
        self.scheduler, self.ledger = scheduler, ledger
        self._causes: OrderedDict[str, str] = OrderedDict()  # why calls run again
        self._always = tells_events()

    def tell(self, records: Sequence[Record], tasks: Sequence[Any], made: Sequence[int], worker: str) -> None:
        """Records of a worker, the task of each, and which of them are of calls made just now."""
        if not self._always and not is_subscribed(self.scheduler, EVENTS):
            return
        is_made, found = set(made).__contains__, list[dict[str, Any]]()
        for at, record in enumerate(records):
            if record[0] == "again":
                self._causes[record[1]] = record[3]
                while len(self._causes) > _MOST_CAUSES:
                    self._causes.popitem(last=False)
            elif is_made(at):
                told = self._told(record)
                task = tasks[at] if at < len(tasks) else None
                found.append({**told, "task": None if task is None else str(task), "worker": worker})
        for at in range(0, len(found), _MOST):
            self.scheduler.log_event(EVENTS, found[at : at + _MOST])

    def _told(self, record: Record) -> dict[str, Any]:
        """Seconds: those of the run, which a hit has saved."""
        call = record[1]
        payload = record[4] if record[0] == "event" else self.ledger.payload(call)
        function, seconds = call.rpartition(":")[0], None
        if payload is not None:
            event = event_of(payload)
            function, seconds = function_name(event.module, event.qualname), event.elapsed
        cause = self._causes.pop(call, "") if record[0] == "event" else ""
        outcome = "hit" if record[0] == "hit" else "stale" if cause else "run"
        return {"outcome": outcome, "function": function, "call": call, "seconds": seconds, "cause": cause}


def reported(code: str, ledger: Ledger) -> str:
    """The code that Dask's performance report shows in a frame of its own, with a part about cachepy behind it."""
    totals, causes = ledger.tally.totals(), ledger.now.again()
    lines = [calls_line(totals), *(f"{step}: {totals[f'{step}_seconds']:.3g} s" for step in STEPS)]
    lines += [f"{each['function']} ran again: {each['text']} ({each['times']} times)" for each in causes[:10]]
    lines += [f"{each['function']} failed: {each['text']}" for each in ledger.now.failures()[:10]]
    rows = "".join(f"<li> {escape(line)} </li>\n" for line in lines)
    return f"{code}</pre>\n<h2> cachepy, since it was connected </h2>\n<ul>\n{rows}</ul>\n<pre>"
