"""Canonical forms of xarray and pint objects, from what they are made of.

Both have tokens for Dask, which show neither strides of arrays nor where one text ends and the next begins.  Reached
only through a value of theirs, so that importing them here costs nothing new.
"""

from __future__ import annotations

from cachepy.values.builtin_normalizers import attributes_of
from cachepy.values.references import form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.values.writing import Rule, ValuePickler

_SETTINGS = (
    "autoconvert_offset_to_baseunit", "autoconvert_to_preferred", "case_sensitive", "default_system", "force_ndarray",
    "force_ndarray_like",
)  # fmt: skip


def labelled_rule(cls: type, library: str) -> Rule | None:
    """The rule for a class that derives from one of these libraries; None: as pickle does it."""
    return (_xarray if library == "xarray" else _pint)(cls)


# -- xarray


def _xarray(cls: type) -> Rule | None:
    import xarray as xr

    kinds = ((xr.DataArray, _data_array), (xr.Dataset, _dataset), (xr.Variable, _variable))
    tree = getattr(xr, "DataTree", None)
    if tree is not None and issubclass(cls, tree):
        return _tree
    return next((rule for kind, rule in kinds if issubclass(cls, kind)), None)


def _own(obj: Any) -> list[tuple[str, Any]]:
    """What a class of the user's keeps beside what xarray does."""
    theirs = {name for base in type(obj).__mro__ if base.__module__.startswith("xarray.") for name in _slots(base)}
    return [row for row in attributes_of(obj) if row[0] not in theirs]


def _slots(cls: type) -> tuple[str, ...]:
    names = vars(cls).get("__slots__", ())
    return (names,) if isinstance(names, str) else tuple(names)


def _variable(variable: Any, _: ValuePickler) -> Any:
    about = dict(variable.attrs), dict(variable.encoding)
    return form("variable", type(variable), variable.dims, _data(variable), *about)


def _data(variable: Any) -> Any:
    """What an index has, or the elements, wherever they are: in memory, in a file, to be computed."""
    import xarray as xr

    if isinstance(variable, xr.IndexVariable):
        return variable.to_index(), str(variable.dtype)
    kept = variable._data
    if type(kept).__module__.startswith("xarray."):  # a view of an index, or of a file
        return variable.values
    return variable.data


def _indexes(obj: Any) -> list[tuple[str, str, Any]]:
    """Which names have an index, and those that are more than a coordinate made searchable."""
    plain = "PandasIndex", "PandasMultiIndex"
    rows = sorted(obj.xindexes.items(), key=lambda row: str(row[0]))
    return [(name, type(i).__name__, None if type(i).__name__ in plain else i) for name, i in rows]


def _data_array(array: Any, _: ValuePickler) -> Any:
    coords = {name: coord.variable for name, coord in array.coords.items()}
    return form("data array", type(array), array.name, array.variable, coords, _indexes(array), _own(array))


def _dataset(data: Any, _: ValuePickler) -> Any:
    parts = dict(data.variables), sorted(map(str, data.coords)), _indexes(data), dict(data.attrs), dict(data.encoding)
    return form("dataset", type(data), *parts, _own(data))


def _tree(tree: Any, _: ValuePickler) -> Any:
    return form("tree", type(tree), tree.name, tree.to_dict())


# -- pint


def _pint(cls: type) -> Rule | None:
    names = {base.__name__ for base in cls.__mro__ if base.__module__.startswith("pint.")}
    rules = {"PlainQuantity": _quantity, "PlainUnit": _unit, "GenericPlainRegistry": _registry}
    return next((rule for name, rule in rules.items() if name in names), None)


def _quantity(quantity: Any, _: ValuePickler) -> Any:
    return form("quantity", quantity.magnitude, *_units(quantity))


def _unit(unit: Any, _: ValuePickler) -> Any:
    return form("unit", *_units(unit))


def _units(obj: Any) -> tuple[Any, ...]:
    """The units as they are written, and what each of them is in the registry of the object."""
    registry = obj._REGISTRY
    written = sorted((name, str(power)) for name, power in obj._units.items())
    return written, [(name, *_meaning(registry, name)) for name, _ in written], _settings(registry)


def _meaning(registry: Any, name: str) -> tuple[Any, ...]:
    """How a unit comes from root units."""
    units = type(registry.parse_units("")._units)
    factor, roots = registry._get_root_units(units({name: 1}), check_nonmult=False)
    return str(factor), str(roots), repr(registry._units[name].converter)


def _settings(registry: Any) -> list[str]:
    contexts = [str(getattr(context, "name", "")) for context in registry._active_ctx.contexts]
    written = getattr(registry.formatter, "default_format", "")
    return [*(str(getattr(registry, name, None)) for name in _SETTINGS), str(written), *contexts]


def _registry(registry: Any, pickler: ValuePickler) -> Any:
    """All definitions, read once for each state of the table; not what it has found since."""
    units = registry._units
    mark = tuple(map(id, units.values())), tuple(map(id, registry._prefixes.values()))
    kept = pickler.digester.kept
    if id(registry) not in kept or kept[id(registry)][1] != mark:
        digest = pickler.digester.digest(sorted(_definitions(registry)))
        mark = tuple(map(id, registry._units.values())), mark[1]
        kept[id(registry)] = registry, mark, digest
    return form("units", kept[id(registry)][2], _settings(registry))


def _definitions(registry: Any) -> list[str]:
    prefixes = tuple(name for name in registry._prefixes if name)
    rows = [f"{name} {definition!r}" for name, definition in registry._prefixes.items()]
    for name, definition in registry._units.items():
        made = next((p for p in prefixes if name.startswith(p) and name[len(p) :] in registry._units), None)
        if made is None:  # others come of themselves, when somebody uses them
            rows.append(f"{name} {definition!r}")
    return [*rows, *(f"{name} {sorted(map(str, context.funcs))}" for name, context in registry._contexts.items())]
