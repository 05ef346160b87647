"""An error of a body that is stored like a result, for a time: at a hit it is raised again.

`Raised` stands in stored pickles under this module's name: who moves it says so in `addresses`.
"""

from __future__ import annotations

import pickle
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Raised:
    """What stands for the result of a body that raised; error: the exception itself, when: in seconds."""

    __slots__ = ("error", "is_fresh", "when")

    def __init__(self, error: Exception, when: float) -> None:
        self.error = error
        self.when = when
        self.is_fresh = False

    @classmethod
    def of(cls, error: Exception) -> Raised | None:
        """Of an error that was just raised; None if another one would come back from a pickle."""
        made = cls(error, time.time())
        made.is_fresh = True
        read = _read_back(made)
        return made if read is not None and _is_like(read.error, error) else None

    def __reduce__(self) -> tuple[Any, ...]:
        """As the exception wants to be pickled; one that cannot be by its type and arguments."""
        if _is_like(_read_back(self.error), self.error):
            return Raised, (self.error, self.when)
        # many have an `__init__` that takes other arguments than they hold
        held = {name: value for name, value in vars(self.error).items() if _can_be_pickled(value)}
        return _remade, (type(self.error), _plain(self.error.args), held, self.when, str(self.error))

    def __cachepy_digest__(self) -> object:
        """What counts of it for a caller: the same error again is the same result."""
        return f"{type(self.error).__module__}.{type(self.error).__qualname__}", str(self.error)

    def __repr__(self) -> str:
        return f"<raised: {self.error!r}>"

    def to_raise(self) -> Exception:
        """The exception; of a stored one with a note that says so."""
        if not self.is_fresh:
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.when))
            self.error.add_note(f"cachepy stored this error on {moment}, and raises it again (cache_errors)")
        return self.error


def _remade(cls: type[Exception], args: tuple[Any, ...], held: dict[str, Any], when: float, text: str) -> Raised:
    """As its class makes it, else without its `__init__`, which may want arguments that nobody has."""
    error = _made(cls, args, held, text) or cls.__new__(cls, *args)
    error.args = args
    vars(error).update(held)
    return Raised(error, when)


def _made(cls: type[Exception], args: tuple[Any, ...], held: dict[str, Any], text: str) -> Exception | None:
    try:
        error = cls(*args)
        vars(error).update(held)
        return error if str(error) == text else None
    except Exception:  # code of any class
        return None


def _plain(args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(arg if _can_be_pickled(arg) else repr(arg) for arg in args)


def _can_be_pickled(value: object) -> bool:
    return value is None or _read_back(value) is not None


def _read_back(value: object) -> Any:
    """What comes back from a pickle; None if nothing does."""
    try:
        return pickle.loads(pickle.dumps(value))
    except Exception:  # code of any class
        return None


def _is_like(read: object, error: Exception) -> bool:
    return type(read) is type(error) and str(read) == str(error)
