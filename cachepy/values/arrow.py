"""Canonical forms of pyarrow data, by its buffers.

Equal columns may differ in memory: in how they are cut into chunks, where a slice begins, what lies
under a null, and in the bits behind the last one.  None of that may show.  Texts and numbers are
digested in place where they lie well; kinds that are not known here go as an IPC stream.
Reached only through a value of pyarrow or pandas.
"""

from __future__ import annotations

from xxhash import xxh3_128

from cachepy.values.builtin_normalizers import once_read
from cachepy.values.references import digest_bytes, form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from cachepy.values.writing import Rule

    Form = tuple[Any, ...]


class HashSink:
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


def arrow_rule(cls: type) -> Rule | None:
    """The rule for a class of pyarrow; None: as pickle does it."""
    import pyarrow as pa

    if issubclass(cls, pa.Table):
        return once_read(lambda table, _: form("table", *_table(table)), _size)
    if issubclass(cls, pa.RecordBatch):
        return once_read(lambda batch, _: form("batch", *_table(batch)), _size)
    if issubclass(cls, pa.ChunkedArray):
        return once_read(lambda chunks, _: form("arrow", *_column(chunks)), _size)
    if issubclass(cls, pa.Array):
        return once_read(lambda array, _: form("arrow array", *_column(array)), _size)
    return None


def _size(data: Any) -> int:
    return int(data.nbytes)


def _table(table: Any) -> Form:
    return _schema(table.schema), table.num_rows, [_column(data) for data in table.columns]


def _column(data: Any) -> Form:
    """The form of an array or a chunked array: its type, its length, where it is null, and what it holds."""
    import pyarrow as pa

    whole = data if isinstance(data, pa.ChunkedArray) else pa.chunked_array([data])
    return _schema(pa.schema([("", whole.type)])), *_parts(whole)


def _schema(schema: Any) -> bytes:
    data: bytes = schema.serialize().to_pybytes()
    return data


def _parts(whole: Any) -> Form:
    import pyarrow as pa

    is_type, kind = pa.types, whole.type
    nulls = _nulls(whole)
    if is_type.is_null(kind):
        return len(whole), nulls
    if _is_large(kind) or is_type.is_string(kind) or is_type.is_binary(kind):
        return len(whole), nulls, *_texts(whole)
    if is_type.is_boolean(kind):
        return len(whole), nulls, _numbers(whole.cast(pa.int8()))
    if is_type.is_primitive(kind) or is_type.is_decimal(kind) or is_type.is_fixed_size_binary(kind):
        return len(whole), nulls, _numbers(whole)
    return len(whole), nulls, *_nested(_one(whole))


def _one(whole: Any) -> Any:
    """All chunks as one array."""
    import pyarrow as pa

    if whole.num_chunks == 1:
        return whole.chunk(0)
    array = whole.combine_chunks()  # of no chunk, or of dictionaries that differ, still a chunked one
    return array if not isinstance(array, pa.ChunkedArray) else pa.concat_arrays(array.unify_dictionaries().chunks)


def _nested(array: Any) -> Form:
    import pyarrow as pa

    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _array(array.storage)
    if isinstance(array, pa.DictionaryArray):
        return *_array(array.indices), *_array(array.dictionary)
    if isinstance(array, (pa.ListArray, pa.LargeListArray)) and not pa.types.is_map(kind):
        return *_array(array.value_lengths()), *_array(array.flatten())
    if isinstance(array, pa.StructArray):
        return tuple(_array(field) for field in array.flatten())
    return (_ipc(pa.table({"": array})),)


def _array(array: Any) -> Form:
    import pyarrow as pa

    return _parts(pa.chunked_array([array]))


def _nulls(whole: Any) -> str | None:
    """The digest of one byte for each row."""
    import pyarrow as pa

    if not whole.null_count:
        return None
    return _joined(_slots(chunk, 1) for chunk in whole.is_null().cast(pa.int8()).chunks)


def _numbers(whole: Any) -> str:
    import pyarrow as pa

    width = whole.type.bit_width // 8
    chunks = whole.chunks
    if whole.null_count and width:  # any number may lie under a null
        chunks = [chunk.view(pa.binary(width)).fill_null(bytes(width)) for chunk in chunks]
    return _joined(_slots(chunk, width) for chunk in chunks)


def _slots(array: Any, width: int) -> memoryview:
    """The bytes of an array whose items have one width."""
    data = array.buffers()[1]
    return memoryview(data or b"")[array.offset * width : (array.offset + len(array)) * width]


def _texts(whole: Any) -> Form:
    """The digests of where the texts end, and of the texts one after the other."""
    import pyarrow as pa

    if whole.null_count:  # any text may lie under a null
        whole = whole.fill_null(pa.scalar("").cast(whole.type))
    ends, texts, end = [], [], 0
    for chunk in whole.chunks:
        if len(chunk):
            first, bounds = _bounds(chunk)
            text = memoryview(chunk.buffers()[2] or b"")[first : bounds[-1].as_py()]
            ends.append(_slots(_moved(bounds, end - first), 8))
            texts.append(text)
            end += len(text)
    return _joined(ends), _joined(texts)


def _is_large(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_large_string(kind) or pa.types.is_large_binary(kind))


def _bounds(chunk: Any) -> tuple[int, Any]:
    """Where the first text begins, and where each ends."""
    import pyarrow as pa

    kind = pa.int64() if _is_large(chunk.type) else pa.int32()
    bounds = pa.Array.from_buffers(kind, len(chunk) + 1, [None, chunk.buffers()[1]], offset=chunk.offset)
    return bounds[0].as_py(), bounds[1:].cast(pa.int64())


def _moved(bounds: Any, by: int) -> Any:
    import pyarrow.compute as pc

    return pc.add(bounds, by) if by else bounds


def _joined(pieces: Iterable[memoryview]) -> str:
    """The digest of pieces one after the other."""
    pieces = list(pieces)
    if len(pieces) == 1:
        return digest_bytes(pieces[0])
    hasher = xxh3_128()
    for piece in pieces:
        hasher.update(piece)
    return hasher.hexdigest()


def _ipc(table: Any) -> str:
    import pyarrow as pa

    sink = HashSink()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.hasher.hexdigest()
