"""Canonical forms of objects of further libraries: what they are made of, without what they found out since.

A library's own pickle also writes what nobody means: counters, ids, handles, what was computed once.
Reached only through a value of such a library, so that importing it here costs nothing new.
"""

from __future__ import annotations

from cachepy.values.builtin_normalizers import around, attributes_of, state_of
from cachepy.values.references import digest_bytes, form, module_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from cachepy.values.writing import Rule, ValuePickler


def without(*names: str) -> Rule:
    """The rule for objects of which some attributes are made of the others."""

    def rule(obj: Any, _: ValuePickler) -> Any:
        return (*form("object", type(obj)), [row for row in attributes_of(obj) if row[0] not in names])

    return rule


# -- scipy, scikit-learn


_COUNTERS = slice(7, 11)  # of trims, leaves, splits and calls: each query counts


def _binary_tree(tree: Any, _: ValuePickler) -> Any:
    state = list(tree.__getstate__())
    state[_COUNTERS] = []
    return form("tree", type(tree), state)


def _neighbors(model: Any, _: ValuePickler) -> Any:
    """The tree is built from the points that it was fitted to, and counts how often it was asked."""
    rows = [row for row in state_of(model) if row[0] != "_tree" or not hasattr(model, "_fit_X")]
    return (*form("object", type(model)), rows)


def _spline(spline: Any, _: ValuePickler) -> Any:
    """Its knots and coefficients, of which FITPACK keeps longer arrays than it fills, and its data."""
    rest = [row for row in attributes_of(spline) if row[0] != "_data"]
    return form("spline", type(spline), spline._data[:5], rest)


# -- astropy, matplotlib


def _compound(model: Any, _: ValuePickler) -> Any:
    """A model of two others; the tables that it makes of them are filled as it is used."""
    limits = [sorted(getattr(model, name).items()) for name in ("fixed", "bounds", "tied")]
    about = model.name, model.inputs, model.outputs, model.parameters, limits
    return form("compound", type(model), model.op, model.left, model.right, *about)


def _callbacks(registry: Any, _: ValuePickler) -> Any:
    """What it can tell of; who listens is of this process."""
    return form("callbacks", type(registry), sorted(map(str, registry._signals or ())))


# -- data of boosted trees


def _lightgbm_data(data: Any, _: ValuePickler) -> Any:
    """What it is made of; once that was freed, what LightGBM made of it."""
    if data.data is None and data._handle is not None:
        return form("lightgbm data", _saved(data.save_binary))
    rows = [(name, getattr(data, name, None)) for name in _LIGHTGBM]
    return form("lightgbm data", type(data), rows, dict(data.params or {}))


_LIGHTGBM = (
    "data", "label", "reference", "weight", "group", "position", "init_score", "feature_name", "categorical_feature",
    "free_raw_data", "used_indices",
)  # fmt: skip


def _saved(save: Callable[[str], Any]) -> str:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data"
        save(str(path))
        return digest_bytes(path.read_bytes())


def _xgboost_data(data: Any, _: ValuePickler) -> Any:
    about = [(name, getattr(data, f"get_{name}")()) for name in ("label", "weight", "base_margin", "group")]
    names = data.feature_names, data.feature_types, data.missing
    return form("xgboost data", type(data), data.get_data(), about, names)


# -- databases


def _sql(clause: Any, _: ValuePickler) -> Any:
    """A statement by its text, the values in it, and the tables that it names."""
    from sqlalchemy.sql import visitors
    from sqlalchemy.sql.schema import Table

    compiled = clause.compile()
    tables = {str(each): _table_parts(each) for each in visitors.iterate(clause) if isinstance(each, Table)}
    values = sorted((name, _bound(compiled, name, value)) for name, value in compiled.params.items())
    return form("sql", type(clause), compiled.string, values, sorted(tables.items()))


def _bound(compiled: Any, name: str, value: Any) -> tuple[str, Any]:
    return repr(compiled.binds[name].type) if name in compiled.binds else "", value


def _table(table: Any, _: ValuePickler) -> Any:
    return form("sql table", type(table), *_table_parts(table))


def _table_parts(table: Any) -> tuple[Any, ...]:
    """How it would be made, and what Python adds to that."""
    from sqlalchemy.schema import CreateIndex, CreateTable

    indexes = sorted(str(CreateIndex(index)) for index in table.indexes)
    columns = [(c.name, _default(c.default), _default(c.onupdate), c.info, c.comment) for c in table.columns]
    return str(CreateTable(table)), indexes, columns, table.comment, dict(table.info)


def _metadata(metadata: Any, _: ValuePickler) -> Any:
    return form("sql tables", sorted((name, *_table_parts(each)) for name, each in metadata.tables.items()))


def _mapped(attribute: Any, _: ValuePickler) -> Any:
    """An attribute of a mapped class: its column, or how it relates."""
    kept = attribute.property
    columns = [str(column) for column in getattr(kept, "columns", ())]
    relates = [(name, str(getattr(kept, name, ""))) for name in _RELATES]
    return form("mapped", str(attribute), type(kept).__name__, columns, relates)


_RELATES = (
    "argument", "secondary", "direction", "uselist", "lazy", "back_populates", "order_by", "cascade", "viewonly",
    "primaryjoin", "secondaryjoin", "remote_side", "collection_class",
)  # fmt: skip


def _default(made: Any) -> Any:
    return None if made is None else getattr(made, "arg", str(made))


# -- functions that libraries make of the user's


def _dispatcher(made: Any, pickler: ValuePickler) -> Any:
    """A function that numba compiles, by the one of Python and what was asked for; numba counts it at random."""
    asked = made._reduce_states()
    rows = sorted((name, each) for name, each in asked.items() if name not in ("uuid", "py_func"))
    return form("numba", type(made), around(made, made.py_func, pickler), rows)


def _validated(made: Any, _: ValuePickler) -> Any:
    """A call that pydantic checks, by its function and the settings; the checks are made of these."""
    config = getattr(made.config_wrapper, "config_dict", None)
    return form("validated", made.function, made.validate_return, dict(config or {}))


# -- data frames of Dask


def _expression(made: Any, _: ValuePickler) -> Any:
    """What is to be done, and to what."""
    return form("expression", type(made), list(made.operands))


def _backend_data(made: Any, _: ValuePickler) -> Any:
    return form("data", made._data)


# -- biology


_ALIGNED = "layers", "obsm", "varm", "obsp", "varp"


def _anndata(data: Any, _: ValuePickler) -> Any:
    """All that it holds in memory; what lies in a file is digested as pickle writes it."""
    if data.isbacked:
        return NotImplemented
    is_view = data.is_view
    data = data.copy() if is_view else data  # the parts of a view know all that they are a view of
    raw = data.raw
    below = None if raw is None else (raw.X, raw.var, dict(raw.varm))
    parts = [(name, dict(getattr(data, name))) for name in _ALIGNED]
    return form("anndata", type(data), is_view, data.X, data.obs, data.var, dict(data.uns), parts, below)


def _mudata(data: Any, _: ValuePickler) -> Any:
    parts = [(name, dict(getattr(data, name))) for name in ("obsm", "varm", "obsp", "varp", "obsmap", "varmap")]
    tables = data._obs, data._var, dict(data._uns), data._axis
    return form("mudata", type(data), dict(data.mod), *tables, parts)


# where a class, or one that it is derived from, comes from -> its rule
RULES: dict[tuple[str, str], Rule] = {
    ("anndata._core.anndata", "AnnData"): _anndata,
    ("astropy.modeling.core", "CompoundModel"): _compound,
    ("dask._expr", "Expr"): _expression,
    ("dask.dataframe.dask_expr._util", "_BackendData"): _backend_data,
    ("lightgbm.basic", "Dataset"): _lightgbm_data,
    ("matplotlib.cbook", "CallbackRegistry"): _callbacks,
    ("matplotlib.colors", "Colormap"): without("_isinit", "_lut"),
    ("mudata._core.mudata", "MuData"): _mudata,
    ("numba.core.dispatcher", "Dispatcher"): _dispatcher,
    ("pydantic._internal._validate_call", "ValidateCallWrapper"): _validated,
    ("scipy.interpolate._fitpack2", "UnivariateSpline"): _spline,
    ("scipy.spatial._qhull", "_QhullUser"): without(
        "_qhull", "_transform", "_vertex_to_simplex", "_vertex_neighbor_vertices", "_vertices", "_ridge_dict"
    ),
    ("sklearn.neighbors._ball_tree", "BinaryTree32"): _binary_tree,
    ("sklearn.neighbors._ball_tree", "BinaryTree64"): _binary_tree,
    ("sklearn.neighbors._kd_tree", "BinaryTree32"): _binary_tree,
    ("sklearn.neighbors._kd_tree", "BinaryTree64"): _binary_tree,
    ("sklearn.neighbors._base", "NeighborsBase"): _neighbors,
    ("sklearn.feature_extraction.text", "_VectorizerMixin"): without("_stop_words_id"),
    ("sqlalchemy.orm.attributes", "QueryableAttribute"): _mapped,
    ("sqlalchemy.orm.decl_api", "DeclarativeBase"): without("_sa_instance_state"),
    ("sqlalchemy.sql.schema", "MetaData"): _metadata,
    ("sqlalchemy.sql.schema", "Table"): _table,
    ("sqlalchemy.sql.elements", "ClauseElement"): _sql,
    ("statsmodels.base.data", "ModelData"): without("_cache", "predict_start", "predict_end", "predict_dates"),
    ("xarray.core.groupby", "GroupBy"): without("_dims", "_groups", "_sizes"),
    ("xgboost.core", "DMatrix"): _xgboost_data,
}


def rule_among(cls: type) -> Rule | None:
    """The rule for a class that is derived from one of these."""
    found = (RULES.get((module_of(base), base.__name__)) for base in cls.__mro__)
    return next((rule for rule in found if rule is not None), None)
