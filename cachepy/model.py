"""The words of the design as types: Dep, Trace, Event, Reason, Verdict, and their wire form.

Everything here is immutable and made of builtins, so that it can cross a process border in any
carrier.  Imports nothing of cachepy but errors, and no dataclasses or typing at run time, because a program that
merely wants a hit should not pay their import.
"""

from __future__ import annotations

from _operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> Any:
        """Tells type checkers only."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True, eq_default=True)
class Record:
    """A frozen record: fields are the annotations, in order; `wire` and `unwire` are inverse.

    A small stand-in for ``dataclasses.dataclass``, whose import alone costs more than a hit.
    """

    __slots__ = ("_wire",)
    _wire: ClassVar[Any]  # of one record, once it has been made
    _fields: tuple[str, ...] = ()
    _values: Any = None

    def __init_subclass__(cls) -> None:
        fields: tuple[str, ...] = tuple(cls.__slots__)
        body = "; ".join(f"_set(self, {f!r}, {f})" for f in fields)
        scope: dict[str, Any] = {"_set": object.__setattr__}
        exec(f"def __init__(self, {', '.join(fields)}): {body}", scope)  # our own field names
        cls.__init__ = scope["__init__"]  # type: ignore[method-assign]
        cls._fields = fields
        cls._values = staticmethod(attrgetter(*fields))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: make a new one instead of setting {name!r}")

    def astuple(self) -> tuple[Any, ...]:
        values: tuple[Any, ...] = self._values(self)
        return values

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.astuple() == other.astuple()

    def __hash__(self) -> int:
        return hash(self.astuple())

    def __repr__(self) -> str:
        inside = ", ".join(f"{f}={getattr(self, f)!r}" for f in self._fields)
        return f"{type(self).__name__}({inside})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.astuple()

    def replace(self, **changes: Any) -> Self:
        return type(self)(**{f: changes.get(f, getattr(self, f)) for f in self._fields})


CODE = "code"  # name: "module:qualname"; digest: of all the code and globals it reaches
FILE = "file"  # name: the path as given; digest: of the content, None if there is nothing
NAME = "name"  # name: a str argument that could name a file but named none; digest: None
ENV = "env"  # name: environment variable; digest: of its value, None if unset
PACKAGE = "package"  # name: top-level module; digest: its version
ROOT = "root"  # name: another cache directory, where calls below are stored; digest: None
CALL = "call"  # name: id of a cached call; digest: of its result
BELOW = "below"  # like CALL, for calls under a child that left no node: no edge is drawn


class Dep(Record):
    """One item that a run depended on."""

    __slots__ = ("kind", "name", "digest")
    kind: str
    name: str
    digest: str | None


class Trace(Record):
    """All that one run of a call depended on, and the digest of what it returned.

    ``deps`` are its own; ``calls`` are the cached calls below it, in the order they ended.
    """

    __slots__ = ("deps", "calls", "result")
    deps: tuple[Dep, ...]
    calls: tuple[Dep, ...]
    result: str

    def wire(self) -> tuple[Any, ...]:
        return (
            tuple(d.astuple() for d in self.deps),
            tuple(d.astuple() for d in self.calls),
            self.result,
        )

    @classmethod
    def unwire(cls, wire: Any) -> Trace:
        deps, calls, result = wire
        return cls(tuple(Dep(*d) for d in deps), tuple(Dep(*d) for d in calls), result)


class Event(Record):
    """One ended call, whole: sent after its value is stored, so no half-made node can exist.

    ``root`` is the cache directory and ``outfile`` the entry's name inside it (None: not stored);
    ``cwd`` is where relative names of files were looked up; ``created`` is the end of the run in
    seconds since the epoch, ``elapsed`` its length in seconds; ``seen`` is when this trace was
    last known to hold (later than ``created`` when an older trace became valid again);
    ``args`` maps argument names to the digests of non-trivial values, for the flow edges;
    ``label`` maps argument names to a short text.
    """

    __slots__ = (
        "id", "fname", "module", "qualname", "hash", "run", "trace", "args", "label",
        "root", "outfile", "cwd", "created", "elapsed", "seen", "origin",
    )  # fmt: skip
    id: str
    fname: str
    module: str
    qualname: str
    hash: str
    run: str
    trace: Trace
    args: dict[str, str]
    label: dict[str, str]
    root: str
    outfile: str | None
    cwd: str
    created: float
    elapsed: float
    seen: float
    origin: str

    def wire(self) -> tuple[Any, ...]:
        """The event as nested tuples, dicts and scalars: what entry, journal and Dask carry; made once."""
        try:
            made: tuple[Any, ...] = self._wire
        except AttributeError:
            made = tuple(v.wire() if type(v) is Trace else v for v in self.astuple())
            object.__setattr__(self, "_wire", made)
        return made

    @classmethod
    def unwire(cls, wire: Any) -> Event:
        values = list(wire)
        at = cls._fields.index("trace")
        values[at] = Trace.unwire(values[at])
        return cls(*values)


class Reason(Record):
    """Why a trace does not hold: the cue, what it is about, and its digest or value then and now."""

    __slots__ = ("cue", "name", "old", "new")
    cue: str
    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        return sentence(self)


_SENTENCES = {
    "file": "file {name} changed",
    "file gone": "file {name} is gone",
    "file new": "file {name} exists now",
    "code": "code of {name} changed",
    "global": "global {name} changed",
    "package": "package {name} changed from {old} to {new}",
    "env": "environment variable {name} changed",
    "declared": "declared {name} changed",
    "value": "the stored value of {name} is missing",
    "call": "{name} below it is not fresh",
    "input": "its input {name} is not fresh",
    "unknown": "{name} cannot be found in this process",
    "first": "no result of {name} is stored for these arguments",
}


def sentence(reason: Reason) -> str:
    """One reason in words."""
    return _SENTENCES[reason.cue].format(name=reason.name, old=reason.old, new=reason.new)


class Verdict(Record):
    """Whether a stored call can be reused: state is ``fresh``, ``stale`` or ``missing``."""

    __slots__ = ("state", "reasons")
    state: str
    reasons: tuple[Reason, ...]
