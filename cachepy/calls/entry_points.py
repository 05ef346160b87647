"""Puts calls of ours before functions and classes of libraries, so that nobody sees that they are there.

A function written in Python keeps its identity and gets other code: all names that were taken of it before, by
whatever module, table or closure, lead to the new code, and signature, pickle and place in the source stay.  Of a
class that is its ``__init__``.  What is written in C cannot be changed so:

- a function is replaced where it is offered, and where modules and their tables hold it already;
- a class in which ``__init__`` can be set gets another one;
- of a class in which nothing can be set, a subclass takes the place; ``isinstance`` and ``issubclass`` answer as if it
  were the class itself.
"""

from __future__ import annotations

import sys
from abc import ABCMeta
from functools import update_wrapper

from cachepy.values.owners import is_installed
from cachepy.values.stand_ins import keys_of, original, register

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Undo = Callable[[], None]
    Picks = dict[str, list[tuple[str, list["Pick"]]]]  # module -> dotted names of functions, and what is done at calls

FUNCTION: Any = type(lambda: None)
_HELD = (staticmethod, classmethod)
_POSITIONAL, _KEYWORDS = 0x04, 0x08  # flags of code that takes *args, **kwargs
_SUSPENDED = 0x20 | 0x80 | 0x100 | 0x200  # generators and coroutines
_LOOK_AT_FRAMES = frozenset({"duckdb"})  # for variables that a query names
_CALL = compile("_cachepy_fn(*_cachepy_args, **_cachepy_kwargs)", "<cachepy>", "eval")
_COMPILED = (".so", ".pyd")
_MOST = 500  # items of a table of a module that are looked at


class Pick:
    """What is done at a call, with which of its arguments.

    tell: called with the values of the parameters, each None where it is not given; parameters: name and position, -1
    of what has none; is_watched: whether anything is to be done at all, where that is asked before.
    """

    __slots__ = ("is_watched", "parameters", "tell")

    def __init__(
        self,
        tell: Callable[..., None],
        parameters: tuple[tuple[str, int], ...],
        is_watched: Callable[[], bool] | None = None,
    ) -> None:
        self.tell = tell
        self.parameters = parameters
        self.is_watched = is_watched

    def from_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """For code of which only a call tells what its parameters are."""
        places = self.parameters
        self.tell(*(kwargs[n] if n in kwargs else args[i] if 0 <= i < len(args) else None for n, i in places))

    def shifted(self) -> Pick:
        """The same for a method: its object comes first."""
        places = tuple((n, 0 if n == "self" else at + 1 if at >= 0 else at) for n, at in self.parameters)
        return Pick(self.tell, places, self.is_watched)


class Wrapped:
    """All that was changed, so that it can be undone."""

    def __init__(self) -> None:
        self._undo: list[Undo] = []
        self._moved: dict[int, tuple[Any, Any]] = {}  # what modules may hold: before and after

    def undo(self) -> None:
        """Take everything away again, the last first."""
        while self._undo:
            self._undo.pop()()

    def wrap(self, module: Any, name: str, picks: list[Pick]) -> bool:
        """Have the calls of what a module offers under a dotted name seen; False if it offers no such thing."""
        *path, last = name.split(".")
        home = module
        for part in path:
            home = vars(home).get(part)
            if home is None:
                return False
        if path:
            return isinstance(home, type) and self._method(module, home, last, [pick.shifted() for pick in picks])
        obj = vars(home).get(last)
        if isinstance(obj, type):
            return self._method(module, obj, "__init__", [pick.shifted() for pick in picks])
        if type(obj) is FUNCTION:  # somebody may have put there what is not the library's
            return _is_of(obj, module) and self._in_place(obj, picks)
        return callable(obj) and self._replace(module, last, obj, picks)

    def _in_place(self, fn: Any, picks: list[Pick]) -> bool:
        """Give a function new code; it stays the same object."""
        before = fn.__code__
        if original(before) is not before:
            return True
        after = None if before.co_flags & _SUSPENDED else new_code(fn, picks)
        if after is None:
            return False
        register(after, before)
        fn.__code__ = after
        self._undo.append(lambda: setattr(fn, "__code__", before))
        return True

    def _method(self, module: Any, cls: type, name: str, picks: list[Pick]) -> bool:
        cls = self._moved[id(cls)][1] if id(cls) in self._moved else cls
        held = next((vars(base)[name] for base in cls.__mro__ if name in vars(base)), None)
        fn = held.__func__ if isinstance(held, _HELD) else held
        if fn is None:
            return False
        if type(fn) is FUNCTION and _is_of(fn, module) and not fn.__code__.co_flags & _SUSPENDED:
            return self._in_place(fn, picks)
        if fn is object.__init__:  # all is done in `__new__`, a static method
            name, fn = "__new__", cls.__new__
        method: Any = around(fn, picks, vars(module))
        method = staticmethod(method) if name == "__new__" else method
        try:
            self._set(cls, name, method)
        except TypeError:
            self._set(self._subclass(module, cls), name, method)
        return True

    def _set(self, cls: type, name: str, method: Any) -> None:
        before = vars(cls).get(name)
        setattr(cls, name, method)
        self._undo.append(lambda: delattr(cls, name) if before is None else setattr(cls, name, before))

    def _subclass(self, module: Any, cls: type) -> type:
        """A subclass in the place of a class of which nothing can be set.

        Where the class was compiled it stays: compiled modules take it from there and know how it is laid out.
        """
        if cls.__module__ == module.__name__:
            raise TypeError(cls)
        scope = {"__module__": module.__name__, "__qualname__": cls.__name__, "__doc__": cls.__doc__, "__slots__": ()}
        made = _Same(cls.__name__, (cls,), scope)
        register(made, cls)
        self._moved[id(cls)] = cls, made
        self._exchange_in(vars(module))
        return made

    def _replace(self, module: Any, name: str, fn: Any, picks: list[Pick]) -> bool:
        """Where it is offered, not where it was compiled: who holds the first one pickles it by that name."""
        if original(fn) is not fn:
            return True
        if getattr(fn, "__module__", None) == module.__name__:
            return False
        made = around(fn, picks, vars(module))
        made.__module__, made.__qualname__ = module.__name__, name
        register(made, fn)
        self._moved[id(fn)] = fn, made
        self._exchange_in(vars(module))
        return True

    def _exchange(self, place: Any, key: Any, after: Any) -> None:
        before = place[key]
        place[key] = after

        def back() -> None:
            is_there = key in place if type(place) is dict else key < len(place)
            if is_there and place[key] is after:
                place[key] = before

        self._undo.append(back)

    def exchange_in(self, modules: Iterable[Any]) -> None:
        """What was replaced, also where modules took it by its name before; in those of the user in tables too."""
        for module in modules if self._moved else ():
            scope = getattr(module, "__dict__", None)
            if type(scope) is not dict or str(file := scope.get("__file__") or "").endswith(_COMPILED):
                continue
            self._exchange_in(scope)
            if scope.get("__name__") == "__main__" or (file and not is_installed(file)):
                for table in [each for each in scope.values() if type(each) in (dict, list) and len(each) <= _MOST]:
                    self._exchange_in(table)

    def _exchange_in(self, table: Any) -> None:
        """In the names of a module, or in a table of it."""
        for key in keys_of(table, self._moved):
            self._exchange(table, key, self._moved[id(table[key])][1])


def _is_of(fn: Any, module: Any) -> bool:
    """Whether a function was written in the library that a module is of."""
    top: str = module.__name__.partition(".")[0]
    return str(fn.__globals__.get("__name__")).partition(".")[0] in (top, f"_{top}")


class _Same(ABCMeta):
    """Of a class that stands for another: what is an instance of one is one of the other.

    It is an abstract one's, so that others can derive from both.
    """

    def __instancecheck__(cls, instance: Any) -> bool:
        stands_for = original(cls)
        return super().__instancecheck__(instance) if stands_for is cls else isinstance(instance, stands_for)

    def __subclasscheck__(cls, subclass: type) -> bool:
        stands_for = original(cls)
        return super().__subclasscheck__(subclass) if stands_for is cls else issubclass(subclass, stands_for)


register(_Same, type)


# ---------------------------------------------------------------- code


def new_code(fn: Any, picks: list[Pick]) -> Any:
    """Code that takes what a function takes, tells the picks, and calls the function as it was; None if it cannot."""
    code = fn.__code__
    first = FUNCTION(code, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)
    first.__kwdefaults__, first.__qualname__, first.__module__ = fn.__kwdefaults__, fn.__qualname__, fn.__module__
    takes = _Parameters(code)
    made = _compiled(takes, code.co_freevars, first, picks)
    if made is None or made.co_freevars != code.co_freevars:
        return None
    return made.replace(
        co_name=code.co_name,
        co_qualname=code.co_qualname,
        co_filename=code.co_filename,
        co_firstlineno=code.co_firstlineno,
        co_names=(*made.co_names, *(name for name in code.co_names if name not in made.co_names)),
    )


def around(fn: Any, picks: list[Pick], scope: dict[str, Any]) -> Any:
    """A function around one that is written in C.

    It lives in the scope of the library: who looks at the frames of callers takes it for the library's own.
    """
    is_looked_at = scope.get("__name__") in _LOOK_AT_FRAMES
    code = _compiled(_Parameters(_any.__code__), (), _as_if_called_there(fn) if is_looked_at else fn, picks)
    name = getattr(fn, "__name__", "stand_in")
    file = scope.get("__file__") or "<cachepy>"
    made = FUNCTION(code.replace(co_name=name, co_qualname=name, co_filename=file), scope, name)
    return update_wrapper(made, fn)


def _as_if_called_there(fn: Any) -> Any:
    """It is called in a frame that shows the variables of the frame that called us."""

    def call(*args: Any, **kwargs: Any) -> Any:
        at = sys._getframe(2)
        shown = {**at.f_locals, "_cachepy_fn": fn, "_cachepy_args": args, "_cachepy_kwargs": kwargs}
        return eval(_CALL, at.f_globals, shown)  # noqa: S307 - a constant

    return call


def _any(*args: Any, **kwargs: Any) -> None:
    """What code takes that takes anything."""


class _Parameters:
    """What a code object takes."""

    def __init__(self, code: Any) -> None:
        rest = list(code.co_varnames)
        self.before = [rest.pop(0) for _ in range(code.co_argcount)]
        self.only = [rest.pop(0) for _ in range(code.co_kwonlyargcount)]
        self.star = f"*{rest.pop(0)}" if code.co_flags & _POSITIONAL else ""
        self.stars = f"**{rest.pop(0)}" if code.co_flags & _KEYWORDS else ""
        self._by_place = code.co_posonlyargcount

    def taken(self) -> str:
        """As they stand in a definition, without defaults: these are the function's, not the code's."""
        last = self._by_place
        placed = [*self.before[:last], "/", *self.before[last:]] if last else self.before
        star = self.star or ("*" if self.only else "")
        return ", ".join(filter(None, [*placed, star, *self.only, self.stars]))

    def given(self) -> str:
        """As they are handed on."""
        return ", ".join(filter(None, [*self.before, self.star, *(f"{n}={n}" for n in self.only), self.stars]))

    def call(self, pick: Pick) -> tuple[str, Callable[..., None]] | None:
        """What a pick is told, and how; None if there is no such parameter."""
        told = []
        for number, (name, index) in enumerate(pick.parameters):
            if name in self.before or name in self.only:
                told.append(name)
            elif self.star or self.stars:
                return self._looked_for(pick), pick.from_call
            elif 0 <= index < len(self.before):
                told.append(self.before[index])
            elif number:
                told.append("None")
            else:
                return None
        return ", ".join(told), pick.tell

    def _looked_for(self, pick: Pick) -> str:
        """All that was given: only a call tells where it is."""
        known = [f"{name!r}: {name}" for name, _ in pick.parameters if name in self.before or name in self.only]
        args = [*self.before, *filter(None, [self.star])]
        return f"({''.join(f'{each}, ' for each in args)}), {{{', '.join([*known, *filter(None, [self.stars])])}}}"


def _compiled(takes: _Parameters, cells: tuple[str, ...], fn: Any, picks: list[Pick]) -> Any:
    """Code with objects among its constants, on one line: a traceback shows the first line of the function."""
    held: list[Any] = [fn]
    calls: list[str] = []
    for pick in picks:
        call = takes.call(pick)
        if call is not None:
            asks = ""
            if pick.is_watched is not None:
                asks = f"_cachepy_{len(held)}() and "
                held.append(pick.is_watched)
            calls.append(f"{asks}_cachepy_{len(held)}({call[0]})")
            held.append(call[1])
    if not calls:
        return None
    marks = {f"\0cachepy {number}": obj for number, obj in enumerate(held)}
    line = [f"None and ({', '.join(cells)})"] if cells else []  # so that it has the same cells
    line += [f"_cachepy_{number} = {mark!r}" for number, mark in enumerate(marks)]
    line += calls
    line.append(f"return _cachepy_0({takes.given()})")
    head = "".join(f"    {name} = None\n" for name in cells)
    text = f"def outer():\n{head}    def made({takes.taken()}): {'; '.join(line)}\n"
    outer = _code_in(compile(text, "<cachepy>", "exec", dont_inherit=True))
    made = _code_in(outer)
    return made.replace(co_consts=tuple(marks.get(c, c) if type(c) is str else c for c in made.co_consts))


def _code_in(code: Any) -> Any:
    return next(each for each in code.co_consts if type(each) is type(code))
