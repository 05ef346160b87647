"""The options of the decorator have types. Read by mypy and pyright (`make lint`), never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from cachepy import cache_file

cache_file()
cache_file(cache_dir="cache")
cache_file(None, version=2, umask="007")
everything = cache_file(
    Path("cache"),
    version="2",
    env_vars=["HOME"],
    depends_on_files=["a.csv", Path("b.csv")],
    depends_on_vars=("LIMIT",),
    changes=["self"],
    file_args=["path"],
    ignore_args=["log"],
    ignore_globals=["COUNT"],
    keep_args=False,
    max_bytes="50 GB",
    keep=4,
    trusted_owners=["ann", 1000],
    signing_key="@key",
    umask=0o007,
    verbose=True,
    warn_cheap=False,
)

cache_file(depends_on_vars={"schema": "v3"})
cache_file(format="parquet", compress="zstd", valid=lambda result, info: bool(result) and info.age < 60)

cache_file(1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
cache_file("cache", True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
cache_file("cache", versoin="2")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
cache_file("cache", version=["2"])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", env_vars="HOME")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", depends_on_files="a.csv")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", depends_on_vars=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
cache_file("cache", changes="self")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", file_args=Path("a"))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", ignore_args="log")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", ignore_globals={"COUNT": 1})  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", keep_args="no")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", trusted_owners="*")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", format="csv")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", compress=True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", valid=True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", signing_key=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
cache_file("cache", umask=["007"])  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]

everything(versoin="3")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
everything(env_vars="HOME")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


@everything(version="3")
def one(x: int) -> str:
    return str(x)


@everything
def two(x: int) -> str:
    return str(x)


assert_type(one(1), str)
assert_type(two(1), str)
