"""A stored call as a job that can be sent anywhere and made there; and the runner that makes jobs here."""

from __future__ import annotations

import sys

from cachepy.calls.replay import Replay
from cachepy.calls.state import current_session
from cachepy.code.fingerprint import cached_call
from cachepy.core.current import NOBODY, enter, leave
from cachepy.core.model import Event, Record
from cachepy.errors import RerunError
from cachepy.store.changed_arguments import meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Place = tuple[str, str]  # cache directory, id of a call


class Job(Record):
    """One call to be made again.

    ``sources`` says where results of other calls are stored that were kept by their digests only (see `Replay`);
    ``fed`` maps names of arguments to calls whose present results are to be passed instead of what was kept.
    """

    __slots__ = ("id", "wrapper", "event", "sources", "fed")
    id: str
    wrapper: Any
    event: Event
    sources: dict[str, Place | None]
    fed: dict[str, Place]

    def run(self) -> str:
        """Make the call here, and return its id; its result goes into the cache, its events where those of calls go."""
        args, kwargs = Replay(current_session(), self.event, self.sources).arguments()
        if self.fed:
            args, kwargs = fed(self.wrapper, args, kwargs, self.fed)
        made = _id_of(self.wrapper, args, kwargs)
        result = self.wrapper(*args, **kwargs)
        if hasattr(result, "__await__"):
            _awaited(result)
        return made


def fed(wrapper: Any, args: Any, kwargs: Any, inputs: dict[str, Place]) -> tuple[Any, dict[str, Any]]:
    """The arguments with the present results of other calls in place of the old ones."""
    session = current_session()
    bound = _signature(wrapper).bind(*args, **kwargs)
    bound.apply_defaults()
    for name, (root, call) in inputs.items():
        store = session.store(root)
        stored = store.look(call)
        if stored is None:
            raise RerunError(f"the result of {call}, which {name} takes, is not stored")
        _put(bound.arguments, name, meant(store.value(call, stored, 0)))
    return bound.args, bound.kwargs


def _signature(wrapper: Any) -> Any:
    """Its annotations are not asked for: from Python 3.14 on, they may name what is only there for mypy."""
    from inspect import signature

    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return signature(wrapper, annotation_format=Format.FORWARDREF)
    return signature(wrapper)


def _put(arguments: dict[str, Any], name: str, value: Any) -> None:
    """Put a value where the name of an argument says: ``x``, ``frames[3]``, ``tables['a']``, of ``**more`` a key."""
    from ast import literal_eval

    base, _, rest = name.partition("[")
    if base not in arguments:
        more = next(v for v in reversed(arguments.values()) if isinstance(v, dict) and base in v)
        _put(more, name, value)
    elif not rest:
        arguments[base] = value
    else:
        items, key = arguments[base], literal_eval(rest[:-1])
        is_array = hasattr(items, "dtype")
        changed: Any = dict(items) if isinstance(items, dict) else items.copy() if is_array else list(items)
        changed[key] = value
        arguments[base] = tuple(changed) if isinstance(items, tuple) else changed


def _id_of(wrapper: Any, args: Any, kwargs: Any) -> str:
    """The id of the call that a wrapper, maybe inside others, makes of these arguments."""
    while (call := cached_call(wrapper)) is None:
        wrapper = wrapper.__wrapped__
    return str(call.request(args, kwargs).id)


def _awaited(coroutine: Any) -> None:
    """Run a coroutine to its end, also where an event loop is running already."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, coroutine).result()


class HereRunner:
    """Makes one job after the other, in this process."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []

    def start(self, job: Job) -> None:
        self._jobs.append(job)

    def wait(self) -> tuple[str, str | BaseException]:
        job = self._jobs.pop(0)
        token = enter(NOBODY)  # it is not the program that makes this call
        try:
            return job.id, job.run()
        except Exception as error:
            return job.id, error
        finally:
            leave(token)
