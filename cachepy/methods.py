"""What can be asked of a cached function, and what can be one."""

from __future__ import annotations

from cachepy.calls.import_refusal import refuse
from cachepy.calls.live_world import LiveWorld
from cachepy.calls.program import note
from cachepy.calls.state import current_session, refuse_if_quiet
from cachepy.core import lazyparts
from cachepy.core.kinds import CODES
from cachepy.errors import UndigestableError, UsageError, raise_users
from cachepy.values.key import culprit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.calls.acceptance import Accepted
    from cachepy.calls.engine import CachedCall
    from cachepy.calls.happened import CacheInfo, Called
    from cachepy.calls.request import Request
    from cachepy.core.model import Event
    from cachepy.core.reasons import Verdict

_GENERATOR, _ASYNC_GENERATOR = 0x20, 0x200


def check_function(fn: Any, *, collect: bool = False) -> None:
    """Complain about what cannot be cached."""
    code = fn.__code__ if type(fn) is type(check_function) else None
    name = _name_of(fn)
    if isinstance(fn, type):
        raise UsageError(f"cache_file decorates functions, not the class {name}; decorate its methods")
    if code is None:
        raise UsageError(f"cache_file decorates functions written in Python, not {name}; wrap it in a def")
    makes_items = bool(code.co_flags & (_GENERATOR | _ASYNC_GENERATOR))
    if makes_items and not collect:
        raise UsageError(
            f"{name} is a generator function: its items exist only once and cannot be stored. Say collect=True to "
            f"store all of them as a list, return a list instead, or cache the function that makes one item"
        )
    if collect and not makes_items:
        raise UsageError(f"collect=True is for generator functions, and {name} is none; leave it out")


def _name_of(fn: Any) -> str:
    try:
        name = getattr(fn, "__qualname__", None)
        return name if isinstance(name, str) else repr(fn)
    except Exception:  # code of any class
        return f"an object of {type(fn).__qualname__}"


class Questions:
    """What can be asked of a cached function: ``f.key``, ``f.is_cached``, ``f.explain``, ``f.accept``, ``f.clear``."""

    def __init__(self, call: CachedCall) -> None:
        self._call = call

    def key(self, *args: object, **kwargs: object) -> str:
        """The digest that names the call with these arguments.

        The same in every process and on every machine, and in the graph ``node["hash"]``; the id of a call is the
        name of the function, a colon and this. Nothing runs.

        Raises
        ------
        TypeError
            If the arguments do not fit the function.
        UsageError
            If an argument cannot be digested; such a call runs without the cache.
        """
        return self._request(args, kwargs).hash

    def is_cached(self, *args: object, **kwargs: object) -> bool:
        """Whether the call with these arguments would be a hit now.

        All that it depended on is looked at, as in a call; nothing runs but a test that is given as `valid`. False for
        arguments that cannot be digested.

        Raises
        ------
        TypeError
            If the arguments do not fit the function.
        """
        try:
            self._care_for(args, kwargs)
            return self._call.explain(args, kwargs).state == "fresh"
        except UndigestableError as error:
            raise_users(error)
            return False

    def _care_for(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Whoever asks for a call may make it or not, as the answer is: it is one of the program's."""
        request = self._call.request(args, kwargs)
        note(request.session, request.id, request.store.root)

    def explain(self, *args: object, **kwargs: object) -> Verdict:
        """Why the call with these arguments would run, or not.

        Nothing runs but a test that is given as `valid`. The answer, a `cachepy.Verdict`, has ``state`` (``"fresh"``,
        ``"stale"`` or ``"missing"``) and ``reasons``; ``print(f.explain(3))`` tells both in a sentence.

        Raises
        ------
        TypeError
            If the arguments do not fit the function.
        UsageError
            If an argument cannot be digested; such a call runs without the cache.
        """
        self._request(args, kwargs)
        self._care_for(args, kwargs)
        return self._call.explain(args, kwargs)

    def accept(self, *args: object, **kwargs: object) -> Accepted:
        """Say that what changed for the call with these arguments does not matter: its stored result is fresh again.

        Look at ``f.explain(*args)`` first. Stale calls below it are accepted too. Without arguments all stale calls of
        the function are accepted. Who said so, and when, stands in the graph; a further change counts as ever. Nothing
        runs. A changed file is not accepted: see `cachepy.cache_tree_accept`, which takes an acceptance back, too.

        Raises
        ------
        TypeError
            If the arguments do not fit the function.
        UsageError
            If the call cannot be accepted; the message says why.
        """
        from cachepy.calls.acceptance import Acceptance, check_writes  # few programs do

        refuse(current_session(), f"{self._call.fname}.accept")
        check_writes(current_session())
        if not (args or kwargs or self._call.binder.names == ()):
            session = current_session()
            plan = Acceptance(session, LiveWorld(session))
            for event in _calls_of(self._call):
                plan.add(event.id)
            return plan.store()
        request = self._request(args, kwargs)
        own = request.own_name, request.reach.digest
        plan = Acceptance(request.session, request.world(own), own)
        plan.add(request.id)
        done = plan.store()
        if request.id in done.left:
            raise UsageError(f"{request.title} cannot be accepted: {done.left[request.id]}")
        return done

    def clear(self, *args: object, **kwargs: object) -> int:
        """Delete the stored results of the call with these arguments; without any, of all calls.

        Returns how many calls were deleted. A function without parameters has one call at most.

        Raises
        ------
        TypeError
            If the arguments do not fit the function.
        """
        refuse(current_session(), f"{self._call.fname}.clear")
        refuse_if_quiet(f"{self._call.fname}.clear()")
        if args or kwargs:
            return self._clear_one(args, kwargs)
        return self._forget(_calls_of(self._call))

    def clear_of(self, obj: object, /, *args: object, **kwargs: object) -> int:
        """Delete the stored results of a method with these arguments; without any, of all its calls with this object.

        Returns how many calls were deleted.

        Raises
        ------
        TypeError
            If the arguments do not fit the function.
        """
        refuse_if_quiet(f"{self._call.fname}.clear()")
        if args or kwargs:
            return self._clear_one((obj, *args), kwargs)
        from cachepy.calls.flows import is_trivial

        name, found = self._call.binder.names[:1], _calls_of(self._call)
        if name != self._call.binder.signature.names[:1] or is_trivial(obj):  # the object does not say which call it is
            return self._forget(found)
        try:
            digest = current_session().digester.digest(obj)
        except UndigestableError:
            return 0
        return self._forget([each for each in found if each.args.get(name[0]) == digest])

    def _forget(self, found: list[Event]) -> int:
        store = current_session().store(self._call.options.root())
        for each in found:
            store.forget(each.id)
        return len(found)

    def _request(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        call = self._call
        try:
            return call.request(args, kwargs)
        except UndigestableError as error:
            raise_users(error)
            name = culprit(call.binder, call.binder.bind(*args, **kwargs), call.digester(current_session()))
            text = f"{call.fname} has no key for these arguments and would run without the cache: argument {name}"
            raise UsageError(f"{text}. Leave it out with ignore_args=[...] if it does not matter") from None

    def _clear_one(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        try:
            request = self._call.request(args, kwargs)
        except UndigestableError as error:
            raise_users(error)
            return 0
        is_stored = request.look() is not None
        request.store.forget(request.id)  # also the sign of a run that did not end
        return int(is_stored)

    @property
    def last(self) -> Last:
        """What became of the last call (see `Last`)."""
        return Last(self._call)

    def cache_info(self) -> CacheInfo:
        """Count hits and runs of this function in this process, in the words of `functools`.

        Nothing has to be switched on: calls are always counted.
        """
        from cachepy.calls.happened import info_of

        return info_of(self._call, current_session())

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """What a notebook shows of the function."""
        bundle: dict[str, str] = lazyparts.get("function", self._call)
        return bundle

    def __repr__(self) -> str:
        return f"cached function {self._call.target.identity}"

    def __reduce__(self) -> tuple[Any, ...]:
        return Questions, (self._call,)


class Last:
    """What ``f.last`` is: the fields of a `Called`, of the last call of the function in this thread or task.

    The first look is at the last call of the process, for until then no thread's own was noted: that would cost each
    hit something. From then on hits of this function take a slightly longer way.
    """

    def __init__(self, call: CachedCall) -> None:
        self._call = call

    @property
    def now(self) -> Called:
        """The record as it is now, which a later call does not change."""
        from cachepy.calls.happened import Called, last_of

        call = self._call
        if call.told is None:
            from contextvars import ContextVar

            latest, none = last_of(call), Called(call.target.identity, call.fname, None, "", "", None, None, None)
            with lazyparts.making:
                if call.told is None:
                    told: ContextVar[Called] = ContextVar("cachepy_last", default=none)
                    told.set(latest)
                    call.told = told
                    call._cool()  # what is found on the shortest way is told to nobody
        found: Called = call.told.get()
        return found

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.now, name)

    def __bool__(self) -> bool:
        return bool(self.now.outcome)

    def __repr__(self) -> str:
        return repr(self.now)

    def __str__(self) -> str:
        return str(self.now)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return self.now._repr_mimebundle_()

    def __reduce__(self) -> tuple[Any, ...]:
        return Last, (self._call,)


def _calls_of(call: CachedCall) -> list[Event]:
    """All stored calls of one function."""
    from cachepy.store.inventory import scan

    session = current_session()
    identity, code = (call.target.module, call.target.qualname), call.code_name(session)
    events = [e for _, e in scan(session.store(call.options.root()).root) if e is not None]
    mine = [e for e in events if (e.module, e.qualname) == identity]
    return [e for e in mine if any(d.kind in CODES and d.name == code for d in e.trace.deps)]
