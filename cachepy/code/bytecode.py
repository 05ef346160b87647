"""The normal form of a code object: bytes that depend on what the code does; and `scan`: what it names.

Comments, docstrings, formatting, line numbers and the place in the file leave traces in compiled code: the
order of constants, NOPs that carry a line, jumps threaded and swaps resolved only where lines agree, exit
blocks copied.  So the bytes are those of a control flow graph of what the instructions do, with the rewrites
that depend on lines undone, minimised and numbered from the entry.  Made from the code object alone, because
functions arrive by value on workers, with no source.  Equal in every process and patch release of one minor
version of Python.

It loads no dis, inspect, re, typing or dataclasses: it runs before a first hit.
"""

from __future__ import annotations

import opcode
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType as CodeType  # noqa: PLC0414 - also for `names_used`
    from typing import Any

    # op, what its argument means, the argument's remaining bits, code unit, code unit it jumps to (or -1)
    Op = tuple[str, object, int, int, int]
    # if false: pops it?, goes to; if true: the same; the op that raises: a test of the top of the stack
    Test = tuple[tuple[bool, int], tuple[bool, int], int]

if not TYPE_CHECKING:
    CodeType = type((lambda: None).__code__)  # `types` need not be imported for it
_FLAGS = 0x3AF  # optimized, newlocals, varargs, varkeywords, and the kinds of generator and coroutine
_BOOL_COMPARE = 16 if sys.version_info >= (3, 13) else 0  # COMPARE_OP with a TO_BOOL merged into it
_NAME_SHIFT = {"LOAD_GLOBAL": 1, "LOAD_ATTR": int(sys.version_info >= (3, 12)), "LOAD_SUPER_ATTR": 2}

_GOTO = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"})
_SILENT = _GOTO | {"NOP", "RESUME", "PRECALL", "NOT_TAKEN"}
_FINAL = frozenset({"RETURN_VALUE", "RAISE_VARARGS", "RERAISE", "SPIN"})
_MOVES = frozenset({"SWAP", "STORE_FAST", "POP_TOP"})
_CLASS_NAMES = ("__doc__", "__module__", "__qualname__", "__firstlineno__", "__static_attributes__")
# what a conditional jump tests for, and whether it pops the value when it jumps; when it does not, it pops
_BRANCHES = {
    "POP_JUMP_IF_FALSE": (False, True),
    "POP_JUMP_IF_TRUE": (True, True),
    "JUMP_IF_FALSE_OR_POP": (False, False),
    "JUMP_IF_TRUE_OR_POP": (True, False),
}
_NONE_JUMPS = {"POP_JUMP_IF_NONE": "POP_JUMP_IF_TRUE", "POP_JUMP_IF_NOT_NONE": "POP_JUMP_IF_FALSE"}

_OPNAME = [n.replace("FORWARD_IF", "IF").replace("BACKWARD_IF", "IF") for n in opcode.opname]
_OPNAME = [n.replace("FAST_CHECK", "FAST").replace("FAST_BORROW", "FAST") for n in _OPNAME]
_BACKWARD = frozenset(op for name, op in opcode.opmap.items() if "BACKWARD" in name)
_JUMPS = frozenset(opcode.hasjrel) - {opcode.opmap["END_ASYNC_FOR"]}  # its argument is for monitoring only
_NAMES, _CONSTS = frozenset(opcode.hasname), frozenset(opcode.hasconst)
_LOCALS = frozenset((*opcode.haslocal, *opcode.hasfree))


def code_bytes(code: CodeType) -> bytes:
    """The normal form of `code` and the code objects in its constants; TypeError for a foreign constant."""
    named = code.co_argcount + code.co_kwonlyargcount + (code.co_flags >> 2 & 1) + (code.co_flags >> 3 & 1)
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & _FLAGS
    variables = code.co_varnames[:named], tuple(sorted(code.co_cellvars)), tuple(sorted(code.co_freevars))
    labels, successors = _Flow(code).graph()
    body = _emit(labels, successors, _minimise(labels, successors))
    return _joined(b"C", (_constant((counts, variables)), *body))


def decode(code: CodeType) -> tuple[list[Op], dict[int, int]]:
    """The instructions in plain form, and at which of them each code unit starts."""
    ops: list[Op] = []
    where = dict[int, int]()
    for unit, op, arg, after in _units(code.co_code):
        where[unit] = len(ops)
        name, target = _OPNAME[op], -1
        if op in _JUMPS:
            target = after - arg if op in _BACKWARD else after + arg
        if name in _NONE_JUMPS:
            ops += [("LOAD_CONST", None, 0, unit, -1), ("IS_OP", None, 0, unit, -1)]
            name = _NONE_JUMPS[name]
        plain = _plain(code, name, op, arg) if target < 0 else [(name, None, 0)]
        ops += [(n, value, bits, unit, target) for n, value, bits in plain]
    if not code.co_flags & 1:
        _drop_class_names(ops)
    return ops, where


def _units(raw: bytes) -> Iterator[tuple[int, int, int, int]]:
    """(first code unit, opcode, argument, code unit that a jump counts from) of each instruction."""
    high, first, at, end = 0, 0, 0, len(raw)
    while at < end:
        op, arg = raw[at], raw[at + 1] | high
        at += 2
        if op == opcode.EXTENDED_ARG:
            high = arg << 8
            continue
        while at < end and not raw[at]:  # co_code holds inline caches as zeros
            at += 2
        yield first, op, arg, at // 2
        high, first = 0, at // 2


def _plain(code: CodeType, name: str, op: int, arg: int) -> Iterable[tuple[str, object, int]]:
    """One instruction that does not jump, its argument looked up, or those that were merged into it."""
    if op in _CONSTS:
        if name == "RETURN_CONST":
            return [("LOAD_CONST", code.co_consts[arg], 0), ("RETURN_VALUE", None, 0)]
        return [(name, code.co_consts[arg], 0)]
    if op in _NAMES:
        shift = _NAME_SHIFT.get(name, 0)
        return [(name, code.co_names[arg >> shift], arg & (1 << shift) - 1)]
    if op in _LOCALS:
        local = code._varname_from_oparg  # type: ignore[attr-defined]  # the inverse of co_varnames, which typeshed leaves out
        first, _, second = name.partition("_FAST_")
        if second in ("LOAD_FAST", "STORE_FAST"):
            return [(first + "_FAST", local(arg >> 4), 0), (second, local(arg & 15), 0)]
        return [(name, local(arg), 0)]
    if name == "LOAD_SMALL_INT":
        return [("LOAD_CONST", arg, 0)]
    if name == "COMPARE_OP" and arg & _BOOL_COMPARE:
        return [(name, None, arg - _BOOL_COMPARE), ("TO_BOOL", None, 0)]
    return [(name, None, 0 if name == "END_ASYNC_FOR" else arg)]


def _drop_class_names(ops: list[Op]) -> None:
    """Silence what the compiler stores for a class or module, docstring included: the first store of each."""
    wanted = set(_CLASS_NAMES)
    for at in range(len(ops) - 1):
        (load, value, _, unit, _), (store, name, _, _, _) = ops[at : at + 2]
        if store == "STORE_NAME" and name in wanted and (load == "LOAD_CONST" or value == "__name__"):
            wanted.discard(str(name))
            ops[at : at + 2] = [("NOP", None, 0, unit, -1)] * 2


def _guards(table: bytes) -> Iterator[tuple[int, int, int]]:
    """(code unit, code unit of its handler, stack depth and lasti flag) of an exception table."""
    numbers, value = list[int](), 0
    for byte in table:
        value = value << 6 | byte & 63
        if not byte & 64:
            numbers.append(value)
            value = 0
    for start, length, target, depth in zip(*[iter(numbers)] * 4, strict=True):
        yield from ((unit, target, depth) for unit in range(start, start + length))


class _Flow:
    """The control flow graph of one code object, with the compiler's line-dependent rewrites undone."""

    def __init__(self, code: CodeType) -> None:
        self.ops, self.where = decode(code)
        self.ops.append(("SPIN", None, 0, -1, -1))  # where a loop of nothing but jumps leads
        handlers = {u: (d, [self.real(self.where[t])]) for u, t, d in _guards(code.co_exceptiontable)}
        self.handler = [handlers.get(op[3], (-1, [])) for op in self.ops]

    def graph(self) -> tuple[list[bytes], list[list[int]]]:
        """Labels and successors of the nodes that can be reached; node 0 is the entry."""
        order = [self.real(0)]
        number = {order[0]: 0}
        labels, successors = list[bytes](), list[list[int]]()
        for node in order:  # grows while we walk it
            label, targets = self.node(node)
            for target in targets:
                if target not in number:
                    number[target] = len(order)
                    order.append(target)
            labels.append(label)
            successors.append([number[target] for target in targets])
        return labels, successors

    def real(self, at: int) -> int:
        """The first instruction from `at` on that is more than a way to another one."""
        for _ in self.ops:
            op, _, _, _, target = self.ops[at]
            if op not in _SILENT:
                return at
            at = self.where[target] if op in _GOTO else at + 1
        return len(self.ops) - 1

    def test(self, at: int) -> Test | None:
        """What is tested here, if `at` is where a test begins."""
        op, _, bits, _, target = self.ops[at]
        if op in _BRANCHES:
            sense, pops = _BRANCHES[op]
            jump, fall = (pops, self.real(self.where[target])), (True, self.real(at + 1))
            return (fall, jump, at) if sense else (jump, fall, at)
        keeps = op == "COPY" and bits == 1
        after = self.test(self.real(at + 1)) if keeps or op == "TO_BOOL" else None
        if after is None or not (after[0][0] and after[1][0]):
            return None
        return (not keeps, after[0][1]), (not keeps, after[1][1]), after[2] if keeps else at

    def settled(self, edge: tuple[bool, int], truth: bool) -> tuple[bool, int]:
        """Follow a branch that keeps the value through further tests of it, whose outcome is known."""
        for _ in self.ops:
            pops, at = edge
            test = None if pops else self.test(at)
            if test is not None:
                edge = test[1] if truth else test[0]
            elif not pops and self.ops[at][0] == "POP_TOP":
                edge = True, self.real(at + 1)
            else:
                break
        return edge

    def node(self, at: int) -> tuple[bytes, list[int]]:
        """The label and the successors of a node."""
        test = self.test(at)
        if test is not None:
            false, true = self.settled(test[0], truth=False), self.settled(test[1], truth=True)
            return self.guarded(test[2], "TEST", false[0], true[0], [false[1], true[1]])
        op, value, bits, _, target = self.ops[at]
        if op in _MOVES:
            return self.move_node(at)
        targets = [] if op in _FINAL else [self.real(at + 1)]
        if target >= 0:
            targets.append(self.real(self.where[target]))
        return self.guarded(at, op, value, bits, targets)

    def move_node(self, at: int) -> tuple[bytes, list[int]]:
        """A run of swaps, pops and stores as one step: which slot each variable gets, which slots stay."""
        start, stored, stack, size = at, dict[str, int](), list[int](), 0
        while self.ops[at][0] in _MOVES and self.handler[at] == self.handler[start]:
            op, value, bits, _, _ = self.ops[at]
            while len(stack) < max(bits, 1):
                stack.append(size)
                size += 1
            if op == "SWAP":
                stack[0], stack[bits - 1] = stack[bits - 1], stack[0]
            elif (slot := stack.pop(0)) >= 0 and op == "STORE_FAST":
                stored[str(value)] = slot
            at = self.real(at + 1)
        while stack and stack[-1] == size - 1:
            size = stack.pop()
        return self.guarded(start, "MOVE", (tuple(sorted(stored.items())), tuple(stack)), size, [at])

    def guarded(self, at: int, op: str, value: object, bits: int, to: list[int]) -> tuple[bytes, list[int]]:
        depth, handler = self.handler[at]
        return b"%b %d %d:%b" % (op.encode(), bits, depth, _constant(value)), to + handler


def _minimise(labels: list[bytes], successors: list[list[int]]) -> list[int]:
    """Node → class; two nodes share one if nothing that can follow tells them apart."""
    ids: dict[bytes, int] = {}
    of = [ids.setdefault(label, len(ids)) for label in labels]
    size = [0] * len(ids)
    before: list[list[int]] = [[] for _ in labels]
    for node, targets in enumerate(successors):
        size[of[node]] += 1
        for target in targets:
            before[target].append(node)
    doubtful: Iterable[int] = range(len(labels))
    while doubtful:
        parts: dict[tuple[int, ...], list[int]] = {}
        for node in doubtful:
            if size[of[node]] > 1:
                parts.setdefault((of[node], *[of[t] for t in successors[node]]), []).append(node)
        doubtful = {p for node in _split(parts, of, size) for p in before[node]}
    return of


def _split(parts: dict[tuple[int, ...], list[int]], of: list[int], size: list[int]) -> Iterator[int]:
    """Move parts of classes to new ones; what was not in doubt stays, or else the largest part."""
    split: dict[int, list[list[int]]] = {}
    for key, part in parts.items():
        split.setdefault(key[0], []).append(part)
    for number, found in split.items():
        if sum(map(len, found)) == size[number]:
            found.remove(max(found, key=len))
        for part in found:
            size[number] -= len(part)
            for node in part:
                of[node] = len(size)
            size.append(len(part))
            yield from part


def _emit(labels: list[bytes], successors: list[list[int]], of: list[int]) -> Iterator[bytes]:
    """The label of each class and the numbers of its successors, from the entry on."""
    number, order = {of[0]: 0}, [0]
    for node in order:  # grows while we walk it
        for target in successors[node]:
            if of[target] not in number:
                number[of[target]] = len(order)
                order.append(target)
        yield labels[node]
        yield b",".join(b"%d" % number[of[target]] for target in successors[node])


def _joined(tag: bytes, parts: Iterable[bytes]) -> bytes:
    return tag + b"".join([b"%d:%b" % (len(part), part) for part in parts])


def _constant(value: object) -> bytes:
    """A typed form of a constant: the first byte tells the type, whoever joins it with others its length."""
    encode = _ENCODERS.get(type(value))
    if encode is None:
        raise TypeError(f"no compiler makes a constant of type {type(value).__qualname__} in a code object")
    return encode(value)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    str: lambda v: b"s" + v.encode("utf-8", "surrogatepass"),
    int: lambda v: b"i%x" % v,  # in base 16, because str() of a very long int is refused
    bool: lambda v: b"b%d" % v,
    type(None): lambda _: b"N",
    type(...): lambda _: b"E",
    bytes: lambda v: b"y" + v,
    float: lambda v: b"f" + v.hex().encode(),
    complex: lambda v: _joined(b"c", (_constant(v.real), _constant(v.imag))),
    tuple: lambda v: _joined(b"t", map(_constant, v)),
    frozenset: lambda v: _joined(b"z", sorted(map(_constant, v))),
    slice: lambda v: _joined(b"l", map(_constant, (v.start, v.stop, v.step))),
    CodeType: code_bytes,
}
