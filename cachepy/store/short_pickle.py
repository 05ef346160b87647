"""Pickles of numbers, texts and plain containers, read without `_pickle`.

Importing that makes Python load `functools` and `collections`, which costs a short program as much as all else that a
hit needs.  So while nobody else has loaded it, a short pickle is read here if it is of such values; what it shows is
what `_pickle` would make of it (see ``tests/properties/test_short_pickle.py``).
"""

from __future__ import annotations

from _struct import unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SHORT = 2048  # bytes; of more, importing is quicker
_FORMS = {0x4A: ("<i", 4), 0x4B: ("<B", 1), 0x4D: ("<H", 2), 0x47: (">d", 8)}  # BININT, BININT1, BININT2, BINFLOAT
_WIDTHS = {0x8C: 1, 0x58: 4, 0x43: 1, 0x42: 4, 0x8A: 1}  # texts, bytes, long integers: of the number before them
_TEXTS = frozenset({0x8C, 0x58})
_BYTES = frozenset({0x43, 0x42})
_CONSTANTS = {0x4E: None, 0x88: True, 0x89: False, 0x29: ()}
_FIXED_TUPLES = {0x85: 1, 0x86: 2, 0x87: 3}


class NotPlainError(ValueError):
    """There is something else in it, or it is damaged: `_pickle` will say."""


def loads(data: bytes) -> Any:
    """The value of a pickle; NotPlainError if it is not surely one of plain values.

    >>> from pickle import dumps
    >>> loads(dumps({"a": [1, 2.5, None]}))
    {'a': [1, 2.5, None]}
    """
    try:
        return _Reader(data).read()
    except Exception as error:  # what it says of damage is of no use
        raise NotPlainError(str(error)) from None


class _Reader:
    __slots__ = ("at", "data", "marks", "memo", "stack")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 2
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: list[Any] = []

    def read(self) -> Any:
        data = self.data
        if data[0] != 0x80 or not 4 <= data[1] <= 5:
            raise NotPlainError("another protocol")
        while (op := data[self.at]) != 0x2E:  # STOP
            self.at += 1
            if op in _FORMS:
                form, size = _FORMS[op]
                self.stack.append(unpack_from(form, data, self.at)[0])
                self.at += size
            elif op in _WIDTHS:
                self.stack.append(self._counted(op))
            elif op in _CONSTANTS:
                self.stack.append(_CONSTANTS[op])
            else:
                self._other(op)
        if len(self.stack) != 1 or self.marks:
            raise NotPlainError("items are left over")
        return self.stack[0]

    def _number(self, size: int) -> int:
        self.at += size
        return int.from_bytes(self.data[self.at - size : self.at], "little")

    def _counted(self, op: int) -> Any:
        size = self._number(_WIDTHS[op])
        part = self.data[self.at : self.at + size]
        if len(part) != size:
            raise NotPlainError("it was cut off")
        self.at += size
        if op in _TEXTS:
            return part.decode("utf-8", "surrogatepass")
        return part if op in _BYTES else int.from_bytes(part, "little", signed=True)

    def _other(self, op: int) -> None:
        stack = self.stack
        if op == 0x94:  # MEMOIZE
            self.memo.append(stack[-1])
        elif op == 0x68:  # BINGET
            stack.append(self.memo[self._number(1)])
        elif op == 0x6A:  # LONG_BINGET
            stack.append(self.memo[self._number(4)])
        elif op == 0x95:  # FRAME: one, for all that follows
            if self._number(8) != len(self.data) - self.at:
                raise NotPlainError("it was cut off")
        elif op == 0x28:  # MARK
            self.marks.append(len(stack))
        elif op == 0x5D:  # EMPTY_LIST
            stack.append([])
        elif op == 0x7D:  # EMPTY_DICT
            stack.append({})
        elif op in _FIXED_TUPLES:
            stack.append(tuple(self._taken(len(stack) - _FIXED_TUPLES[op])))
        elif op == 0x74:  # TUPLE
            stack.append(tuple(self._taken(self.marks.pop())))
        else:
            self._fill(op)

    def _fill(self, op: int) -> None:
        """A list or a dict, which lies below what goes into it."""
        if op in b"ae":  # APPEND, APPENDS
            items = self._taken(self.marks.pop() if op == 0x65 else len(self.stack) - 1)
            self._top(list).extend(items)
        elif op in b"su":  # SETITEM, SETITEMS
            items = self._taken(self.marks.pop() if op == 0x75 else len(self.stack) - 2)
            self._top(dict).update(zip(items[::2], items[1::2], strict=True))
        else:
            raise NotPlainError(f"the opcode {op:#x}")

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind or (self.marks and self.marks[-1] >= len(self.stack)):
            raise NotPlainError("it fills something else")
        return self.stack[-1]

    def _taken(self, start: int) -> list[Any]:
        if start < 0 or (self.marks and start < self.marks[-1]):
            raise NotPlainError("too few items")
        items = self.stack[start:]
        del self.stack[start:]
        return items
