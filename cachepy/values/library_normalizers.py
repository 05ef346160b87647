"""Canonical forms of numpy, pandas and polars objects, by their buffers; for pyarrow see `arrow`.

Reached only through a value whose type comes from one of these libraries, so that importing them
here costs nothing new.  Buffers are digested in place; only data that is not contiguous is copied,
a slab at a time.
"""

from __future__ import annotations

import gc

from xxhash import xxh3_128

from cachepy.values.arrow import HashSink, arrow_rule
from cachepy.values.builtin_normalizers import attributes_of, lazy_names, note_dropped, once, once_read
from cachepy.values.references import digest_bytes, form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.values.writing import Rule, ValuePickler

_X87 = 63  # bits of a number of 10 bytes, which has 2 or 6 more behind it that are arbitrary
_SLAB = 1 << 18  # bytes of a non-contiguous array that are copied at a time: they stay in the cache of the processor


def recipe_for(cls: type, library: str) -> Rule | None:
    """The rule for a class that derives from one of a library; None: as pickle does it."""
    if library in ("pint", "xarray"):
        from cachepy.values.labelled_arrays import labelled_rule

        return labelled_rule(cls, library)
    if library == "torch":
        from cachepy.values.tensors import torch_rule

        return torch_rule(cls)
    makers = {"numpy": _numpy, "pandas": _pandas, "pyarrow": arrow_rule, "polars": _polars, "scipy": _scipy}
    return makers[library](cls)


# -- numpy


def _numpy(cls: type) -> Rule | None:
    import numpy as np

    if cls in (np.ndarray, np.memmap):
        return _array
    if issubclass(cls, np.dtype):
        return lambda dtype, _: form("dtype", *_dtype(dtype))
    if issubclass(cls, np.generic) and cls.__module__ == "numpy" and cls not in (np.void, np.object_):
        return _scalar
    if cls is np.void:
        return _void
    if cls is np.ufunc:
        return _ufunc
    if cls is np.vectorize:
        return _vectorized
    if cls is np.random.RandomState:
        return _random_state
    if cls in (np.ma.core.mvoid, np.ma.core.MaskedConstant):
        return None
    if issubclass(cls, np.ma.MaskedArray):
        return _masked
    if issubclass(cls, np.ndarray) and cls.__reduce__ is np.ndarray.__reduce__:
        return _array_subclass
    return None


def _scalar(value: Any, _: ValuePickler) -> Any:
    parts = (value.real, value.imag) if value.dtype.kind == "c" else (value,)
    is_long = value.dtype.char in "gG"
    rows = (b"nan" if part != part else _content(part) if is_long else part.tobytes() for part in parts)
    return form("scalar", value.dtype.str, *rows)


def _void(value: Any, _: ValuePickler) -> Any:
    import numpy as np

    return form("void", np.asarray(value))


def _ufunc(made: Any, _: ValuePickler) -> Any:
    """By its name, which need not lead to it, its loops, and the functions of Python that it was made from."""
    inside = [each for each in gc.get_referents(made) if callable(each) and each is not type(made)]
    return form("ufunc", made.__name__, made.nin, made.nout, made.identity, made.types, inside)


def _vectorized(made: Any, _: ValuePickler) -> Any:
    """Without what it keeps of earlier calls."""
    names = "pyfunc", "otypes", "excluded", "signature", "cache"
    return form("vectorized", *[getattr(made, name, None) for name in names])


def _random_state(made: Any, pickler: ValuePickler) -> Any:
    """By its state; numpy's own, which objects of libraries hold, by its name, since it is not their state."""
    import numpy as np

    if made is np.random.mtrand._rand:  # what np.random.seed seeds has no public name
        pickler.found.altering.add(type(made))  # it comes back as one of its own
        return form("numpy.random")
    return form("random", made.get_state(legacy=False))


def _dtype(dtype: Any) -> tuple[Any, ...]:
    more: list[Any] = []
    if dtype.names:
        more = [(name, *_dtype(dtype.fields[name][0]), *dtype.fields[name][1:]) for name in dtype.names]
        more.append(dtype.type.__name__)  # a record shows its fields as attributes
    elif dtype.subdtype:
        more = [_dtype(dtype.subdtype[0]), dtype.shape]
    elif dtype.kind == "T":
        more = [getattr(dtype, "na_object", "none"), dtype.coerce]
    return dtype.str, more, dict(dtype.metadata) if dtype.metadata else None


def _array(array: Any, pickler: ValuePickler) -> Any:
    dtype = array.dtype
    if dtype.hasobject or dtype.kind == "T":  # Python objects, and numpy's own variable strings
        return form("objects", *_dtype(dtype), array.shape, array.tolist())
    if dtype.kind in "UV":
        pickler.found.hidden = True
    return _numbers(array, pickler)


def _read(array: Any, _: ValuePickler) -> Any:
    return form("array", *_dtype(array.dtype), array.shape, _content(array))


_numbers = once_read(_read, lambda array: array.nbytes)


def _array_subclass(array: Any, pickler: ValuePickler) -> Any:
    """An array with attributes, which numpy's own pickle leaves out."""
    attributes = attributes_of(array)
    note_dropped(array, (name for name, _ in attributes), pickler)
    return form("array of", type(array), _base(array), attributes)


def _masked(array: Any, _: ValuePickler) -> Any:
    """By what can be seen of it: whether the mask is spelt out is numpy's business."""
    import numpy as np

    hung = array.baseclass, array._optinfo, array._hardmask
    return form("masked", type(array), _base(array.data), np.ma.getmaskarray(array), array.fill_value, *hung)


def _base(array: Any) -> Any:
    import numpy as np

    return array.view(np.ndarray)


def _content(array: Any) -> str:
    """The digest of the elements in C order, whatever the layout in memory."""
    import numpy as np

    array = np.asarray(array)
    if array.dtype.names and _is_padded(array.dtype):  # what lies between the fields is arbitrary
        return digest_bytes("".join(_content(array[name]) for name in array.dtype.names).encode())
    if array.dtype.char in "gG" and np.finfo(array.dtype).nmant == _X87:
        parts = np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, np.dtype("g").itemsize)
        return digest_bytes(np.ascontiguousarray(parts[:, :10]))
    if array.flags.c_contiguous:
        flat = array.size and array.ndim
        return digest_bytes(array.reshape(-1).view(np.uint8) if flat else array.tobytes())
    hasher = xxh3_128()
    if array.ndim == 1:
        step = max(1, _SLAB // array.itemsize)
        for start in range(0, len(array), step):
            hasher.update(np.ascontiguousarray(array[start : start + step]).view(np.uint8).data)
        return hasher.hexdigest()
    rows = max(1, _SLAB // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), rows):
        slab = np.ascontiguousarray(array[start : start + rows])
        hasher.update(slab.reshape(-1).view(np.uint8).data)
    return hasher.hexdigest()


def _is_padded(dtype: Any) -> bool:
    """Whether there are bytes between the fields of a structured type, or in one of them."""
    if dtype.subdtype:
        return _is_padded(dtype.subdtype[0])
    if not dtype.names:
        return dtype.char in "gG"
    fields = [dtype.fields[name][0] for name in dtype.names or ()]
    return bool(fields) and (sum(f.itemsize for f in fields) < dtype.itemsize or any(map(_is_padded, fields)))


# -- pandas


def _pandas(cls: type) -> Rule | None:
    import pandas as pd

    if issubclass(cls, pd.DataFrame):
        return _frame
    if issubclass(cls, pd.Series):
        return _series
    if issubclass(cls, pd.Index):
        return _index
    if issubclass(cls, pd.api.extensions.ExtensionArray) and cls.__module__.startswith("pandas."):
        return _extension
    if any(base.__name__ in _GROUPED and base.__module__.startswith("pandas.") for base in cls.__mro__):
        return _grouped
    return None


_GROUPED = frozenset({"BaseGroupBy", "BaseWindow"})
_DERIVED = frozenset({"exclusions", "ax", "binner"})


def _grouped(obj: Any, _: ValuePickler) -> Any:
    """A grouping, a window, a resampling: what it was made of, not what it found out since."""
    given = {"_selection", "_timegrouper"}
    rows = [row for row in vars(obj).items() if row[0] in given or (row[0][:1] != "_" and row[0] not in _DERIVED)]
    return form("grouped", type(obj).__module__, type(obj).__qualname__, sorted(rows, key=lambda row: row[0]))


def _extras(obj: Any, pickler: ValuePickler) -> tuple[Any, ...]:
    """What a subclass or a user hung on a frame: metadata fields, attrs, flags."""
    fields = [(name, getattr(obj, name, None)) for name in type(obj)._metadata if name not in ("_name", "name")]
    by_hand = sorted(item for item in vars(obj).items() if item[0][:1] != "_" and item[0] not in type(obj)._metadata)
    if by_hand:  # to look through the class takes longer than all the rest
        lazy = lazy_names(type(obj))
        by_hand = [item for item in by_hand if item[0] not in lazy]
    note_dropped(obj, (name for name, _ in by_hand), pickler)
    return fields, by_hand, dict(obj.attrs), obj.flags.allows_duplicate_labels


@once
def _frame(frame: Any, pickler: ValuePickler) -> Any:
    columns = [_column(frame._get_column_array(i)) for i in range(frame.shape[1])]
    return form("frame", type(frame), frame.shape, frame.columns, frame.index, columns, *_extras(frame, pickler))


@once
def _series(series: Any, pickler: ValuePickler) -> Any:
    return form("series", type(series), series.name, series.index, _column(series.array), *_extras(series, pickler))


def _column(values: Any) -> Any:
    """A numpy array where the data is one; pandas wraps it in an array class of its own."""
    return values.to_numpy() if type(values).__name__ == "NumpyExtensionArray" else values


@once
def _index(index: Any, _: ValuePickler) -> Any:
    import pandas as pd

    names = list(index.names)
    if isinstance(index, pd.RangeIndex):
        return form("range", names, index.start, index.stop, index.step)
    if isinstance(index, pd.MultiIndex):
        return form("multi", names, [_column(index.get_level_values(i).array) for i in range(index.nlevels)])
    freq = getattr(index, "freqstr", None)
    return form("index", type(index), names, _column(index.array), freq)


def _extension(values: Any, _: ValuePickler) -> Any:
    import pandas as pd

    kind = type(values).__name__
    if isinstance(values, pd.Categorical):
        return form(kind, values.categories, values.ordered, values.codes)
    if hasattr(values, "_mask") and hasattr(values, "_data"):
        return form(kind, str(values.dtype), _under(values._data, values._mask), values._mask)
    if hasattr(values, "asi8"):
        zone = getattr(values.dtype, "tz", None)  # two zones may have one name
        return form(kind, str(values.dtype), zone, values.asi8)
    if isinstance(values, pd.arrays.IntervalArray):
        return form(kind, values.closed, values.left, values.right)
    if hasattr(values, "__arrow_array__") and hasattr(values, "_pa_array"):
        return form(kind, str(values.dtype), values._pa_array)
    if hasattr(values, "sp_values"):
        return form(kind, str(values.dtype), values.to_numpy())
    return form(kind, str(values.dtype), values.to_numpy(dtype=object))


def _under(data: Any, mask: Any) -> Any:
    """What lies under a mask is arbitrary: zero it, in a copy, if there is any."""
    if not mask.any():
        return data
    data = data.copy()
    data[mask] = data.dtype.type()
    return data


# -- polars


def _polars(cls: type) -> Rule | None:
    import polars as pl

    if issubclass(cls, pl.DataFrame):
        return once_read(lambda frame, _: form("polars frame", _polars_ipc(frame)), _polars_size)
    if issubclass(cls, pl.Series):
        return once_read(
            lambda series, _: form("polars series", series.name, _polars_ipc(series.to_frame())), _polars_size
        )
    if issubclass(cls, pl.LazyFrame):
        return lambda frame, _: form("polars lazy", frame.serialize())
    return None


def _polars_size(data: Any) -> int:
    return int(data.estimated_size())


def _polars_ipc(frame: Any) -> str:
    sink = HashSink()
    frame.rechunk().write_ipc_stream(sink, compression="uncompressed")
    return sink.hasher.hexdigest()


# -- scipy


def _scipy(cls: type) -> Rule | None:
    return _sparse if any(base.__module__ == "scipy.sparse._base" for base in cls.__mro__) else None


def _sparse(matrix: Any, _: ValuePickler) -> Any:
    """Without what it has found out about its indices."""
    found = "_has_sorted_indices", "_has_canonical_format", "has_canonical_format"
    return form("sparse", type(matrix), [item for item in attributes_of(matrix) if item[0] not in found])
