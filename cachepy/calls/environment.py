"""What the environment was before the program began: a variable that is another one now was set by the program itself.

Linux keeps it for each process; elsewhere all variables count as given from outside.
"""

from __future__ import annotations

import os

from cachepy.core.model import ENV, OWN_ENV, Dep
from cachepy.values.references import env_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_PLACE = "/proc/self/environ"
IGNORED = "CACHEPY_IGNORE_ENV"


def counted(names: Iterable[str]) -> list[str]:
    """Those of them that are not left out for the whole program: where it logs to, the number of a job."""
    left_out = {name.strip() for name in os.environ.get(IGNORED, "").split(",")}
    return sorted(name for name in names if name not in left_out and name != IGNORED)


def deps_of(names: Collection[str]) -> Iterator[Dep]:
    """Variables as they are now: as given from outside, or as the program's own."""
    before = _at_the_start() if names else {}
    for name in names:
        value = os.environ.get(name)
        is_own = bool(before) and before.get(os.fsencode(name)) != (None if value is None else os.fsencode(value))
        yield Dep(OWN_ENV if is_own else ENV, name, env_digest(value))


def _at_the_start() -> dict[bytes, bytes]:
    try:
        with open(_PLACE, "rb") as file:
            rows = file.read().split(b"\0")
    except OSError:
        return {}
    return {key: value for key, mark, value in (row.partition(b"=") for row in rows) if mark}
