"""Which rule digests the instances of a class: by its name, by what it declares, by what it is derived from."""

from __future__ import annotations

import copyreg

from cachepy.values.bound_methods import Bound
from cachepy.values.builtin_normalizers import (
    CacheNames,
    address_rule,
    bound_rule,
    builtin_rule,
    class_rule,
    code_rule,
    curry_rule,
    entry_rule,
    enum_rule,
    exception_rule,
    finalizer_rule,
    function_rule,
    has_attributes,
    has_caches,
    lazy_names,
    lazy_rule,
    lazy_state_rule,
    logger_rule,
    lru_rule,
    mapping_proxy_rule,
    memoryview_rule,
    method_kind_rule,
    module_rule,
    named_by,
    named_callable_rule,
    object_rule,
    own_digest_rule,
    own_path_rule,
    partial_rule,
    path_rule,
    private_rule,
    proxy_rule,
    reduced_rule,
    set_rule,
    stand_rule,
    struct_rule,
    time_rule,
    token_and_state_rule,
    tokenize_rule,
    with_caller_rule,
    zip_path_rule,
)
from cachepy.values.modules import PACKAGE, STDLIB, USER
from cachepy.values.references import REGISTERED, members_of_class, module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.values.writing import Rule, ValuePickler

_MODULE = type(copyreg)
_LIBRARIES = {"numpy", "pandas", "pyarrow", "polars", "scipy", "torch", "xarray", "pint"}
_MORE = {
    "anndata", "astropy", "dask", "lightgbm", "matplotlib", "mudata", "numba", "pydantic", "scipy", "sklearn",
    "sqlalchemy", "statsmodels", "xarray", "xgboost",
}  # fmt: skip
_DASKS = frozenset({"normalize_token", "tokenize"})
_BY_NAME: dict[tuple[str, str], Rule] = {
    ("builtins", "type"): class_rule,
    ("builtins", "function"): function_rule,
    ("builtins", "module"): module_rule,
    ("builtins", "builtin_function_or_method"): builtin_rule,
    ("builtins", "mappingproxy"): mapping_proxy_rule,
    ("builtins", "memoryview"): memoryview_rule,
    ("builtins", "staticmethod"): method_kind_rule,
    ("builtins", "classmethod"): method_kind_rule,
    ("builtins", "method"): bound_rule,
    ("builtins", "code"): code_rule,
    ("cachepy.values.stand_ins", "Watched"): builtin_rule,
    ("functools", "_lru_cache_wrapper"): lru_rule,
    ("cachepy.values.stand_ins", "Stand"): stand_rule,
    ("functools", "partial"): partial_rule,
    ("cachepy.values.bound_methods", "Partial"): partial_rule,
    ("zipfile", "Path"): zip_path_rule,
    ("zipfile._path", "Path"): zip_path_rule,
    ("weakref", "ProxyType"): proxy_rule,
    ("weakref", "CallableProxyType"): proxy_rule,
    ("weakref", "finalize"): finalizer_rule,
    ("pydantic.fields", "ModelPrivateAttr"): private_rule,
    ("_struct", "Struct"): struct_rule,
    ("ipaddress", "IPv6Address"): address_rule,
    ("toolz.functoolz", "curry"): curry_rule,
    ("cytoolz.functoolz", "curry"): curry_rule,
}


def _delayed_rule(value: Any, pickler: ValuePickler) -> Any:
    """Few programs have one."""
    from cachepy.values.delayed import delayed_rule

    return delayed_rule(value, pickler)


_BY_BASE: dict[tuple[str, str], Rule] = {
    ("enum", "Enum"): enum_rule,
    ("datetime", "datetime"): time_rule,
    ("datetime", "time"): time_rule,
    ("logging", "Logger"): logger_rule,
    ("cachepy.calls.context", "with_caller"): with_caller_rule,
    ("dask.delayed", "Delayed"): _delayed_rule,
}


def find_rule(
    cls: type, kind_of: Callable[[type], str], own: dict[type, Callable[[Any], Any]] | None = None
) -> Rule | None:
    """The rule for instances of a class; None: as pickle does it.

    kind_of: whose a class is; own: by types, what the user says stands for their instances.
    """
    if own or REGISTERED:
        from cachepy.values.own_digests import rule_of  # few programs say so

        users = rule_of(cls, own)
        if users is not None:
            return users
    rule = _rule_of(cls, kind_of)
    if _definer(cls, "__fspath__") is not None and rule is not path_rule and rule is not own_path_rule:
        return entry_rule if cls.__name__ == "DirEntry" and cls.__module__ in ("posix", "nt") else named_by(rule)
    return rule


def may_alter(cls: type, kind_of: Callable[[type], str]) -> bool:
    """Whether storage may bring back another object than it was given: a class tells pickle itself what it is."""
    if kind_of(cls) == STDLIB or issubclass(cls, (type, _MODULE)) or (cls.__module__, cls.__name__) in _BY_NAME:
        return False
    derived = _derived_rule(cls)
    if derived is not None:  # what is Dask's may hold functions that come back without their names
        return derived is _delayed_rule or derived is _further_rule(cls)
    return _declared_rule(cls, kind_of) is None and (not _is_plain(cls) or hasattr(cls, "__setstate__"))


def _rule_of(cls: type, kind_of: Callable[[type], str]) -> Rule | None:
    named = bound_rule if cls is Bound else _BY_NAME.get((cls.__module__, cls.__name__))
    if named is not None:
        return named
    if cls.__module__ in ("typing", "annotationlib"):
        from cachepy.values.type_hints import hint_rule

        named = hint_rule(cls)
        if named is not None:
            return named
    if issubclass(cls, type):
        return class_rule
    if issubclass(cls, _MODULE):
        return module_rule
    return _declared_rule(cls, kind_of) or _derived_rule(cls) or _object_rule(cls, kind_of)


def _declared_rule(cls: type, kind_of: Callable[[type], str]) -> Rule | None:
    """What a class itself says it is; a library's token is not believed."""
    if _definer(cls, "__cachepy_digest__") is not None:
        return own_digest_rule
    definer = _definer(cls, "__dask_tokenize__")
    if definer is None or kind_of(definer) != USER:
        return None
    names = getattr(getattr(vars(definer)["__dask_tokenize__"], "__code__", None), "co_names", ())
    return tokenize_rule if _DASKS.isdisjoint(names) else token_and_state_rule


def _definer(cls: type, name: str) -> type | None:
    """The class that defines a name, without asking a metaclass."""
    return next((base for base in cls.__mro__ if name in members_of_class(base)), None)


def _derived_rule(cls: type) -> Rule | None:
    """The rule for what is derived from a class that has one."""
    rule = _further_rule(cls)
    if rule is not None:
        return rule
    for base in cls.__mro__:
        module = module_of(base)
        library = module.partition(".")[0]
        if library in _LIBRARIES:
            from cachepy.values.library_normalizers import recipe_for

            return recipe_for(cls, library)
        if module.startswith("pathlib") and base.__name__ == "PurePath":
            return path_rule if cls.__module__.startswith("pathlib") else own_path_rule
        rule = _BY_BASE.get((module, base.__name__))
        if rule is not None:
            return rule
    if issubclass(cls, (set, frozenset)) and cls.__reduce__ in (set.__reduce__, frozenset.__reduce__):
        return set_rule
    return None


def _further_rule(cls: type) -> Rule | None:
    """The rule for a class of a library of which only few classes need one."""
    if _MORE.isdisjoint(module_of(base).partition(".")[0] for base in cls.__mro__):
        return None
    from cachepy.values.library_states import rule_among

    return rule_among(cls)


def _object_rule(cls: type, kind_of: Callable[[type], str]) -> Rule | None:
    lazy = lazy_names(cls)
    if kind_of(cls) == PACKAGE and has_caches(cls):
        lazy = CacheNames(lazy)
    if _is_plain(cls):
        return lazy_rule(lazy) if lazy else object_rule
    if issubclass(cls, BaseException) and kind_of(cls) != PACKAGE:
        return exception_rule if kind_of(cls) != USER else reduced_rule(lazy)
    if kind_of(cls) == PACKAGE and _definer(cls, "__call__") is not None and has_attributes(cls):
        return named_callable_rule
    if kind_of(cls) != USER or not has_attributes(cls):
        return lazy_state_rule(lazy) if lazy and kind_of(cls) == PACKAGE and cls not in copyreg.dispatch_table else None
    definers = [_definer(cls, name) for name in ("__reduce_ex__", "__reduce__", "__getstate__")]
    by_package = any(each is not None and kind_of(each) == PACKAGE for each in definers)  # it knows its caches
    if by_package:
        return lazy_state_rule(lazy) if lazy else None
    return reduced_rule(lazy)


def _is_plain(cls: type) -> bool:
    """Whether pickle would write its class, its attributes and nothing else."""
    special = "__getnewargs__", "__getnewargs_ex__"
    return (
        getattr(cls, "__reduce_ex__", None) is object.__reduce_ex__
        and getattr(cls, "__reduce__", None) is object.__reduce__
        and getattr(cls, "__getstate__", None) is getattr(object, "__getstate__", None)
        and all(_definer(cls, name) is None for name in special)
        and not issubclass(cls, (list, dict, set, frozenset, tuple, str, bytes, bytearray, int, float))
        and cls not in copyreg.dispatch_table
    )
