"""The counts by function in Prometheus' text format, which is simple enough to need no library."""

from __future__ import annotations

from collections.abc import Iterator

from dask_plugin.tally import LAST, Tally

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

# metric, type, what it is of the tally, help
_METRICS = (
    ("cachepy_runs_total", "counter", "runs", "Runs of cached functions whose results were stored."),
    ("cachepy_hits_total", "counter", "hits", "Calls whose results came from the cache."),
    ("cachepy_waits_total", "counter", "waits", "Calls that waited for another process or thread to run them."),
    ("cachepy_failures_total", "counter", "failures", "Calls whose function raised an exception."),
    ("cachepy_run_seconds_total", "counter", "run_seconds", "Time that the stored runs took, calls below included."),
    ("cachepy_wait_seconds_total", "counter", "wait_seconds", "Time that calls waited for others to run them."),
    ("cachepy_saved_seconds_total", "counter", "saved_seconds", "Time that the runs took which hits stood for."),
    ("cachepy_digest_seconds_total", "counter", "digest_seconds", "Time of digesting arguments, files, results."),
    ("cachepy_verify_seconds_total", "counter", "verify_seconds", "Time of looking whether results still hold."),
    ("cachepy_load_seconds_total", "counter", "load_seconds", "Time that stored results took to load."),
    ("cachepy_store_seconds_total", "counter", "store_seconds", "Time that results took to store."),
    ("cachepy_written_bytes_total", "counter", "bytes", "Size on disk of the values that runs stored."),
    ("cachepy_last_run_timestamp_seconds", "gauge", LAST, "When a run last ended, in seconds since the epoch."),
)


def exposition(tally: Tally, calls: int | None = None) -> str:
    r"""All metrics of cachepy; calls: how many the graph holds, None on a worker, which has none.

    >>> tally = Tally()
    >>> tally.add("pipeline.load", {"hits": 3})
    >>> print("\n".join(line for line in exposition(tally, 0).splitlines() if "cachepy_hits" in line))
    # HELP cachepy_hits_total Calls whose results came from the cache.
    # TYPE cachepy_hits_total counter
    cachepy_hits_total{function="pipeline.load"} 3
    """
    lines = [line for metric in _METRICS for line in _family(tally, *metric)]
    if calls is not None:
        lines += _head("cachepy_graph_calls", "gauge", "Calls in the graph that the scheduler keeps.")
        lines.append(f"cachepy_graph_calls {calls}")
    return "\n".join(lines) + "\n"


def _family(tally: Tally, name: str, kind: str, column: str, text: str) -> Iterator[str]:
    yield from _head(name, kind, text)
    for function, row in sorted(tally.rows.items()):
        if kind == "counter" or column in row:  # a function that never ran has no last run
            yield f'{name}{{function="{function.translate(_ESCAPES)}"}} {row.get(column, 0)!r}'


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
