"""What a code object names: globals, closure variables, attributes that follow them, imports, stores.

Imports bytecode.
"""

from __future__ import annotations

from cachepy.reach.bytecode import CodeType, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.reach.bytecode import Op

    Chains = dict[str, set[tuple[str, ...]]]



class CodeFacts:
    """What a code object and those inside it name; a chain is the attributes that directly follow a load."""

    __slots__ = ("cell_chains", "global_chains", "imports", "stored_cells", "stored_globals")

    def __init__(self) -> None:
        self.global_chains: Chains = {}
        self.cell_chains: Chains = {}
        self.imports: list[tuple[str, int, tuple[str, ...]]] = []
        self.stored_globals: set[str] = set()
        self.stored_cells: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """The names looked up as globals, sorted."""
        return tuple(sorted(self.global_chains))


def scan(code: CodeType) -> CodeFacts:
    """Collect the facts of `code` and of the code objects among its constants."""
    facts, todo = CodeFacts(), [code]
    while todo:
        code = todo.pop()
        _scan_one([op for op in decode(code)[0] if op[0] != "NOP"], facts)
        todo += [c for c in reversed(code.co_consts) if isinstance(c, CodeType)]
    return facts


def _scan_one(ops: list[Op], facts: CodeFacts) -> None:
    for at, (op, value, _, _, _) in enumerate(ops):
        name = str(value)
        if op in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            facts.global_chains.setdefault(name, set()).add(_chain(ops, at + 1))
        elif op in ("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"):
            facts.cell_chains.setdefault(name, set()).add(_chain(ops, at + 1))
        elif op in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            facts.stored_globals.add(name)
        elif op in ("STORE_DEREF", "DELETE_DEREF"):
            facts.stored_cells.add(name)
        elif op == "IMPORT_NAME":
            level, wanted = ops[at - 2][1], ops[at - 1][1]
            wanted = wanted if isinstance(wanted, tuple) else ()
            facts.imports.append((name, level if isinstance(level, int) else 0, wanted))


def _chain(ops: list[Op], at: int) -> tuple[str, ...]:
    end = at
    while end < len(ops) and ops[end][0] in ("LOAD_ATTR", "LOAD_METHOD"):
        end += 1
    return tuple(str(op[1]) for op in ops[at:end])
