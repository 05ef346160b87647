"""Whether a script has come to its own end, with exit code 0, told when Python ends.

The frame of its code stands where it was left: at a return, or at what raised. Of what raised, `sys.exit` with a value
that is known is an end too.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from types import CodeType
    from typing import Any

_RETURNS = frozenset({"RETURN_VALUE", "RETURN_CONST"})
_LOADS = frozenset({"LOAD_CONST", "LOAD_SMALL_INT"})
_UNKNOWN = object()
_LATER = 0x20 | 0x80 | 0x200  # code of generators and coroutines: to call it runs nothing


def ended_well(frame: Any, file: str) -> bool:
    """Whether the code of a module ran to its end, or left by an exit with 0."""
    from opcode import opname

    if frame.f_lasti < 0:
        return False
    if opname[frame.f_code.co_code[frame.f_lasti]] in _RETURNS:
        return True
    return _is_zero(_exit_code(frame, file))


def _is_zero(code: object) -> bool:
    return code is None or (type(code) in (int, bool) and code == 0)


def _exit_code(frame: Any, file: str) -> object:
    """What the frame exited with, as far as that can be told."""
    import ast

    place = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    tree = _tree(frame.f_code, file)
    for node in () if tree is None else ast.walk(tree):
        if isinstance(node, (ast.Call, ast.Raise)) and _place_of(node) == place:
            raised = node.exc if isinstance(node, ast.Raise) else node
            return _code_of(raised, frame.f_globals, is_raised=isinstance(node, ast.Raise))
    return _UNKNOWN


def _tree(code: CodeType, file: str) -> ast.Module | None:
    """The source as it was when it was compiled: it may have been edited since."""
    import ast
    from tokenize import open as opened

    try:
        with opened(file) as source:
            text = source.read()
        same = compile(text, code.co_filename, "exec", dont_inherit=True)
        return ast.parse(text) if same == code else None
    except (OSError, SyntaxError, ValueError):
        return None


def _place_of(node: Any) -> tuple[int, int, int, int]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _code_of(node: Any, scope: dict[str, Any], *, is_raised: bool) -> object:
    """The exit code of ``sys.exit(...)`` or ``raise SystemExit(...)``."""
    import ast

    if not isinstance(node, ast.Call):
        return None if is_raised and _value(node, scope) is SystemExit else _UNKNOWN
    leaves = _value(node.func, scope)
    if is_raised != (leaves is SystemExit) or not _exits(leaves) or node.keywords or len(node.args) > 1:
        return _UNKNOWN
    return _argument(node.args[0], scope) if node.args else None


def _exits(obj: object) -> bool:
    return obj is SystemExit or (obj is sys.exit and type(obj) is type(len)) or type(obj).__name__ == "Quitter"


def _argument(node: Any, scope: dict[str, Any]) -> object:
    """A value that cannot be another one than it was when it was passed."""
    import ast

    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return _value(node, scope)
    return _returned(_value(node.func, scope)) if isinstance(node, ast.Call) else _UNKNOWN


def _value(node: Any, scope: dict[str, Any]) -> Any:
    """What a name, or an attribute of one, means at the end."""
    import ast
    import builtins

    if isinstance(node, ast.Name):
        return scope.get(node.id, vars(builtins).get(node.id, _UNKNOWN))
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return getattr(scope.get(node.value.id), node.attr, _UNKNOWN)
    return _UNKNOWN


def _returned(fn: Any) -> object:
    """What a function returns, if that is 0 or nothing wherever it does."""
    from dis import get_instructions

    if type(fn) is not type(_returned) or fn.__code__.co_flags & _LATER:
        return _UNKNOWN
    before: Any = None
    for each in get_instructions(fn.__code__):
        if each.opname == "RETURN_CONST" and not _is_zero(each.argval):
            return _UNKNOWN
        is_known = before is not None and before.opname in _LOADS and not each.is_jump_target
        if each.opname == "RETURN_VALUE" and not (is_known and _is_zero(before.argval)):
            return _UNKNOWN
        before = each
    return None
