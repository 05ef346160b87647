"""The words of the design as types: Dep, Trace, Event, Reason, Verdict, and their wire form.

Everything here is immutable and made of builtins, so that it can cross a process border in any
carrier.  It loads no dataclasses or typing at run time, because a program that
merely wants a hit should not pay their import.
"""

from __future__ import annotations

from _operator import attrgetter

from xxhash import xxh3_128_hexdigest

from cachepy.core import lazyparts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> Any:
        """Tells type checkers only."""
        return lambda cls: cls


class _Signature:
    """What `help` shows of a record: its fields. Made when asked for, since `inspect` costs more than a hit."""

    def __get__(self, _: object, cls: type[Record]) -> Any:
        from inspect import Parameter, Signature

        kind, none = Parameter.POSITIONAL_OR_KEYWORD, Parameter.empty
        types = cls.__annotations__
        fields = [Parameter(n, kind, default=cls._defaults.get(n, none), annotation=types[n]) for n in cls._fields]
        return Signature(fields)


@dataclass_transform(frozen_default=True, eq_default=True)
class Record:
    """A frozen record: fields are the annotations, in order; `wire` and `unwire` are inverse.

    A small stand-in for ``dataclasses.dataclass``, whose import alone costs more than a hit.  A subclass that is
    made on the path of each call has an ``__init__`` of its own and is `quick`: frozen for type checkers only, since
    going around the protection would take most of the time of making one.
    """

    __slots__ = ("_effect", "_packed", "_wire")
    if TYPE_CHECKING:
        _effect: Any  # of one trace, once it has been asked for
        _packed: Any  # of one event (see `codec`); likewise
        _wire: Any  # of one event
        _fields: ClassVar[tuple[str, ...]]
        _defaults: ClassVar[dict[str, Any]]
        _values: ClassVar[Any]
    __signature__ = _Signature()
    _fields = ()
    _values = None

    def __init_subclass__(cls, defaults: tuple[Any, ...] = (), *, quick: bool = False) -> None:
        cls._fields = fields = tuple(cls.__slots__)
        cls._defaults = dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=True))
        cls._values = staticmethod(attrgetter(*fields)) if fields else None
        if quick:
            cls.__setattr__ = object.__setattr__  # type: ignore[assignment, method-assign]  # records are frozen for type checkers only

    if not TYPE_CHECKING:

        def __init__(self, *values: Any, **named: Any) -> None:
            fields = self._fields
            given = self._defaults | dict(zip(fields, values, strict=False)) | named
            if len(values) > len(fields) or given.keys() != {*fields} or named.keys() & {*fields[: len(values)]}:
                raise TypeError(f"{type(self).__name__} takes {', '.join(fields)}, each once")
            for field in fields:
                object.__setattr__(self, field, given[field])

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

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """What a notebook shows."""
        bundle: dict[str, str] = lazyparts.get("record", self)
        return bundle

    def _repr_html_(self) -> str:
        return self._repr_mimebundle_()["text/html"]

    def replace(self, **changes: Any) -> Self:
        return type(self)(**{f: changes.get(f, getattr(self, f)) for f in self._fields})


# the words of the kinds of deps: what each is stands in `core/kinds`
CODE = "code"
RAN = "ran"
SOURCE = "source"
IMPORTED = "imported"
FILE = "file"
ABSENT_PATH = "name"
PATTERN = "pattern"
LISTED = "listed"
MATCHED = "matched"
PRESENT = "present"
ENV = "env"
OWN_ENV = "own env"
PACKAGE = "package"
ROOT = "root"
OUTPUT = "output"
WRITTEN = "written"
PASSED_ON = "passed on"
RENEWED = "renewed"
UNSEEN_SOURCE = "unseen source"
AGE = "age"
ACCEPTED = "accepted"
UNTIL = "until"
VALUE_FILE = "value file"
VALID = "valid"
ENCLOSING_CODE = "anchor"
EXACT = "exact"
CALL = "call"
INDIRECT_CALL = "below"


class Report(Record):
    """A record that is an answer: a prompt shows its text, of a long one the first lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        from cachepy.core.prompt import lines_of  # most programs show none

        head, *lines = str(self).splitlines()
        return lines_of(head, lines)


class Item(Record):
    """A record that stands in answers: a prompt shows its text on one line, and what it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        from cachepy.core.prompt import fitting  # likewise

        return fitting(f"<{type(self).__name__}: {self}>")


class Dep(Record, quick=True):
    """One item that a run depended on."""

    __slots__ = ("kind", "name", "digest")
    kind: str
    name: str
    digest: str | None
    if not TYPE_CHECKING:

        def __init__(self, kind: str, name: str, digest: str | None) -> None:
            self.kind = kind
            self.name = name
            self.digest = digest


class Trace(Record, quick=True):
    """All that one run of a call depended on, and the digest of what it returned.

    ``deps`` are its own; ``calls`` are the cached calls below it, in the order they ended.
    """

    __slots__ = ("deps", "calls", "result")
    deps: tuple[Dep, ...]
    calls: tuple[Dep, ...]
    result: str
    if not TYPE_CHECKING:

        def __init__(self, deps: tuple[Dep, ...], calls: tuple[Dep, ...], result: str) -> None:
            self.deps = deps
            self.calls = calls
            self.result = result

    @property
    def effect(self) -> str:
        """What a caller goes by: the digest of the result, and of the files left behind (see `outputs`)."""
        try:
            made: str = self._effect
        except AttributeError:
            left = [[d.name, d.digest] for d in self.deps if d.kind == OUTPUT]
            made = f"{self.result}+{xxh3_128_hexdigest(repr(sorted(left)).encode())}" if left else self.result
            self._effect = made
        return made

    def exact_of(self, code: Dep) -> Dep | None:
        """What it says of code that is among its deps, where of what did not run only the identity counts."""
        return next((dep for dep in self.deps if dep.kind == EXACT and dep.name == code.name), None)

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


class Event(Record, quick=True):
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
    if not TYPE_CHECKING:

        def __init__(
            self, id, fname, module, qualname, hash, run, trace, args, label,  # noqa: A002, ANN001 - the fields
            root, outfile, cwd, created, elapsed, seen, origin,  # noqa: ANN001 - the fields
        ) -> None:  # fmt: skip
            self.id = id
            self.fname = fname
            self.module = module
            self.qualname = qualname
            self.hash = hash
            self.run = run
            self.trace = trace
            self.args = args
            self.label = label
            self.root = root
            self.outfile = outfile
            self.cwd = cwd
            self.created = created
            self.elapsed = elapsed
            self.seen = seen
            self.origin = origin
            self._packed = None

    @property
    def title(self) -> str:
        """The call for people: ``load('03.csv')``."""
        return title_of(self.fname, self.label.values())

    def wire(self) -> tuple[Any, ...]:
        """The event as nested tuples, dicts and scalars: what entry, journal and Dask carry; made once."""
        try:
            made: tuple[Any, ...] = self._wire
        except AttributeError:
            made = tuple(v.wire() if type(v) is Trace else v for v in self.astuple())
            self._wire = made
        return made

    @classmethod
    def unwire(cls, wire: Any) -> Event:
        values = list(wire)
        at = cls._fields.index("trace")
        values[at] = Trace.unwire(values[at])
        return cls(*values)


def title_of(fname: str, labels: Iterable[str]) -> str:
    """A call for people, by the labels of its arguments."""
    return f"{fname}({', '.join(map(_last_part, labels))})"


def _last_part(label: str) -> str:
    """Of a path its last part: the folders make a sentence long and say little."""
    quote = "'" if label[:1] == "'" else ""
    text = label.strip("'").replace("\\", "/").rstrip("/")
    last = text.rpartition("/")[2]
    is_path = last and " " not in label and ("." in last or text[0] == "/")
    return f"{quote}{last}{quote}" if is_path else label
