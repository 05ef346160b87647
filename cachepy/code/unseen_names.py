"""What code names that gives another value each time: the clock, random numbers without a seed, what a user types.

Told by the code alone, when a body is about to run, and remembered with its fingerprint.  Code of libraries does not
count: it asks for the time to log or to wait.  Nor does what measures: `perf_counter`, `monotonic`, `process_time`.
Random numbers do not count where other code that is reached gives their generator a seed.
"""

from __future__ import annotations

import sys

from cachepy.code.bytecode import CodeType, decode
from cachepy.code.members import FUNCTION, MODULE
from cachepy.core.revision import MISSING
from cachepy.values.bound_methods import METHOD
from cachepy.values.modules import USER, scope_of
from cachepy.values.stand_ins import original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from cachepy.code.bytecode import Op
    from cachepy.values.modules import Origins

    Use = tuple[str, str, str]  # which source; the name of what gives it; the generator that a seed would be for

CLOCK, CHANCE, IDS, USERS = "the clock", "random numbers", "unique ids", "user input"
_SEED = "a seed"
_ANY, _BARE, _ONE, _NOW = "any", "bare", "one", "now"
"""When a name counts: always; called with nothing or None; with one argument; with the text "now" or "today"."""


def _all(module: str, names: str, source: str, when: str = _ANY, generator: str = "") -> dict[str, tuple[str, ...]]:
    return {f"{module}.{name}": (source, when, generator) for name in names.split()}


_DRAWN = (
    "random uniform randint choice choices sample shuffle randrange gauss normalvariate betavariate expovariate "
    "gammavariate lognormvariate paretovariate triangular vonmisesvariate weibullvariate binomialvariate getrandbits "
    "randbytes"
)
_LEGACY = (
    "rand randn randint random random_sample ranf sample random_integers bytes",
    "choice shuffle permutation beta binomial chisquare dirichlet exponential f",
    "gamma geometric gumbel hypergeometric laplace logistic lognormal logseries multinomial",
    "multivariate_normal negative_binomial noncentral_chisquare noncentral_f normal pareto poisson power rayleigh",
    "standard_cauchy standard_exponential standard_gamma standard_normal standard_t triangular uniform vonmises wald",
    "weibull zipf",
)
_TORCH = "rand randn randint randperm normal bernoulli multinomial poisson rand_like randn_like randint_like"
_TABLE: dict[str, tuple[str, ...]] = {
    **_all("time", "time time_ns", CLOCK),
    **_all("time", "localtime gmtime ctime asctime", CLOCK, _BARE),
    **_all("time", "strftime", CLOCK, _ONE),
    **_all("datetime", "datetime.now datetime.utcnow datetime.today date.today", CLOCK),
    **_all("pandas", "Timestamp.now Timestamp.utcnow Timestamp.today", CLOCK),
    **_all("pandas", "Timestamp to_datetime", CLOCK, _NOW),
    **_all("numpy", "datetime64", CLOCK, _NOW),
    **_all("random", _DRAWN, CHANCE, generator="random"),
    **_all("random", "Random", CHANCE, _BARE),
    **_all("random", "SystemRandom", CHANCE),
    **_all("numpy.random", " ".join(_LEGACY), CHANCE, generator="numpy"),
    **_all("numpy.random", "default_rng RandomState", CHANCE, _BARE),
    **_all("torch", _TORCH, CHANCE, generator="torch"),
    **_all("tensorflow.random", "normal uniform truncated_normal shuffle", CHANCE, generator="tensorflow"),
    **_all("secrets", "token_bytes token_hex token_urlsafe choice randbelow randbits SystemRandom", CHANCE),
    **_all("os", "urandom getrandom", CHANCE),
    **_all("uuid", "uuid1 uuid4", IDS),
    **_all("random", "seed setstate", _SEED, generator="random"),
    **_all("numpy.random", "seed set_state", _SEED, generator="numpy"),
    **_all("torch", "manual_seed random.manual_seed set_rng_state", _SEED, generator="torch"),
    **_all("tensorflow.random", "set_seed", _SEED, generator="tensorflow"),
    **_all("transformers", "set_seed", _SEED, generator="random numpy torch tensorflow"),
    **_all("lightning", "seed_everything", _SEED, generator="random numpy torch"),
    **_all("pytorch_lightning", "seed_everything", _SEED, generator="random numpy torch"),
    "input": (USERS, _ANY, ""),
    **_all("sys", "stdin", USERS),
    **_all("getpass", "getpass", USERS),
}
_MODULES = frozenset(name.rpartition(".")[0] for name in _TABLE if name.count(".") == 1) | {
    "datetime", "numpy.random", "pandas", "tensorflow.random", "torch.random",
}  # fmt: skip
_CLASSES = "datetime.datetime", "datetime.date", "pandas.Timestamp"
_LASTS = frozenset(name.rpartition(".")[2] for name in (*_TABLE, *_CLASSES))
_NAMED = frozenset({type(len), FUNCTION, METHOD, type})
_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_CELLS = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_PADDING = frozenset({"PUSH_NULL", "PRECALL", "KW_NAMES", "NOP"})
_STORES = frozenset({"STORE_FAST", "STORE_DEREF", "STORE_NAME"})
_BETWEEN = frozenset({"IMPORT_FROM", "SWAP", "POP_TOP"})
_NOT_READ = frozenset({"isatty", "fileno", "encoding"})  # of stdin


def uses_of(functions: Iterable[Any], origins: Origins, ignore: frozenset[str] = frozenset()) -> frozenset[Use]:
    """What functions of the user's name, seeds too; ignore: names of globals that do not count."""
    known: dict[int, str] = {}
    found: set[Use] = set()
    for fn in functions:
        code = original(fn.__code__)
        codes = [code]
        for each in codes:  # grows meanwhile
            codes += [const for const in each.co_consts if isinstance(const, CodeType)]
        if _may_name(fn, codes):
            known = known or _known(origins)
            found |= _Scan(fn, codes, known, ignore).uses()
    return frozenset(found)


def sources_in(uses: Iterable[Use]) -> list[str]:
    """What of it no digest can tell, as people read it: ``random numbers (random.choice)``."""
    each = set(uses)
    seeded = {name for source, _, generators in each if source == _SEED for name in generators.split()}
    found: dict[str, set[str]] = {}
    for source, name, generator in each:
        if source != _SEED and generator not in seeded:
            found.setdefault(source, set()).add(name)
    return [f"{source} ({', '.join(sorted(names))})" for source, names in sorted(found.items())]


def _known(origins: Origins) -> dict[int, str]:
    """What modules of the table hold, by id: code may have any name for it."""
    found = dict[int, str]()
    for name in (*_TABLE, *_CLASSES):
        home, _, last = name.rpartition(".")
        module = sys.modules.get(home)
        if module is not None and home in _MODULES and last in scope_of(module):
            obj = scope_of(module)[last]
            if obj is not None and origins.of_module(module) != USER and origins.of(obj) != USER:
                found[id(obj)] = name
    return found


def _may_name(fn: Any, codes: list[CodeType]) -> bool:
    """Whether it is worth a look; most code names nothing of the kind."""
    scope = fn.__globals__
    at_hand: list[Any] = []
    for code in codes:
        if not _LASTS.isdisjoint(code.co_names):
            return True
        at_hand += [scope[name] for name in code.co_names if name in scope]
    for cell in fn.__closure__ or ():
        try:
            at_hand.append(cell.cell_contents)
        except ValueError:  # not bound yet
            continue
    return any(type(obj) in _NAMED and obj.__name__ in _LASTS for obj in at_hand)


class _Name(str):
    """A name in the place of what is not loaded yet."""

    __slots__ = ()


class _Scan:
    """One function with all code that is written inside it."""

    def __init__(self, fn: Any, codes: list[CodeType], known: dict[int, str], ignore: frozenset[str]) -> None:
        self._ignore = ignore
        self._scope = fn.__globals__
        self._known = known
        self._codes = [[op for op in decode(code)[0] if op[0] not in ("NOP", "RESUME")] for code in codes]
        self._local: dict[str, Any] = {}  # what names mean that are bound in it: modules, as objects or as texts
        for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
            try:
                self._local[name] = cell.cell_contents
            except ValueError:  # not bound yet
                continue
        for ops in self._codes:
            self._local.update(_imported(ops))

    def uses(self) -> set[Use]:
        found: set[Use] = set()
        for ops in self._codes:
            for at, (op, value, _, _, _) in enumerate(ops):
                root = self._root(op, str(value))
                if root is not MISSING:
                    found.update(self._use(root, ops, at + 1))
        return found

    def _root(self, op: str, name: str) -> Any:
        if name in self._ignore:
            return MISSING
        if op in _LOADS:
            return self._scope.get(name, _Name(name) if name == "input" else MISSING)
        if op == "LOAD_FAST" or op in _CELLS:
            return self._local.get(name, MISSING)
        return MISSING

    def _use(self, root: Any, ops: list[Op], at: int) -> Iterator[Use]:
        name, at = self._dotted(root, ops, at)
        rule = _TABLE.get(name)
        if rule is None:
            return
        source, when, generator = rule
        given = _given(ops, at)
        if source == _SEED:
            if given is None or not _is_nothing(given):
                yield source, name, generator
        elif name == "sys.stdin" and at < len(ops) and ops[at][1] in _NOT_READ:
            return
        elif _counts(when, given):
            yield source, name, generator

    def _dotted(self, obj: Any, ops: list[Op], at: int) -> tuple[str, int]:
        """The name in the table that a load with its attributes means, as far as it goes, and what follows."""
        text = str(obj) if type(obj) is _Name else self._named(obj)
        while not text:
            if not isinstance(obj, MODULE) or at >= len(ops) or ops[at][0] not in _ATTRIBUTES:
                return "", at
            obj, at = scope_of(obj).get(str(ops[at][1])), at + 1  # a module of the user's, or one that has others
            text = self._named(obj)
        while at < len(ops) and ops[at][0] in _ATTRIBUTES:
            longer = f"{text}.{ops[at][1]}"
            if text in _TABLE and longer not in _TABLE:
                break
            text, at = longer, at + 1
        return ("" if self._is_replaced(text) else text), at

    def _is_replaced(self, name: str) -> bool:
        """Whether somebody put a thing of their own there, as tests do with the clock."""
        home, _, rest = name.partition(".")
        while f"{home}.{rest.partition('.')[0]}" in _MODULES:
            part, _, rest = rest.partition(".")
            home = f"{home}.{part}"
        scope, first = scope_of(sys.modules.get(home)), rest.partition(".")[0]
        return first in scope and not isinstance(scope[first], MODULE) and id(scope[first]) not in self._known

    def _named(self, obj: Any) -> str:
        known = self._known.get(id(obj), "")
        return known or (obj.__name__ if isinstance(obj, MODULE) and obj.__name__ in _MODULES else "")


def _imported(ops: list[Op]) -> Iterator[tuple[str, Any]]:
    """What imports in a body bind: modules of the table, or what they hold, by name, for they may not be loaded yet."""
    for at, (op, value, _, _, _) in enumerate(ops):
        if op != "IMPORT_NAME" or ops[at - 2][1] != 0:
            continue
        module, after = str(value), at + 1
        if ops[at - 1][1] is None:  # ``import a.b``, which binds a, or ``import a.b as c``
            is_whole = after < len(ops) and ops[after][0] in _STORES and ops[after][1] == module.partition(".")[0]
            while after < len(ops) and ops[after][0] in _BETWEEN:
                after += 1
            if after < len(ops) and ops[after][0] in _STORES:
                yield str(ops[after][1]), _loaded(module.partition(".")[0] if is_whole else module)
            continue
        while after + 1 < len(ops) and ops[after][0] == "IMPORT_FROM":
            if ops[after + 1][0] in _STORES:
                yield str(ops[after + 1][1]), _loaded(f"{module}.{ops[after][1]}")
            after += 2


def _loaded(name: str) -> Any:
    """The module of a name, or the name itself."""
    return sys.modules.get(name, _Name(name))


def _given(ops: list[Op], at: int) -> tuple[Op, ...] | None:
    """The arguments of a call, if there are none or one plain one; None of what is not called, or with more."""
    at = _past_padding(ops, at)
    if at < len(ops) and ops[at][0] == "CALL" and ops[at][2] == 0:
        return ()
    if at >= len(ops) or ops[at][0][:4] != "LOAD":
        return None
    first, at = ops[at], _past_padding(ops, at + 1)
    if at + 1 < len(ops) and ops[at][0] == "LOAD_CONST" and ops[at + 1][0] == "CALL_KW":
        at += 1
    return (first,) if at < len(ops) and ops[at][0] in ("CALL", "CALL_KW") and ops[at][2] == 1 else None


def _past_padding(ops: list[Op], at: int) -> int:
    while at < len(ops) and ops[at][0] in _PADDING:
        at += 1
    return at


def _is_nothing(given: tuple[Op, ...]) -> bool:
    return not given or (given[0][0] == "LOAD_CONST" and given[0][1] is None)


def _counts(when: str, given: tuple[Op, ...] | None) -> bool:
    if when == _ANY:
        return True
    if given is None:
        return False
    if when == _BARE:
        return _is_nothing(given)
    if when == _ONE:
        return len(given) == 1
    return len(given) == 1 and given[0][0] == "LOAD_CONST" and given[0][1] in ("now", "today")
