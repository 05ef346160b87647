"""Modules that code reaches: by the attributes that it names, or as a whole if one is handed on."""

from __future__ import annotations

from cachepy.code.extensions import extension
from cachepy.code.members import FUNCTION, MODULE
from cachepy.code.patches import follow, is_namespace
from cachepy.code.pieces import bound_piece
from cachepy.core.revision import MISSING
from cachepy.values.modules import MAIN, PACKAGE, USER, main_name, module_name, scope_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.code.walking import Chains, Walk

ANY: Chains = ((),)
_OF_THE_PROCESS = frozenset({
    "__spec__", "__loader__", "__builtins__", "__file__", "__cached__", "__path__", "__name__", "__package__",
    "__doc__", "__warningregistry__", "__annotations__", "__annotate__", "__conditional_annotations__",
})  # fmt: skip
_NOTEBOOK = "_+|_i+|_i?[0-9]+|_[iod]h|In|Out|get_ipython|exit|quit|open"


def describe_module(walk: Walk, label: str, module: Any, chains: Chains) -> str:
    """What code uses of a module."""
    kind, name = walk.origins.of_module(module), module_name(module)
    walk.pieces.append(bound_piece(label, name))
    if kind != USER:
        walk.steps.leads_out("subprocess" if ("fork",) in chains else name)
        follow(walk, name, module, chains)
        if kind == PACKAGE and (() in chains or not is_namespace(scope_of(module))):
            return walk.package(module)
        return f"{kind} {name}"
    if () in chains:
        walk.number(module)
    if type(module) is not MODULE:
        walk.bind(f"{name}.__class__", type(module))
    _use(walk, scope_of(module), module, chains)
    return f"module {name}{extension(walk, module)}"


def use_scope(walk: Walk, scope: dict[str, Any], chains: Chains) -> str:
    """What code uses of the module that it is in itself, by whatever name that has in this process."""
    if () in chains:
        walk.number(scope)
    _use(walk, scope, scope, chains)
    return home_of_scope(scope)


def home_of_scope(scope: dict[str, Any]) -> str:
    """The canonical name of the module with these globals."""
    name = scope.get("__name__")
    return main_name(scope) if name in MAIN else str(name)


def _use(walk: Walk, scope: dict[str, Any], whole: Any, chains: Chains) -> None:
    for head in sorted({chain[0] for chain in chains if chain}):
        if head == "__dict__":
            walk.number(whole)
        else:
            _attribute(walk, scope, head, [chain[1:] for chain in chains if chain and chain[0] == head])


def _attribute(walk: Walk, scope: dict[str, Any], name: str, chains: Chains) -> None:
    made = _made_on_demand(scope, name)
    obj = scope.get(name, made)
    walk.guard.item(scope, name, scope.get(name, MISSING))
    label = f"{home_of_scope(scope)}.{name}"
    if obj is not MISSING:
        walk.bind(label, obj, chains)
        if name not in scope:
            _attribute(walk, scope, "__getattr__", ANY)
        return
    walk.lines.append(f"{label} unbound")
    if "__getattr__" in scope and name != "__getattr__":
        _attribute(walk, scope, "__getattr__", ANY)


def _made_on_demand(scope: dict[str, Any], name: str) -> Any:
    """The module that a module imports when it is first asked for it, as the body would; of other things nothing."""
    if name in scope or "__getattr__" not in scope or name[:2] == "__":
        return MISSING
    try:
        found = scope["__getattr__"](name)
    except KeyboardInterrupt:
        raise
    except BaseException:  # code of the user's: the body may never ask
        return MISSING
    return found if isinstance(found, MODULE) else MISSING


def visit_whole(walk: Walk, module: Any) -> None:
    """A module, or its globals, that is handed on or looked into dynamically."""
    if type(module) is dict:
        _visit_scope(walk, module)
        return
    extension_line = extension(walk, module)
    if extension_line:
        walk.lines.append(extension_line)
    _visit_scope(walk, scope_of(module))


def _visit_scope(walk: Walk, scope: dict[str, Any]) -> None:
    """All that is in a module counts, but for what its process or its notebook put there."""
    home = home_of_scope(scope)
    walk.pieces.append(bound_piece(f"{home}.*", home))  # a name that is new in it counts
    noise = _noise_of_notebooks() if "get_ipython" in scope else lambda _: None
    walk.guard.names(scope)
    for each, obj in sorted(scope.items(), key=lambda row: str(row[0])):
        if isinstance(each, str) and each not in _OF_THE_PROCESS and each[:1] != "@" and not noise(each):
            _member(walk, scope, f"{home}.{each}", each, obj)


def _noise_of_notebooks() -> Callable[[str], object]:
    import re  # a notebook has loaded it

    return re.compile(_NOTEBOOK).fullmatch


def _member(walk: Walk, scope: dict[str, Any], label: str, name: str, obj: Any) -> None:
    """Code of others counts by which it is; if it may hold code of the user's, and all else, by what it is."""
    walk.guard.item(scope, name, obj)
    is_code = isinstance(obj, (type, MODULE)) or (type(obj) is FUNCTION and not obj.__closure__ and not obj.__dict__)
    if not is_code or walk.origins.of(obj) == USER:
        walk.bind(label, obj)
    elif isinstance(obj, MODULE):
        walk.lines.append(f"{label}=module {module_name(obj)} {walk.package(obj)}")
    else:
        walk.lines.append(f"{label}={obj.__module__}.{obj.__qualname__} {walk.package(obj)}")
        walk.pieces.append(bound_piece(label, f"{obj.__module__}.{obj.__qualname__}"))
