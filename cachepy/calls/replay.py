"""A stored call as something that can be called again: its function found by name, its arguments as kept."""

from __future__ import annotations

from cachepy.calls.import_refusal import import_refusing
from cachepy.calls.state import State
from cachepy.code.fingerprint import cached_call, resolve
from cachepy.core.kinds import CODES
from cachepy.errors import EntryError, RefusedCallError, RerunError
from cachepy.store import safe_pickle, stored_arguments
from cachepy.store.changed_arguments import meant
from cachepy.values.hidden import HIDDEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.calls.function import Function
    from cachepy.store.stored_arguments import Arguments

    Place = Callable[[str, str], tuple[str, str]]
    Sources = dict[str, tuple[str, str] | None]
    from cachepy.core.model import Event
    from cachepy.core.ports import Store, Stored


def how(shared: bool, arguments: bytes | None) -> bytes:
    """What an entry keeps of the way its call was made.

    shared: whether calls below it were made in other processes.
    """
    return safe_pickle.dumps((shared, arguments))


class Replay:
    """One stored run of a call, to be made again.

    sources: digest of a result -> the cache directory and the call that gave it; None: it is not needed, since it
    will be replaced. By default any call of the graph is taken that gave it.

    Examples
    --------
    >>> from cachepy import cache_file, current_session
    >>> from cachepy.calls.replay import Replay
    >>> @cache_file("cache")
    ... def double(x):
    ...     return 2 * x
    >>> double(4)
    8
    >>> event = current_session().graph.event("double:" + double.key(4))
    >>> Replay(current_session(), event).arguments()
    ((4,), {})
    """

    def __init__(self, session: State, event: Event, sources: Sources | None = None) -> None:
        self.session = session
        self.event = event
        self._sources = sources or {}
        self.shared, self._kept = self._how()

    def _how(self) -> tuple[bool, bytes | None]:
        try:
            store: Store = self.session.store(self.event.root)
            stored, index = self._stored(self.event)
            shared, data = safe_pickle.loads(store.how(self.event.id, stored, index))
        except (EntryError, OSError, TypeError, ValueError):
            return False, None
        return shared is True, data if isinstance(data, bytes) else None

    def _stored(self, event: Event) -> tuple[Stored, int]:
        """Where a run is stored; EntryError if it is not."""
        store: Store = self.session.store(event.root)
        stored: Stored | None = store.look(event.id)
        runs = [each.run for each in stored.events] if stored is not None else []
        if stored is not None and event.run in runs:
            return stored, runs.index(event.run)
        raise EntryError(f"this run of {event.title} is no longer stored")

    def arguments(self, place: Place | None = None, met: dict[int, str] | None = None) -> Arguments:
        """The arguments, fresh objects; RerunError if they were not kept or cannot be loaded.

        place: where code that was renamed is now; met: gets the digests of those that were kept by them.
        """
        title = self.event.title
        secret = next((name for name, label in self.event.label.items() if HIDDEN in label), "")
        if self._kept is None and secret:
            raise RerunError(
                f"the arguments of {title} were not kept, for {secret!r} is or holds a secret by its name; "
                f"call it as your program does"
            )
        if self._kept is None:
            raise RerunError(
                f"the arguments of {title} were not kept ("
                f"keep_args=False, more than {stored_arguments.LIMIT >> 10} KB, or nothing "
                f"that can be pickled); call it as your program does"
            )
        try:
            found: Arguments = stored_arguments.load(self._kept, lambda digest: self._met(digest, met), place)
            return found
        except Exception as error:  # unpickling runs code of any class
            raise RerunError(f"the arguments of {title} cannot be loaded: {error}") from error

    def _met(self, digest: str, met: dict[int, str] | None) -> Any:
        value = self._value_of(digest)
        if met is not None:
            met[id(value)] = digest
        return value

    def _value_of(self, digest: str) -> Any:
        """A large argument: the result of another call, if that is still stored."""
        if digest in self._sources and self._sources[digest] is None:
            return None
        known = [(e.root, e.id) for e in self.session.graph.with_result(digest)]
        for root, call in filter(None, [self._sources.get(digest), *known]):
            store: Store = self.session.store(root)
            try:
                stored = store.look(call)
                for index, event in enumerate(stored.events if stored is not None else ()):
                    if event.trace.result == digest:
                        return meant(store.value(call, stored, index))
            except (EntryError, OSError):
                continue
        raise EntryError("the result of another call that it was given is no longer stored")

    def call(self, *, import_code: bool = True) -> Function:
        """The cached function; RerunError if its name means nothing, or another one, in this process."""
        event = self.event
        if import_code:
            _import(self.session, event)
        live = self.session.functions.live_calls(f"{event.module}:{event.qualname}")
        named = None if "<" in event.qualname else cached_call(resolve(event.module, event.qualname))
        if named is not None:
            return named  # type: ignore[no-any-return]  # the mark of a cached function is untyped
        if live and "<" in event.qualname:
            return next((call for call in live if call.code_name(self.session) in _code_names(event)), live[0])  # type: ignore[no-any-return]  # likewise
        raise RerunError(
            f"{event.module}:{event.qualname} is no cached function in this process: import its module first, or, "
            f"if it was renamed or is local to another function, call it as your program does"
        )

    def ready(self, *, import_code: bool = True, call: Function | None = None) -> tuple[Function, Arguments]:
        """The function (the given one, else by its name) and its arguments, checked to be this very call."""
        call, arguments = call or self.call(import_code=import_code), self.arguments()
        try:
            same = call.request(*arguments).id == self.event.id
        except Exception as error:  # binding and digesting look into the user's objects
            raise RerunError(f"{self.event.title} cannot be run again: {error}") from error
        if not same:
            raise RerunError(
                f"{self.event.title} would be a different call now: its arguments or the function's parameters "
                f"changed; call it as your program does"
            )
        return call, arguments


def _code_names(event: Event) -> set[str]:
    """What its code is called in the trace: of functions of one name, which one it was."""
    return {dep.name for dep in event.trace.deps if dep.kind in CODES}


def _import(session: State, event: Event) -> None:
    """Import its module; what that would run when it is imported does not run as a side effect."""
    if resolve(event.module, "*") is not None:
        return
    try:
        import_refusing(session, event.module)
    except RefusedCallError as error:
        raise RerunError(f"{event.title} cannot be run again: {error}") from error
    except (Exception, SystemExit) as error:
        raise RerunError(f"the module {event.module} of {event.title} cannot be imported: {error!r}") from error
