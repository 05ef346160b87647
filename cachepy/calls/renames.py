"""What a person says has another name now: modules, classes, functions, parameters; and names of before and of now."""

from __future__ import annotations

from cachepy.errors import UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Names = tuple[str, str]  # a module, and a qualified name in it; empty: all of it

_ENDS = (".", "@")  # what may follow the name of a function or class: a member, what a closure holds


class Renames:
    """Names of code and of parameters, of before and of now.

    renamed: ``{"old:f": "new:f"}``, of a module without what follows the colon; parameters: ``"f.x=f.y"``, of a new
    one ``"f.new"``.  UsageValueError for what is neither.

    Examples
    --------
    >>> names = Renames({"old": "new.pkg", "flow:load": "flow:read"}, ["flow:read.x=y", "g.more"])
    >>> names.now("old.sub:f"), names.now("flow:load.<locals>.g"), names.now("flow:loader"), names.before("flow:read")
    ('new.pkg.sub:f', 'flow:read.<locals>.g', 'flow:loader', 'flow:load')
    >>> names.parameters({"flow:read"}), names.parameters({"flow:g", "g"})
    (({'x': 'y'}, set()), ({}, {'more'}))
    """

    def __init__(self, renamed: Mapping[str, str], parameters: Iterable[str] = ()) -> None:
        pairs = [(_names(old), _names(new)) for old, new in renamed.items()]
        for old, new in pairs:
            if bool(old[1]) != bool(new[1]):
                raise UsageValueError(f"{_text(old)} and {_text(new)}: one is a module, the other is in one")
        self.pairs = sorted(pairs, key=lambda pair: (not pair[0][1], -len(pair[0][0]), -len(pair[0][1])))
        self._back = [(new, old) for old, new in self.pairs]
        self._parameters = [_parameter(each) for each in parameters]
        self.met: set[object] = set()  # of all this, what some call has

    def now(self, name: str) -> str:
        """What ``module:qualname`` of before is called now."""
        return _moved(name, self.pairs, self.met)

    def before(self, name: str) -> str:
        """What such a name of now was before."""
        return _moved(name, self._back, set())

    def place(self, module: str, qualname: str) -> Names:
        """Where code of before is now."""
        return _names(self.now(f"{module}:{qualname}"))

    def place_before(self, module: str, qualname: str) -> Names:
        """Where code of now was before."""
        return _names(self.before(f"{module}:{qualname}"))

    def parameters(self, names: set[str]) -> tuple[dict[str, str], set[str]]:
        """Of a function, by any of its names: parameters of before with those of now; and those that are new."""
        renamed, added = dict[str, str](), set[str]()
        for row in self._parameters:
            function, old, new = row
            if function in names:
                self.met.add(row)
                if new:
                    renamed[old] = new
                else:
                    added.add(old)
        return renamed, added

    def is_gone(self, module: str, error: BaseException) -> bool:
        """Whether a module that cannot be imported is one of before, and it is simply not there any more."""
        if self.now(f"{module}:*") == f"{module}:*" and not any(old[0] == module for old, _ in self.pairs):
            return False
        name = getattr(error, "name", None)
        return isinstance(error, ModuleNotFoundError) and bool(name) and f"{module}.".startswith(f"{name}.")

    def unmet(self) -> list[str]:
        """What no call has that is recorded."""
        rows = [f"{function}.{old}" for function, old, new in self._parameters if (function, old, new) not in self.met]
        return [*(_text(old) for old, _ in self.pairs if old not in self.met), *rows]

    def in_text(self, text: str) -> str:
        """The same of what stands in pieces of code: ``=cached old:f``, ``old.LIMIT``."""
        words = [self._word(word) for word in text.split(" ")]
        return " ".join(words)

    def _word(self, word: str) -> str:
        mark = "=" if word[:1] == "=" else ""
        word = word.removeprefix("=")
        if ":" in word:
            return mark + self.now(word)
        for (old, inside), (new, _) in self.pairs:
            if not inside and word.startswith(f"{old}."):
                return mark + new + word[len(old) :]
        return mark + word


def _names(text: str) -> Names:
    module, _, qualname = text.partition(":")
    if not module:
        raise UsageValueError(f"{text!r} names no code: write module:function, or a module")
    return module, qualname


def _text(names: Names) -> str:
    return ":".join(filter(None, names))


def _parameter(text: str) -> tuple[str, str, str]:
    """``f.x=f.y``, ``f.x=y`` or ``f.new`` as function, parameter, and its name of now."""
    left, sign, right = text.partition("=")
    function, _, old = left.strip().rpartition(".")
    new = right.strip().rpartition(".")[2]
    if not (function and old.isidentifier() and (new.isidentifier() if sign else not new)):
        way = "write function.old=function.new, or function.new of one that is new"
        raise UsageValueError(f"parameter={text!r}: {way}")
    return function, old, new


def _moved(name: str, pairs: Iterable[tuple[Names, Names]], met: set[object]) -> str:
    module, _, qualname = name.partition(":")
    for old, new in pairs:
        if old[1]:
            rest = qualname[len(old[1]) :]
            if module == old[0] and qualname.startswith(old[1]) and (not rest or rest.startswith(_ENDS)):
                met.add(old)
                return f"{new[0]}:{new[1]}{rest}"
        elif module == old[0] or module.startswith(f"{old[0]}."):
            met.add(old)
            return f"{new[0]}{module[len(old[0]) :]}:{qualname}"
    return name
