"""Canonical forms of numpy, pandas, pyarrow and polars objects, by their buffers.

Reached only through a value whose type comes from one of these libraries, so that importing them
here costs nothing new.  Buffers are digested in place; only data that is not contiguous is copied,
a slab at a time.  Imports digest.
"""

from __future__ import annotations

from xxhash import xxh3_128

from cachepy.digest import digest_bytes, form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from cachepy.digest import Rule, ValuePickler

_SLAB = 1 << 22  # bytes of a non-contiguous array that are copied at a time


def recipe_for(cls: type) -> Rule | None:
    """The rule for a class of one of the libraries; None: as pickle does it."""
    library = cls.__module__.partition(".")[0]
    makers = {"numpy": _numpy, "pandas": _pandas, "pyarrow": _pyarrow, "polars": _polars}
    maker = makers.get(library)
    return maker(cls) if maker else None


# -- numpy


def _numpy(cls: type) -> Rule | None:
    import numpy as np

    if cls in (np.ndarray, np.memmap):
        return _array
    if issubclass(cls, np.dtype):
        return lambda dtype, _: form("dtype", *_dtype(dtype))
    if issubclass(cls, np.generic) and not issubclass(cls, (np.void, np.object_)):
        return _scalar
    return None


def _scalar(value: Any, _: ValuePickler) -> Any:
    return form("scalar", value.dtype.str, b"nan" if value != value else value.tobytes())


def _dtype(dtype: Any) -> tuple[Any, ...]:
    return (dtype.str, dtype.descr if dtype.names else None, dict(dtype.metadata) if dtype.metadata else None)


def _array(array: Any, _: ValuePickler) -> Any:
    dtype = array.dtype
    if dtype.hasobject or dtype.kind == "T":  # Python objects, and numpy's own variable strings
        return form("objects", *_dtype(dtype), array.shape, array.tolist())
    return form("array", *_dtype(dtype), array.shape, _content(array))


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
    if issubclass(cls, pd.api.extensions.ExtensionArray):
        return _extension
    return None


def _extras(obj: Any) -> tuple[Any, ...]:
    """What a subclass or a user hung on a frame: metadata fields, attrs, flags."""
    fields = [(name, getattr(obj, name, None)) for name in type(obj)._metadata if name not in ("_name", "name")]
    return fields, dict(obj.attrs), obj.flags.allows_duplicate_labels


def _frame(frame: Any, _: ValuePickler) -> Any:
    columns = [_column(frame._get_column_array(i)) for i in range(frame.shape[1])]
    return form("frame", type(frame), frame.shape, frame.columns, frame.index, columns, *_extras(frame))


def _series(series: Any, _: ValuePickler) -> Any:
    return form("series", type(series), series.name, series.index, _column(series.array), *_extras(series))


def _column(values: Any) -> Any:
    """A numpy array where the data is one; pandas wraps it in an array class of its own."""
    return values.to_numpy() if type(values).__name__ == "NumpyExtensionArray" else values


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
        return form(kind, str(values.dtype), values.asi8)
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


# -- pyarrow: the IPC stream compacts slices and merges chunks


class _HashSink:
    """A writable file that only digests."""

    closed = False

    def __init__(self) -> None:
        self.hasher = xxh3_128()

    def write(self, data: Any) -> int:
        self.hasher.update(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def _pyarrow(cls: type) -> Rule | None:
    import pyarrow as pa

    if issubclass(cls, pa.Table):
        return lambda table, _: form("table", _ipc(table.combine_chunks()))
    if issubclass(cls, pa.RecordBatch):
        return lambda batch, _: form("batch", _ipc(pa.Table.from_batches([batch])))
    if issubclass(cls, pa.ChunkedArray):
        return lambda chunks, _: form("arrow", _ipc(pa.table({"": chunks}).combine_chunks()))
    if issubclass(cls, pa.Array):
        return lambda array, _: form("arrow array", _ipc(pa.table({"": array})))
    return None


def _ipc(table: Any) -> str:
    import pyarrow as pa

    sink = _HashSink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema) as writer:
        writer.write_table(table)
    return sink.hasher.hexdigest()


# -- polars


def _polars(cls: type) -> Rule | None:
    import polars as pl

    if issubclass(cls, pl.DataFrame):
        return lambda frame, _: form("polars frame", _polars_ipc(frame))
    if issubclass(cls, pl.Series):
        return lambda series, _: form("polars series", series.name, _polars_ipc(series.to_frame()))
    if issubclass(cls, pl.LazyFrame):
        return lambda frame, _: form("polars lazy", frame.serialize())
    return None


def _polars_ipc(frame: Any) -> str:
    sink = _HashSink()
    frame.rechunk().write_ipc_stream(sink, compression="uncompressed")
    return sink.hasher.hexdigest()


