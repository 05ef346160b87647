"""`valid=`: a test of the user's, asked each time before a stored result is used, also for calls below another one.

It is no part of the key or of the trace, and its code does not count: an edited test is asked anew anyway.  A run of a
function that has one says so by a dep; an older run, or one from before the test, gets it when it is looked at.
"""

from __future__ import annotations

from cachepy.core.call import UsersError
from cachepy.core.current import NOBODY, enter, leave
from cachepy.core.kinds import TESTED
from cachepy.core.model import VALID, Dep, Item, Trace, title_of
from cachepy.errors import EntryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from cachepy.core.model import Event

_RAISED = "cachepy.calls.raised"  # where what stands for a stored error is from


class StoredResult(Item):
    """What is known of a stored result, for a test that is given as `valid`.

    Attributes
    ----------
    id, fname, key : str
        The call: its id in the graph, the name of its function, the digest that names it.
    label : dict
        Argument -> a short text of its value.
    created : float
        When its run ended, in seconds since the epoch.
    age : float
        How long ago that is, in seconds.
    elapsed : float
        How long the run took, in seconds.

    Examples
    --------
    >>> from cachepy import cache_file
    >>> @cache_file("cache", valid=lambda result, info: result["rows"] > 0 or info.age < 60)
    ... def load(day):
    ...     print("loading")
    ...     return {"rows": 3}
    >>> load("monday")["rows"], load("monday")["rows"]
    loading
    (3, 3)
    """

    __slots__ = ("id", "fname", "key", "label", "created", "age", "elapsed")
    id: str
    fname: str
    key: str
    label: dict[str, str]
    created: float
    age: float
    elapsed: float

    def __str__(self) -> str:
        return f"{title_of(self.fname, self.label.values())}, {self.age:.0f} s old"


def test_dep(function: str, call: str, run: str) -> Dep:
    """What a run of a function says that has a test."""
    return Dep(VALID, function, f"{call} {run}")


def tested(event: Event) -> Event:
    """The same run, to be asked about by a test that its function has now."""
    function = f"{event.module}:{event.qualname}"
    if any(dep.kind in TESTED and dep.name == function for dep in event.trace.deps):
        return event
    deps = (*event.trace.deps, test_dep(function, event.id, event.run))
    return event.replace(trace=Trace(deps, event.trace.calls, event.trace.result))


def function_in(world: Any, identity: str) -> Any:
    """The function as it is called here, by an import if need be; None if it is not to be had."""
    if world.function is not None and world.function.target.identity == identity:
        return world.function
    functions = world.session.functions
    if not functions.live_calls(identity):
        world.found(identity)  # imports its module, where that may be
    return next(iter(functions.live_calls(identity)), None)


def accepts(world: Any, dep: Dep) -> bool:
    """Whether the test of a function accepts a stored result; of one that cannot be asked about nobody knows: no."""
    function = function_in(world, dep.name)
    if function is None:
        return False
    test = function.options.valid
    if test is None:
        return True
    for event, value in _results(world, dep):
        if type(value).__module__ == _RAISED:  # a stored error: cache_errors says how long it counts
            return True
        age = world.moment() - event.created
        info = StoredResult(event.id, event.fname, event.hash, dict(event.label), event.created, age, event.elapsed)
        return _asked(test, value, info)
    return False


def _results(world: Any, dep: Dep) -> Iterator[tuple[Event, Any]]:
    """The run that a dep is about with its value, as far as it can be loaded; each time another object."""
    from cachepy.store.changed_arguments import meant

    call, _, run = (dep.digest or "").rpartition(" ")
    for store in world.session.stores:
        try:
            stored = store.look(call)
            for index, event in enumerate(stored.events if stored is not None else ()):
                if event.run == run or dep in event.trace.deps:
                    yield event, meant(store.value(call, stored, index))
        except (EntryError, OSError):  # who makes the call is told
            continue


def _asked(test: Any, value: Any, info: StoredResult) -> bool:
    """What the test says; what it raises is the user's error. What it calls and reads is no matter of the caller's."""
    token = enter(NOBODY)
    try:
        return bool(test(value, info))
    except Exception as error:
        error.add_note(f"raised by the test that {info.fname} has as valid=, asked about {info}")
        raise UsersError(error) from error
    finally:
        leave(token)
