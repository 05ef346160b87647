"""What a code object names: globals, closure variables, attributes that follow them, imports, stores."""

from __future__ import annotations

from cachepy.code.bytecode import CodeType, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from cachepy.code.bytecode import Op

    Chain = tuple[str, ...]
    Chains = dict[str, set[Chain]]

_LOADS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_IMPORTERS = frozenset({"import_module", "__import__", "resolve_name", "run_module"})
_TEXTS_RUN = frozenset({"eval", "exec", "compile"})
PUTS, TAKES, HANDS = "puts", "takes", "hands"
_USES = {
    **dict.fromkeys(("append", "appendleft", "extend", "insert", "add", "update", "setdefault"), PUTS),
    **dict.fromkeys(("pop", "popleft", "popitem", "remove", "discard", "clear"), TAKES),
    "release": HANDS,
}
_ITEMS = {"STORE_SUBSCR": PUTS, "DELETE_SUBSCR": TAKES}
_PADDING = frozenset({"PUSH_NULL", "PRECALL", "KW_NAMES", "RESUME"})
_BETWEEN = frozenset({"IMPORT_FROM", "SWAP", "POP_TOP"})  # of ``import a.b as c``


class Import:
    """One import in a body.

    name, level, wanted: as ``from ..name import wanted`` has them; chains: what is used of the module, as attributes
    that follow it, or `()` for all; by: the function that it is called with, empty for a statement;
    variable: whether `name` is that of a global that holds the name; package: what a relative name starts from, if a
    constant says it.
    """

    __slots__ = ("by", "chains", "level", "name", "package", "variable", "wanted")

    def __init__(self, name: str, level: int = 0, wanted: tuple[str, ...] = (), by: str = "") -> None:
        self.name = name
        self.level = level
        self.wanted = wanted
        self.by = by
        self.chains: set[Chain] = {()}
        self.variable = False
        self.package = ""


_QUESTIONS = frozenset({
    "__dict__", "__subclasses__", "vars", "getdoc", "getsource", "getsourcelines", "getcomments", "co_firstlineno",
    "f_lineno", "tb_lineno", "__firstlineno__", "co_lines", "co_positions", "getEffectiveLevel", "isEnabledFor",
})  # fmt: skip
_OF_CODE = frozenset({"__name__", "__qualname__", "__doc__", "level", "cwd", "lineno"})  # only as attributes


class CodeFacts:
    """What a code object and those inside it name; a chain is the attributes that directly follow a load.

    attributes: names of all attributes that are read; texts: all constants that are texts; loose_modules: whether
    something is taken out of ``sys.modules`` that no constant names; loose_imports: whether a module is imported that
    no constant names; uses: of names of globals and cells, whether something is put into their objects or taken out;
    variables: of the environment, each with whether it is the name of a global that says which; variables_set: those
    that the code itself sets.
    """

    __slots__ = (
        "asks", "attributes", "cell_chains", "global_chains", "implied", "imports", "loose_imports",
        "loose_modules", "names", "stored_cells", "stored_globals", "texts", "uses", "variables",
        "variables_set",
    )  # fmt: skip

    def __init__(self) -> None:
        self.global_chains: Chains = {}
        self.cell_chains: Chains = {}
        self.imports: list[Import] = []
        self.stored_globals: set[str] = set()
        self.uses: dict[str, set[str]] = {}
        self.stored_cells: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: set[str] = set()
        self.loose_modules = False
        self.loose_imports = False
        self.names: tuple[str, ...] = ()
        self.implied: set[str] = set()  # builtins that statements call
        self.asks: set[str] = set()  # which questions about code it may ask
        self.variables: set[tuple[str, bool]] = set()
        self.variables_set: set[tuple[str, bool]] = set()


def scan(code: CodeType) -> CodeFacts:
    """Collect the facts of `code` and of the code objects among its constants."""
    facts, todo = CodeFacts(), [code]
    cells: list[tuple[str, Import]] = []
    while todo:
        code = todo.pop()
        facts.asks |= _QUESTIONS.intersection(code.co_names)
        _scan_one([op for op in decode(code)[0] if op[0] not in ("NOP", "RESUME")], facts, cells)
        facts.texts.update(each for const in code.co_consts for each in _texts_in(const))
        todo += [c for c in reversed(code.co_consts) if isinstance(c, CodeType)]
    for name, each in cells:
        each.chains = facts.cell_chains.get(name) or each.chains
    facts.asks |= _OF_CODE & facts.attributes
    facts.names = tuple(sorted(facts.global_chains))
    return facts


def _texts_in(const: object) -> list[str]:
    parts = const if isinstance(const, (tuple, frozenset)) else (const,)
    return [each for each in parts if isinstance(each, str)]


def _scan_one(ops: list[Op], facts: CodeFacts, cells: list[tuple[str, Import]]) -> None:
    for at, (op, value, _, _, _) in enumerate(ops):
        name = str(value)
        if op in _LOADS:
            facts.global_chains.setdefault(name, set()).add(_chain(ops, at + 1))
            _scan_call(ops, at, name, facts)
            _scan_use(ops, at, name, facts)
            _scan_environment(ops, at, name, facts)
        elif op in _ATTRIBUTES:
            _scan_environment(ops, at, name, facts)
            if name not in _TEXTS_RUN or _has_arguments(ops, at):  # ``model.eval()`` runs no text
                facts.attributes.add(name)
            _scan_call(ops, at, name, facts)
        elif op in ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"):
            facts.cell_chains.setdefault(name, set()).add(_chain(ops, at + 1))
            _scan_use(ops, at, name, facts)
        elif op in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            facts.stored_globals.add(name)
        elif op in ("STORE_DEREF", "DELETE_DEREF"):
            facts.stored_cells.add(name)
        elif op == "LOAD_BUILD_CLASS":
            facts.implied.add("__build_class__")
        elif op == "IMPORT_NAME":
            facts.implied.add("__import__")
            facts.imports += _import(ops, at, cells)


def _has_arguments(ops: list[Op], at: int) -> bool:
    """Whether what was loaded is anything but called at once with nothing."""
    call = at + 1
    while call < len(ops) and ops[call][0] in _PADDING:
        call += 1
    return call == len(ops) or ops[call][0] != "CALL" or ops[call][2] != 0


def _scan_use(ops: list[Op], at: int, name: str, facts: CodeFacts) -> None:
    """Whether something is put into what was loaded (by a method, as an item, as an attribute), or taken out of it."""
    end = at + 1
    while end < len(ops) and ops[end][0] in _ATTRIBUTES:
        end += 1
    use = _USES.get(str(ops[end - 1][1])) if end > at + 1 else None
    if end < len(ops) and ops[end][0] == "STORE_ATTR":
        use = HANDS
    elif end + 1 < len(ops) and ops[end][0][:5] == "LOAD_":
        use = _ITEMS.get(ops[end + 1][0], use)
    if use is not None:
        facts.uses.setdefault(name, set()).add(use)


def _chain(ops: list[Op], at: int) -> Chain:
    """The attributes that are read of what was loaded; what is looked up in ``__dict__`` by a constant is one too."""
    found = list[str]()
    while at < len(ops) and ops[at][0] in _ATTRIBUTES:
        found.append(str(ops[at][1]))
        at += 1
        key = _subscript(ops, at) if found[-1] == "__dict__" else None
        if key is not None:
            found[-1] = str(key[1])
            at += 2
    return tuple(found)


def _subscript(ops: list[Op], at: int) -> Op | None:
    """The load of what something is indexed with, if it is a constant text or a global."""
    if at + 1 >= len(ops) or ops[at + 1][0] not in ("BINARY_SUBSCR", "BINARY_OP"):
        return None
    op, value = ops[at][:2]
    return ops[at] if op in _LOADS or (op == "LOAD_CONST" and isinstance(value, str)) else None


def _import(ops: list[Op], at: int, cells: list[tuple[str, Import]]) -> list[Import]:
    """What a statement imports: of ``import a.b``, which binds a, both; a by what is used of it."""
    level, wanted = ops[at - 2][1], ops[at - 1][1]
    found = Import(
        str(ops[at][1]),
        level if isinstance(level, int) else 0,
        wanted if isinstance(wanted, tuple) else (),
    )
    end = at + 1
    while end < len(ops) and ops[end][0] in _BETWEEN:
        end += 1
    if found.wanted or end >= len(ops):
        return [found]
    bound = found
    if end == at + 1 and "." in found.name:
        found.chains, bound = set(), Import(found.name.partition(".")[0])
    store, variable = ops[end][:2]
    if store == "STORE_FAST":
        bound.chains = _used(ops, end)
    elif store == "STORE_DEREF":
        cells.append((str(variable), bound))
    return [found] if bound is found else [found, bound]


def _scan_environment(ops: list[Op], at: int, name: str, facts: CodeFacts) -> None:
    """A variable under a name that the code spells out: in brackets, by a method, by `getenv`, by ``in``."""
    if name not in ("environ", "getenv"):
        return
    key, after, found = _at(ops, at + 1), _at(ops, at + 2), facts.variables
    if name == "getenv":
        key = _at(ops, _past_padding(ops, at + 1))
    elif key[0] == "CONTAINS_OP":
        key = _at(ops, at - (2 if ops[at][0] in _ATTRIBUTES else 1))
    elif key[0] in _ATTRIBUTES:
        if key[1] not in _READING:
            found = facts.variables_set if key[1] in _SETTING else set()
        key = _at(ops, _past_padding(ops, at + 2))
    elif after[0] in ("STORE_SUBSCR", "DELETE_SUBSCR"):
        found = facts.variables_set
    elif _subscript(ops, at + 1) is None:
        return
    if _is_name(key):
        found.add((str(key[1]), key[0] in _LOADS))


_READING = ("get", "__getitem__")
_SETTING = ("setdefault", "pop", "__setitem__")
_NO_OP: Op = ("", None, 0, 0, 0)


def _at(ops: list[Op], at: int) -> Op:
    return ops[at] if 0 <= at < len(ops) else _NO_OP


def _past_padding(ops: list[Op], at: int) -> int:
    while at < len(ops) and ops[at][0] in _PADDING:
        at += 1
    return at


def _is_name(key: Op) -> bool:
    return key[0] in _LOADS or (key[0] == "LOAD_CONST" and isinstance(key[1], str))


def _scan_call(ops: list[Op], at: int, name: str, facts: CodeFacts) -> None:
    """A module that is imported by calling, or a text that is run, if what says which is a constant or a global."""
    if name == "modules":
        key = _subscript(ops, at + 1)
        if key is not None:
            facts.imports.append(_called(name, key, _used(ops, at + 3)))
        facts.loose_modules |= key is None
        return
    if name not in _IMPORTERS and name not in _TEXTS_RUN and name != "query":
        return
    end = at + 1
    while end < len(ops) and ops[end][0] in _PADDING:
        end += 1
    if end == len(ops):
        return
    op, value = ops[end][:2]
    if name in ("query", "eval") and op == "LOAD_CONST" and isinstance(value, str) and "@" in value:
        for each in _variables(value):
            facts.global_chains.setdefault(each, set()).add(())
        return
    if name == "query":
        return
    if name in _TEXTS_RUN:
        if op == "LOAD_CONST" and isinstance(value, str):
            _scan_text(value, facts)
    elif (op == "LOAD_CONST" and isinstance(value, str)) or (op in _LOADS and value != "__name__"):
        facts.imports.append(_called(name, ops[end], _used(ops, _after_call(ops, end))))
        after = ops[end + 1] if end + 1 < len(ops) else ("", None)
        if name == "import_module" and after[0] == "LOAD_CONST" and isinstance(after[1], str):
            facts.imports[-1].package = after[1]
    else:
        facts.loose_imports = True


def _variables(text: str) -> Iterator[str]:
    """The names behind an ``@``, as pandas has them; without `re`, whose import costs as much as a first hit's walk."""
    for part in text.split("@")[1:]:
        end = next((at for at, sign in enumerate(part) if not (sign == "_" or sign.isalnum())), len(part))
        if part[:end].isidentifier():
            yield part[:end]


def _called(by: str, key: Op, chains: set[Chain]) -> Import:
    found = Import(str(key[1]), by=by)
    found.variable = key[0] in _LOADS
    found.chains = {()} if by == "resolve_name" else chains
    return found


def _after_call(ops: list[Op], at: int) -> int:
    """Where it goes on after a call whose arguments are loads; the end if they are anything else."""
    while at < len(ops) and (ops[at][0][:4] == "LOAD" or ops[at][0] in _PADDING):
        at += 1
    return at + 1 if at < len(ops) and ops[at][0][:4] == "CALL" else len(ops)


def _used(ops: list[Op], at: int) -> set[Chain]:
    """What is used of a value that is on the stack: the attributes that follow it, also behind a local name."""
    if at < len(ops) and ops[at][0] == "STORE_FAST":
        loads = [i for i, op in enumerate(ops) if op[0] == "LOAD_FAST" and op[1] == ops[at][1]]
        return {_chain(ops, i + 1) for i in loads} or {()}
    return {_chain(ops, at)}


def _scan_text(text: str, facts: CodeFacts) -> None:
    """The imports and the attributes that a text names; of what else it names the whole module counts anyway."""
    try:
        inner = scan(compile(text, "<string>", "exec"))
    except (SyntaxError, ValueError):
        return
    for each in inner.imports:
        each.chains = {()}
    facts.imports += inner.imports
    facts.attributes |= inner.attributes
    facts.texts |= inner.texts
