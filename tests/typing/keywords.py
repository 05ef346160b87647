"""The three keywords that every cached function takes. Read by mypy and pyright (`make lint`), never run."""

from __future__ import annotations

from typing import assert_type

from cachepy import cache_file


@cache_file
def area(width: int, height: int = 1) -> float:
    return float(width * height)


class Model:
    @cache_file
    def fit(self, steps: int) -> str:
        return str(steps)


assert_type(area(2, _force=True), float)
assert_type(area(2, height=3, _skip_save=True), float)
assert_type(area(2, _load=False), float)
assert_type(area(2, _force=True, _skip_save=True, _load=False), float)
assert_type(Model().fit(2, _force=True), str)

area(2, _force="yes")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
area(2, _forse=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
