"""Those who are told of each call: who calls `on_call`, and ``f.last`` once somebody has looked at it.

Nobody is told on the shortest way of hits, so that it costs nothing: where somebody listens, hits go a longer one.
"""

from __future__ import annotations

from time import perf_counter

from cachepy.calls.happened import Called
from cachepy.calls.request import depth_of
from cachepy.calls.state import QUIET, REFRESH, current_session
from cachepy.core.call import Hit, Path
from cachepy.core.current import NOBODY, caller, enter, here, leave
from cachepy.core.frame import Frame
from cachepy.errors import CallbackWarning, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from cachepy.calls.function import Function
    from cachepy.calls.request import Request
    from cachepy.calls.state import State
    from cachepy.core.call import Flags, Way
    from cachepy.core.model import Event


class on_call:  # noqa: N801 - used as a function: cachepy.on_call(print)
    """Have a function called after each cached call of this process, until `close` or the end of a ``with`` block.

    It is told of hits, runs and waits, also of those below other calls, but not of those that it makes itself. What it
    reads or calls is nobody's dependency. An error in it is a `CallbackWarning`, once; the call goes on.

    Parameters
    ----------
    callback : callable
        Takes one `Called`.

    See Also
    --------
    summary : What became of all calls.

    Examples
    --------
    >>> from cachepy import cache_file, on_call
    >>> @cache_file("cache")
    ... def square(x):
    ...     return x * x
    >>> with on_call(lambda call: print(call.outcome, call.title)):
    ...     square(3), square(3)
    run square(3)
    hit square(3)
    (9, 9)
    """

    def __init__(self, callback: Callable[[Called], object]) -> None:
        if not callable(callback):
            raise UsageError(f"on_call takes a function that takes a Called, not callback={callback!r}")
        self.callback = callback
        self._session = current_session()
        self._hear = lambda called: callback(called)  # noqa: PLW0108 - of its own: one function may be given twice
        self._session.listen(self._hear)

    def close(self) -> None:
        """Call it no more."""
        self._session.listen(self._hear, stop=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"on_call({self.callback!r})"


def look(call: Any, session: State, flags: Flags, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hit | Way:
    """Look for a stored value where the program has a mode, or somebody listens."""
    began = perf_counter()
    mode, own = session.mode_here(), call.options.mode
    if own and (not mode or (mode == REFRESH and own in QUIET)):  # who runs the program has the last word
        mode = own
    if mode:
        from cachepy.calls.switch import switched

        found = switched(call, mode, flags, args, kwargs)
    elif session.meter is not None:
        from cachepy.calls import metered

        found = metered.look(call, session.meter, flags, args, kwargs)
    else:
        found = Path._look(call, flags, args, kwargs)
    if isinstance(found, Hit):
        _tell_of_hit(session, call, "hit", found.event, perf_counter() - began)
    return found


def _tell_of_hit(session: State, function: Function, outcome: str, event: Event, seconds: float) -> None:
    if not _is_heard(session, function):
        return
    frame = caller(function.target.identity)
    name, depth = function.target.identity, depth_of(frame)
    _tell(session, function, Called(name, event.title, event.id, outcome, "", seconds, depth, _id_of(frame)))


def note_found(request: Request, event: Event) -> None:
    """A call that was about to run is a hit: another one ran it, or calls below gave what they gave before."""
    function, seconds = request.function, perf_counter() - request.began
    if request.has_waited:
        function.tally.hits -= 1
        function.tally.waits += 1
        function.tally.latest = "wait", "", seconds, event, event.id, ""
    _tell_of_hit(request.session, function, "wait" if request.has_waited else "hit", event, seconds)


def note_run(run: Any, elapsed: float, error: object) -> None:
    """A body has ended; what is not stored has a reason."""
    request, function, session = run.call, run.call.function, run.session
    unstored = _why_unstored(run, error)
    latest = "run", run.cause, elapsed, run.event, request.id, unstored
    is_outer = not isinstance(run.parent, Frame)
    function.tally.run(elapsed, latest, unstored, is_outer=is_outer, has_failed=error is not None)
    if function.options.verbose:
        from cachepy.values.humanize import span

        outcome = "done" if error is None else "failed"
        request.log(outcome, f" in {span(elapsed)}{unstored and f', not stored: {unstored}'}")
    if _is_heard(session, function):
        depth, above = depth_of(run.parent), _id_of(run.parent)
        name, title = function.target.identity, request.title
        called = Called(name, title, request.id, "run", run.cause, elapsed, depth, above, unstored)
        _tell(session, function, called)


def _why_unstored(run: Any, error: object) -> str:
    if error is not None:
        return f"it raised {type(error).__name__}"
    if not run.flags.save:
        mode = run.session.mode_here()
        own = run.call.function.options.mode
        return f"CACHEPY={mode}" if mode in QUIET else f"mode={own!r}" if own in QUIET else "_skip_save=True"
    return run.call.unstored or ("" if run.event is not None else "a warning said why")


def note_uncached(session: State, function: Function, why: str, elapsed: float, error: object) -> None:
    """A body has run without the cache."""
    if error is not None:
        why = f"it raised {type(error).__name__}"
    frame = caller()
    latest = "run", why, elapsed, None, None, why
    function.tally.run(elapsed, latest, why, is_outer=not isinstance(frame, Frame), has_failed=error is not None)
    if _is_heard(session, function):
        name, title = function.target.identity, f"{function.fname}(…)"
        _tell(session, function, Called(name, title, None, "run", why, elapsed, depth_of(frame), _id_of(frame), why))


def _is_heard(session: State, function: Function) -> bool:
    """Whether anybody is to be told; what is called for a question, or by who was told, is no call of the program."""
    return bool(function.told is not None or session.listeners) and here() is not NOBODY


def _id_of(frame: Any) -> str | None:
    return getattr(frame, "id", None) or None


def _tell(session: State, function: Function, called: Called) -> None:
    if function.told is not None:
        function.told.set(called)
    if not session.listeners:
        return
    token = enter(NOBODY)
    try:
        for listener in session.listeners:
            try:
                listener(called)
            except Exception as error:  # code of anybody
                session.warn(
                    CallbackWarning,
                    f"a function that on_call was given raised {type(error).__name__}: {error}; calls go on, and it is "
                    f"called again. Mend it, or close it",
                    "on_call",
                    id(listener),
                )
    finally:
        leave(token)
