"""Cached functions as methods and as partials: bound to an object, they answer their questions about that object.

A bound method of Python's own hands every attribute on to its function, which cannot know the object.  So once a class
is made, what stands in it are descriptors of our own; until then, and everywhere else, cached functions are plain
functions, and so are ``Job.f`` and static methods.
"""

from __future__ import annotations

import sys
from _functools import partial  # type: ignore[import-not-found]  # functools itself costs more than a hit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FUNCTION = type(lambda: None)
METHOD = type((lambda self: self).__get__(0))
_OPTIMIZED = 1  # of code whose names are no mapping: that of a function
_DEEP = 20  # frames between the body of a class and the decorator in it
_MARK = "__cachepy__"
PLACE = "__cachepy_methods__"
QUESTIONS = "key", "is_cached", "explain", "accept", "clear"  # that hang on a cached function
LOOKS = "_repr_mimebundle_"  # what IPython asks of an object, whatever its type shows
HUNG_ON = (*QUESTIONS, LOOKS)  # none of it is the user's code
TOLD = "last", "cache_info"  # likewise, unless the user has something of that name there


def is_ours(told: Any) -> bool:
    """Whether what stands under a name of `TOLD` is what was hung there, and nothing of the user's."""
    return type(getattr(told, "__self__", told)).__module__ == "cachepy.methods"


def info_of(memo: Any) -> Any:
    """What tells how full a memo of `functools` is: it has copied what hangs on a cached function inside it."""
    own = getattr(type(memo), "cache_info", None)
    return memo.cache_info if own is None else own.__get__(memo)


def ours_on(fn: Any) -> set[str]:
    """The names under which the decorator hung something on a function."""
    hung = vars(fn)
    return {*(HUNG_ON if _MARK in hung else ()), *(name for name in TOLD if name in hung and is_ours(hung[name]))}


class Bound:
    """What ``obj.f`` gives: a bound method, whose questions are about its object."""

    __slots__ = ("__func__", "__self__", "__weakref__")

    def __init__(self, fn: Any, obj: Any) -> None:
        self.__func__ = fn
        self.__self__ = obj

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.__func__, name)
        if name in QUESTIONS and _MARK in vars(self.__func__):
            found = METHOD(found.__self__.clear_of if name == "clear" else found, self.__self__)
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, METHOD):
            return NotImplemented
        return self.__self__ is other.__self__ and bool(self.__func__ == other.__func__)

    def __hash__(self) -> int:
        return hash(METHOD(self.__func__, self.__self__))

    def __repr__(self) -> str:
        return repr(METHOD(self.__func__, self.__self__))

    def __reduce__(self) -> Any:
        return METHOD(self.__func__, self.__self__).__reduce__()

    @property  # type: ignore[misc]  # so that `inspect` and others take it for what it is
    def __class__(self) -> Any:
        return METHOD

    @property
    def __module__(self) -> Any:  # type: ignore[override]  # that of its function
        return self.__func__.__module__

    @property
    def __doc__(self) -> Any:  # type: ignore[override]  # likewise
        return self.__func__.__doc__


class Partial(partial):  # type: ignore[misc]  # of any function
    """A cached function with some of its arguments, which its questions are about too."""

    def __getattr__(self, name: str) -> Any:
        if name in TOLD:
            return getattr(self.func, name)
        if name not in QUESTIONS:
            raise AttributeError(f"a partial object has no attribute {name!r}", name=name, obj=self)
        return partial(getattr(self.func, name), *self.args, **self.keywords)


class Method:
    """A cached function in a class."""

    def __init__(self, fn: Any) -> None:
        self.__func__ = fn
        self.__doc__ = fn.__doc__
        self.__module__ = fn.__module__
        self.__qualname__ = fn.__qualname__

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return self.__func__ if obj is None else Bound(self.__func__, obj)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__func__":  # there is none yet: it is being unpickled
            raise AttributeError(name)
        return getattr(self.__func__, name)

    def __reduce__(self) -> Any:
        return Method, (self.__func__,)


class ClassMethod(classmethod):  # type: ignore[type-arg]  # of any function
    """A cached function below ``@classmethod``."""

    def __get__(self, obj: Any, owner: Any = None) -> Any:
        return Bound(self.__func__, type(obj) if owner is None else owner)

    def __reduce__(self) -> Any:
        return ClassMethod, (self.__func__,)


class Waiting:
    """Stands in the body of a class until that is made."""

    def __set_name__(self, owner: type, name: str) -> None:
        type.__delattr__(owner, name)
        for key, member in list(vars(owner).items()):
            made = _made_of(member)
            if made is not None:
                type.__setattr__(owner, key, made)


def _made_of(member: Any) -> Method | ClassMethod | None:
    if type(member) is classmethod:
        return ClassMethod(member.__func__) if _is_cached(member.__func__) else None
    return Method(member) if _is_cached(member) else None


def _is_cached(fn: Any) -> bool:
    """Whether it is a function that questions hang on: cached, or a decorator's around one that is."""
    return type(fn) is _FUNCTION and _MARK in vars(fn)


def plain(member: Any) -> Any:
    """What the user wrote in a class, for what stands there now."""
    if type(member) is Method:
        return member.__func__
    return classmethod(member.__func__) if type(member) is ClassMethod else member


def join_class(fn: Any) -> None:
    """If a function was decorated in the body of a class, have it become a method of that class."""
    outer = fn.__qualname__.rpartition(".")[0]
    if not outer or outer.endswith("<locals>"):
        return
    frame: Any = sys._getframe(1)
    for _ in range(_DEEP):
        if frame is None:
            return
        if not frame.f_code.co_flags & _OPTIMIZED and frame.f_locals.get("__qualname__") == outer:
            try:
                frame.f_locals.setdefault(PLACE, Waiting())
            except Exception:  # a mapping of a metaclass, which takes what it likes
                return
            return
        frame = frame.f_back
