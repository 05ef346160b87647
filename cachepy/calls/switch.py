"""What a whole program does with its caches: `CACHEPY=off`, `readonly`, `required` or `refresh`."""

from __future__ import annotations

from cachepy.calls.bypass import Bypass
from cachepy.calls.program import program
from cachepy.calls.state import (
    MODE,
    OFF,
    QUIET,
    READONLY,
    REFRESH,
    REQUIRED,
    came_along,
    current_session,
    mode_of,
)
from cachepy.core.call import Flags, Hit, Path
from cachepy.core.current import caller
from cachepy.errors import MissingResultError, UndigestableError, UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from typing import Any

    from cachepy.core.call import Way


class using:  # noqa: N801 - used as a verb: with cachepy.using(mode="off")
    """Say for a ``with`` block what calls do with their caches, as ``CACHEPY`` does for a whole program.

    It holds in this thread, in what it awaits, and in what it sends to a cluster; other threads go on as before.

    Parameters
    ----------
    mode : {"off", "readonly", "required", "refresh"}
        ``"off"``: bodies run, nothing is read or written. ``"readonly"``: hits, and no writes. ``"required"``: a call
        that is not stored is a `MissingResultError`. ``"refresh"``: all bodies run, and are stored.

    See Also
    --------
    cache_file : Its option `mode` says so for one function.

    Examples
    --------
    >>> from cachepy import cache_file, using
    >>> @cache_file("cache")
    ... def square(x):
    ...     print("runs")
    ...     return x * x
    >>> square(3)
    runs
    9
    >>> with using(mode="off"):
    ...     square(3)
    runs
    9
    """

    def __init__(self, *, mode: str) -> None:
        self.mode = mode_of(str(mode))
        if not self.mode:
            raise UsageValueError("using() needs a mode: 'off', 'readonly', 'required' or 'refresh'")
        self._tokens: list[Token[str]] = []

    def __repr__(self) -> str:
        return f"using(mode={self.mode!r})"

    def __enter__(self) -> None:
        current_session().heed_modes()
        self._tokens.append(came_along.set(self.mode))

    def __exit__(self, *_: object) -> None:
        came_along.reset(self._tokens.pop())


def switched(call: Any, mode: str, flags: Flags, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hit | Way:
    """How a call goes on where the program says so."""
    if mode in QUIET and (mode == OFF or current_session().is_quiet):
        program.has_failed = True  # its calls are not noted, and that must not make history of those of before
    if mode == OFF:
        return Bypass(call.body) if caller() is None else call.uncached()
    if mode == REFRESH:
        return Path._look(call, Flags({"_force": True, "_skip_save": not flags.save}), args, kwargs)
    only_hits = Flags({})
    only_hits.save, only_hits.may_hit = False, flags.may_hit
    found = Path._look(call, only_hits, args, kwargs)
    return found if mode == READONLY or isinstance(found, Hit) else Missing(call)


class Missing:
    """A call that is not stored, where no body may run."""

    __slots__ = ("call",)

    def __init__(self, call: Any) -> None:
        self.call = call

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Say which call it is, and why it is no hit."""
        self.call.binder.bind(*args, **kwargs)  # what does not fit is told as ever
        try:
            request = self.call.request(args, kwargs)
        except UndigestableError as error:
            raise MissingResultError(
                f"{self.call.fname} has no key ({error}), so it is never stored, and {MODE}={REQUIRED} lets no body "
                f"run. Pass something that can be pickled, or leave the parameter out with ignore_args=[...]"
            ) from None
        reasons = "; ".join(str(reason) for reason in self.call.explain(args, kwargs).reasons[:3])
        raise MissingResultError(
            f"{request.title} is not stored in {request.store.root}{reasons and f' ({reasons})'}, and "
            f"{MODE}={REQUIRED} lets no body run. Run the program once without it, or name the cache that has it"
        )

    async def run_async(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The same for ``async def``."""
        self.run(args, kwargs)
