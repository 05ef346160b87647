"""Modules that are written, imported and edited in one process."""

from __future__ import annotations

import sys
import textwrap
import types
from pathlib import Path
from typing import Any

MODULE = "review_module"


def module(source: str, cf: Any) -> Any:
    """A module of user code, as a notebook or an import makes it."""
    made = types.ModuleType(MODULE)
    sys.modules[MODULE] = made
    made.cf = cf  # type: ignore[attr-defined]
    more(made, source)
    return made


def more(made: Any, source: str) -> None:
    """Another cell of the notebook."""
    exec(compile(textwrap.dedent(source), made.__name__, "exec", dont_inherit=True), made.__dict__)


# ---- stale values: files


def read(path: Any) -> str:
    return Path(path).read_text()
