"""Pickles of builtins only: written by the C pickler, read without ever running code.

What cannot be trusted to be ours (graph files, headers of entries, mailboxes) is read by `loads`,
which refuses every global name.  It walks over the opcodes first, since some that are no code do harm too:
a memo of a billion places, or a key of a dict that is nested so deep that its hash overflows the C stack.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PROTOCOL = 5
_INFLATED = 1 << 24  # bytes at most of what a damaged file may claim to hold
_SCALARS = {"N": 1, "\x88": 1, "\x89": 1, "K": 2, "M": 3, "J": 5, "G": 9}  # with their arguments
_FIXED = [_SCALARS.get(chr(op), 0) for op in range(256)]
_COUNTED = {0x8C: 1, 0x58: 4, 0x43: 1, 0x42: 4, 0x8A: 1, 0x8D: 8, 0x8E: 8}  # text, bytes, ints: width of their lengths
_TUPLES = {0x85: 1, 0x86: 2, 0x87: 3}
_EMPTY = b")]}"


def dumps(value: object) -> bytes:
    """Pickle nested tuples, lists, dicts and scalars; the keys of dicts are scalars."""
    from _pickle import dumps as write

    return write(value, PROTOCOL)


def loads(data: bytes | memoryview) -> Any:
    """Load what `dumps` wrote; any failure is a ValueError.

    >>> loads(dumps({"a": (1, None)}))
    {'a': (1, None)}
    """
    try:
        data = bytes(data)
        _check(data)
        from cachepy.store.builtins_unpickler import load

        return load(data)
    except Exception as error:  # damaged pickles raise almost anything
        raise ValueError(f"not a pickle of plain data: {error}") from error


def inflated(packed: bytes) -> Any:
    """Load what `dumps` wrote and zlib compressed; any failure is an error, of one kind or another."""
    import zlib

    stream = zlib.decompressobj()
    plain = stream.decompress(packed, _INFLATED)
    if not stream.eof:  # and so its checksum has not been looked at
        raise ValueError("cut off")
    return loads(plain)


def _check(data: bytes) -> None:
    """An error unless all opcodes are such as `dumps` writes, and no key of a dict is a container.

    The stack, the memo and the marks hold whether something is a container; they never grow faster than the data.
    """
    stack: list[bool] = []
    memo: list[bool] = []
    marks: list[int] = []
    at = 2  # behind the protocol
    while (op := data[at]) != 0x2E:  # STOP
        at += 1
        size = _FIXED[op]
        if size:
            at += size - 1
            stack.append(False)
        elif op == 0x94:  # MEMOIZE
            memo.append(stack[-1])
        elif op == 0x8C:  # SHORT_BINUNICODE
            at += 1 + data[at]
            stack.append(False)
        elif op == 0x68:  # BINGET
            stack.append(memo[data[at]])
            at += 1
        elif op == 0x28:  # MARK
            marks.append(len(stack))
        elif op in _COUNTED:
            width = _COUNTED[op]
            at += width + int.from_bytes(data[at : at + width], "little")
            stack.append(False)
        elif op == 0x6A:  # LONG_BINGET
            stack.append(memo[int.from_bytes(data[at : at + 4], "little")])
            at += 4
        elif op == 0x95:  # FRAME
            at += 8
        else:
            _build(op, stack, marks)


def _build(op: int, stack: list[bool], marks: list[int]) -> None:
    """What an opcode does that makes a container, or fills one."""
    if op in _EMPTY:
        stack.append(True)
    elif op in _TUPLES:
        _pop(stack, len(stack) - _TUPLES[op])
        stack.append(True)
    elif op == 0x74:  # TUPLE
        _pop(stack, marks.pop())
        stack.append(True)
    elif op in b"ae":  # APPEND, APPENDS
        _pop(stack, marks.pop() if op == 0x65 else len(stack) - 1)
    elif op in b"su":  # SETITEM, SETITEMS
        items = _pop(stack, marks.pop() if op == 0x75 else len(stack) - 2)
        if any(items[::2]):
            raise ValueError("refused a key that is a container")
    else:
        raise ValueError(f"refused the opcode {op:#x}, which plain data does not have")


def _pop(stack: list[bool], start: int) -> list[bool]:
    if start < 0:
        raise ValueError("too few items")
    items = stack[start:]
    del stack[start:]
    return items
