"""Canonical forms of numpy, pandas and polars objects, by their buffers; for pyarrow see `arrow`.

Reached only through a value whose type comes from one of these libraries, so that importing them
here costs nothing new.  Buffers are digested in place; only data that is not contiguous is copied,
a slab at a time.  Imports arrow, rules.
"""

from __future__ import annotations

from xxhash import xxh3_128

from cachepy.values.arrow import HashSink, arrow_rule
from cachepy.values.rules import digest_bytes, form, once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.digest import ValuePickler
    from cachepy.values.rules import Rule

_SLAB = 1 << 18  # bytes of a non-contiguous array that are copied at a time: they stay in the cache of the processor


def recipe_for(cls: type, library: str) -> Rule | None:
    """The rule for a class that derives from one of a library; None: as pickle does it."""
    makers = {"numpy": _numpy, "pandas": _pandas, "pyarrow": arrow_rule, "polars": _polars}
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
    if cls in (np.ma.core.mvoid, np.ma.core.MaskedConstant):
        return None
    if issubclass(cls, np.ma.MaskedArray):
        return _masked
    if issubclass(cls, np.ndarray) and cls.__reduce__ is np.ndarray.__reduce__:
        return _array_subclass
    return None


def _scalar(value: Any, _: ValuePickler) -> Any:
    parts = (value.real, value.imag) if value.dtype.kind == "c" else (value,)
    return form("scalar", value.dtype.str, *(b"nan" if part != part else part.tobytes() for part in parts))


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


@once
def _numbers(array: Any, _: ValuePickler) -> Any:
    return form("array", *_dtype(array.dtype), array.shape, _content(array))


def _array_subclass(array: Any, _: ValuePickler) -> Any:
    """An array with attributes, which numpy's own pickle leaves out."""
    return form("array of", type(array), _base(array), sorted(getattr(array, "__dict__", {}).items()))


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
    return None


def _extras(obj: Any) -> tuple[Any, ...]:
    """What a subclass or a user hung on a frame: metadata fields, attrs, flags."""
    fields = [(name, getattr(obj, name, None)) for name in type(obj)._metadata if name not in ("_name", "name")]
    by_hand = sorted(item for item in vars(obj).items() if item[0][:1] != "_" and item[0] not in type(obj)._metadata)
    return fields, by_hand, dict(obj.attrs), obj.flags.allows_duplicate_labels


@once
def _frame(frame: Any, _: ValuePickler) -> Any:
    columns = [_column(frame._get_column_array(i)) for i in range(frame.shape[1])]
    return form("frame", type(frame), frame.shape, frame.columns, frame.index, columns, *_extras(frame))


@once
def _series(series: Any, _: ValuePickler) -> Any:
    return form("series", type(series), series.name, series.index, _column(series.array), *_extras(series))


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
        return once(lambda frame, _: form("polars frame", _polars_ipc(frame)))
    if issubclass(cls, pl.Series):
        return once(lambda series, _: form("polars series", series.name, _polars_ipc(series.to_frame())))
    if issubclass(cls, pl.LazyFrame):
        return lambda frame, _: form("polars lazy", frame.serialize())
    return None


def _polars_ipc(frame: Any) -> str:
    sink = HashSink()
    frame.rechunk().write_ipc_stream(sink, compression="uncompressed")
    return sink.hasher.hexdigest()
