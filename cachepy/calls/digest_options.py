"""The option `digest`, and `register_digest`: functions of the user's say what stands for a value."""

from __future__ import annotations

from _collections_abc import Mapping

from cachepy.calls import state as states
from cachepy.errors import UsageError, UsageValueError
from cachepy.values.digest import Digester
from cachepy.values.own_digests import asked, check_function, check_type
from cachepy.values.references import REGISTERED
from cachepy.values.stand_ins import Stand

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeVar

    from cachepy.calls.state import State
    from cachepy.values.key import Binder

    F = TypeVar("F", bound=Callable[[Any], Any])


def register_digest(type_: type) -> Callable[[F], F]:
    """Say for a whole program what stands for the objects of a type: in arguments, in results and in globals.

    What the function returns is digested in place of the object, with the code of the function. Objects of derived
    classes count likewise, unless these have a function of their own, or ``__cachepy_digest__``. Register in the
    module that defines the type: what only a script registers is not known on Dask's workers, where keys differ then.

    Parameters
    ----------
    type_ : type
        The type; none of Python's numbers, texts and plain containers.

    Returns
    -------
    callable
        Takes the function, and returns it.

    Raises
    ------
    UsageError
        For what is no type, or no function. A call raises it if the function does, and it says which one that was.

    Examples
    --------
    >>> from cachepy import cache_file, register_digest
    >>> class Model:
    ...     def __init__(self, name):
    ...         self.name, self.handle = name, object()
    >>> @register_digest(Model)
    ... def what_counts(model):
    ...     return model.name
    >>> @cache_file("cache")
    ... def size(model):
    ...     return len(model.name)
    >>> size.key(Model("a")) == size.key(Model("a")), size.key(Model("a")) == size.key(Model("b"))
    (True, False)
    """
    check_type("register_digest", type_)

    def register(fn: F) -> F:
        check_function("register_digest", fn)
        REGISTERED[type_] = fn
        if states._default is not None:
            _forget(states._default)
        return fn

    return register


def _forget(session: State) -> None:
    """What was digested by other rules counts no more."""
    session.digester.rules.clear()
    session.namer.forget()
    session.reader.forget()
    for call in session.functions.all_calls():
        call.target.reach = None
    session.revision = object()


def checked(given: Any) -> dict[str | type, Callable[[Any], Any]]:
    """The option; UsageError for what it cannot be."""
    if not isinstance(given, Mapping):
        raise UsageError(f"digest must be a dict from parameters or types to functions, not {given!r}")
    for what, fn in given.items():
        if not isinstance(what, str):
            check_type("digest", what)
        check_function(f"digest[{what!r}]", fn)
    return dict(given)


class OwnDigests:
    """What the decorator of one function says of its arguments."""

    def __init__(self, fn: Any, binder: Binder, given: dict[Any, Any], changes: Iterable[str]) -> None:
        self._fname = fn.__qualname__
        self._names = {what: each for what, each in given.items() if isinstance(what, str)}
        self._types = {what: each for what, each in given.items() if not isinstance(what, str)}
        self._binder = binder
        self._digester: tuple[Any, Digester] | None = None
        signature = binder.signature
        unknown = sorted(self._names.keys() - {*signature.names})
        if unknown and not signature.var_keyword:
            has = ", ".join(signature.names) or "none"
            raise UsageValueError(f"digest={unknown!r} names no parameter of {self._fname}; it has {has}")
        for option, names in (("ignore_args", binder.ignore), ("changes", {*changes})):
            both = sorted(self._names.keys() & names)
            if both:
                text = f"digest={both!r} of {self._fname} is in {option} too. Take it out of one of them"
                raise UsageValueError(text)

    def digester(self, session: State) -> Digester:
        """That of the session, and with what counts for the types that are named here."""
        if not self._types:
            return session.digester
        if self._digester is None or self._digester[0] is not session.revision:
            made = Digester(session.origins, session.digester.code_of, self._types)
            self._digester = session.revision, made
        return self._digester[1]

    def counted(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The bound values, with what stands for those that are named here."""
        if not self._names:
            return values
        return tuple([self._of(name, value) for name, value in zip(self._binder.names, values, strict=True)])

    def _of(self, name: str, value: Any) -> Any:
        fn, signature = self._names.get(name), self._binder.signature
        if name == signature.rest and fn is not None:
            return tuple([self._stand(name, fn, each) for each in value])
        if name == signature.var_keyword:
            return tuple([(key, self._keyword(key, fn, each)) for key, each in value])
        return value if fn is None else self._stand(name, fn, value)

    def _keyword(self, key: str, fn: Any, value: Any) -> Any:
        fn = self._names.get(key, fn)
        return value if fn is None else self._stand(key, fn, value)

    def _stand(self, name: str, fn: Callable[[Any], Any], value: Any) -> Stand:
        return Stand(fn, asked(fn, value, f"the parameter {name!r} of {self._fname}"))
