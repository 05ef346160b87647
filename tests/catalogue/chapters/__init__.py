"""The chapters: each module has a list PROGRAMS."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil

from tests.catalogue.judge import read_pending
from tests.catalogue.program import Program

_PENDING = read_pending()


def _chapter(name: str) -> list[Program]:
    programs: list[Program] = importlib.import_module(f"{__name__}.{name}").PROGRAMS
    return [dataclasses.replace(p, pending=_PENDING.get(f"{name}: {p.name}", "")) for p in programs]


CHAPTERS = {found.name: _chapter(found.name) for found in pkgutil.iter_modules(__path__)}
