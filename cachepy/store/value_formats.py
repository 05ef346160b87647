"""The forms in which a value can lie beside its entry, for `format=`: each writes a file, and reads its bytes.

Nothing here unpickles.  Whether a value comes back equal is asked by who writes it (see `calls.result_files`).  The
library of a form is imported when a value is written or read.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO

from cachepy.core.current import NOBODY, enter, leave
from cachepy.errors import EntryError, UsageError, UsageValueError
from cachepy.store.compression import CODECS, decompressed, squeezed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_LONGEST = 16  # characters of a suffix
_TABLES = ("DataFrame", "Table", "ndarray", "DataArray", "Dataset")
_OBJECT = "an object with write(value, path) and read(path)"


class Form:
    """One form.

    needs: the library; codecs: which it uses itself, None: the whole file is compressed; write: puts a value into a
    file, by a codec of its own, and says what `read` needs to know to make it of the bytes.
    """

    def __init__(
        self, suffix: str, needs: str, write: Callable[[Any, str, str | None], str],
        read: Callable[[bytes, str], Any] | None, codecs: tuple[str, ...] | None = None,
    ) -> None:  # fmt: skip
        self.suffix = suffix
        self.needs = needs
        self.write = write
        self.read = read
        self.codecs = codecs


def check_format(option: str, value: Any, compress: str | None) -> Any:
    """Complain about a form that does not exist, whose library is not here, or that compresses otherwise."""
    if not isinstance(value, str):
        if isinstance(value, type) or not all(callable(getattr(value, name, None)) for name in ("write", "read")):
            raise UsageError(f"{option} must be {' or '.join(map(repr, FORMS))}, or {_OBJECT}, not {value!r}")
        suffix_of(value)
        codecs: tuple[str, ...] | None = ()
    else:
        if value not in FORMS:
            raise UsageValueError(f"{option} must be {' or '.join(map(repr, FORMS))}, or {_OBJECT}, not {value!r}")
        form = FORMS[value]
        if form.needs and find_spec(form.needs) is None:
            raise UsageError(
                f"{option}={value!r} needs {form.needs}, which is not installed: pip install {form.needs}"
            )
        codecs = form.codecs
    if compress is not None and codecs is not None and compress not in codecs:
        able = f"takes {' or '.join(map(repr, codecs))}" if codecs else "compresses by itself"
        raise UsageValueError(f"compress={compress!r} cannot be used with {option}={value!r}, which {able}")
    return value


def suffix_of(form: Any, codec: str | None = None) -> str:
    """How the names of files of a form end."""
    if not isinstance(form, str):
        given = getattr(form, "suffix", "") or type(form).__name__.lower()
        suffix = str(given).strip(".")
        if not suffix.replace(".", "").isalnum() or not suffix.isascii() or len(suffix) > _LONGEST:
            suffix = "value"
        return suffix
    known = FORMS[form]
    return known.suffix if codec is None or known.codecs is not None else f"{known.suffix}.{CODECS[codec]}"


def is_tree(form: Any) -> bool:
    """Whether a form is read by its path, be it a file or a folder."""
    return not isinstance(form, str) or FORMS[form].read is None


def write(form: Any, value: Any, path: str, codec: str | None) -> str:
    """Put a value into a file; what reading needs to know beside its bytes."""
    if not isinstance(form, str):
        _aside(form.write, value, path)
        return ""
    known = FORMS[form]
    detail: str = _aside(known.write, value, path, codec)
    if codec is not None and known.codecs is None:
        with open(path, "rb") as file:
            data = file.read()
        with open(path, "wb") as file:
            file.write(squeezed(codec, data))
    return detail


def read(form: Any, detail: str, codec: str | None, path: str, data: bytes) -> Any:
    """The value of a file with these bytes; whatever goes wrong is an EntryError."""
    try:
        if not isinstance(form, str):
            return _aside(form.read, path)
        known = FORMS[form]
        if known.read is None:
            return _aside(_read_zarr, path, detail)
        return _aside(known.read, decompressed(codec, data) if codec and known.codecs is None else data, detail)
    except EntryError:
        raise
    except ImportError as error:
        raise EntryError(f"{path} needs {error.name or form} to be read: pip install {error.name or form}") from error
    except Exception as error:  # each library has its own
        raise EntryError(f"{path} cannot be read as {form}: {type(error).__name__}: {error}") from error


def _aside(fn: Callable[..., Any], *args: Any) -> Any:
    """Call it as nobody: what it reads and runs is no matter of a body around the call."""
    token = enter(NOBODY)
    try:
        return fn(*args)
    finally:
        leave(token)


def versions(form: Any, detail: str) -> str:
    """Of the libraries that write and read it, as far as they are loaded."""
    names = [FORMS[form].needs, detail.partition(".")[0]] if isinstance(form, str) else []
    loaded = [sys.modules.get(name) for name in names if name]
    return " ".join(str(getattr(module, "__version__", "")) for module in loaded if module is not None)


def _put(path: str, data: bytes) -> str:
    with open(path, "wb") as file:
        file.write(data)
    return ""


def _json(value: Any, path: str, _: str | None) -> str:
    from json import dumps

    return _put(path, dumps(value, ensure_ascii=False, allow_nan=False).encode())


def _read_json(data: bytes, _: str) -> Any:
    from json import loads

    return loads(data)


def _text(value: Any, path: str, _: str | None) -> str:
    if type(value) is not str:
        raise TypeError(f"it is a {type(value).__name__}, not a str")
    return _put(path, value.encode())


def _npy(value: Any, path: str, _: str | None) -> str:
    numpy = import_module("numpy")
    with open(path, "wb") as file:
        numpy.save(file, value, allow_pickle=False)
    return ""


def _read_npy(data: bytes, _: str) -> Any:
    return import_module("numpy").load(BytesIO(data), allow_pickle=False)


def _maker(value: Any, *makers: str) -> str:
    """Of which library a table is."""
    maker = type(value).__module__.partition(".")[0]
    if maker not in makers or type(value).__name__ not in _TABLES:
        raise TypeError(f"it is a {type(value).__name__}, none that {' or '.join(makers)} puts into such a file")
    return maker


def _parquet(value: Any, path: str, codec: str | None) -> str:
    maker = _maker(value, "pandas", "polars", "pyarrow")
    how = {"compression": codec} if codec else {}
    if maker == "pandas":
        value.to_parquet(path, engine="pyarrow", **how)
    elif maker == "polars":
        value.write_parquet(path, **how)
    else:
        import_module("pyarrow.parquet").write_table(value, path, **how)
    return maker


def _read_parquet(data: bytes, maker: str) -> Any:
    if maker == "pyarrow":
        return import_module("pyarrow.parquet").read_table(import_module("pyarrow").BufferReader(data))
    library = import_module(maker)
    return library.read_parquet(BytesIO(data), **({"engine": "pyarrow"} if maker == "pandas" else {}))


def _feather(value: Any, path: str, codec: str | None) -> str:
    maker = _maker(value, "pandas", "polars", "pyarrow")
    if maker == "polars":
        value.write_ipc(path, compression=codec or "uncompressed")
        return maker
    table = import_module("pyarrow").Table.from_pandas(value) if maker == "pandas" else value
    import_module("pyarrow.feather").write_feather(table, path, compression=codec or "lz4")
    return maker


def _read_feather(data: bytes, maker: str) -> Any:
    if maker == "polars":
        return import_module("polars").read_ipc(BytesIO(data))
    feather = import_module("pyarrow.feather")
    source = import_module("pyarrow").BufferReader(data)
    return feather.read_feather(source) if maker == "pandas" else feather.read_table(source)


def _zarr(value: Any, path: str, _: str | None) -> str:
    maker = _maker(value, "numpy", "xarray")
    if maker == "xarray":
        value.to_zarr(path)
        return f"xarray.{type(value).__name__}"
    import_module("zarr").save_array(path, value)
    return maker


def _read_zarr(path: str, maker: str) -> Any:
    if maker == "numpy":
        return import_module("zarr").open_array(path, mode="r")[...]
    reading = import_module("xarray")
    opened = reading.open_zarr(path) if maker == "xarray.Dataset" else reading.open_dataarray(path, engine="zarr")
    return opened.load()


FORMS = {
    "parquet": Form("parquet", "pyarrow", _parquet, _read_parquet, ("zstd", "lz4", "gzip")),
    "feather": Form("feather", "pyarrow", _feather, _read_feather, ("zstd", "lz4")),
    "npy": Form("npy", "numpy", _npy, _read_npy),
    "zarr": Form("zarr", "zarr", _zarr, None, ()),
    "json": Form("json", "", _json, _read_json),
    "text": Form("txt", "", _text, lambda data, _: data.decode()),
}
