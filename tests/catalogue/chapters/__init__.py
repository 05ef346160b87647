"""The chapters: each module has a list PROGRAMS."""

from __future__ import annotations

import importlib
import pkgutil

CHAPTERS = {
    found.name: importlib.import_module(f"{__name__}.{found.name}").PROGRAMS for found in pkgutil.iter_modules(__path__)
}
