"""``import cachepy.preload``: loads at once what cached calls load when they first need it.

For a program that will change its user, its root or its paths, after which nothing can be loaded any more. Libraries
whose values are arguments or results (numpy, pandas) are loaded by whoever makes such values.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

OWN = (
    "api", "calls.carry", "calls.config", "calls.miss", "calls.pools", "calls.track", "decorator", "disk.extent",
    "disk.mailbox", "disk.posting", "disk.mounts", "disk.patterns", "disk.tidy", "hot", "calls.slow", "probe",
    "reach.changes", "reach.extensions", "reach.imports", "reach.scopes", "reach.source", "reach.written",
    "recording.compact", "calls.endings", "recording.lacking", "recording.leaving", "recording.outbox",
    "recording.programs", "recording.within", "rows.limited", "values.amounts", "values.arrow", "values.hints",
    "values.labelled", "values.lazy", "values.pickler", "core.prompt", "values.recipes", "values.refused",
    "values.registry", "core.reasons", "values.sketch",
)  # fmt: skip
OTHERS = (
    "ast", "asyncio", "cloudpickle", "copy", "ctypes", "difflib", "dis", "fcntl", "hashlib", "hmac",
    "importlib.machinery", "importlib.metadata", "importlib.util", "inspect", "linecache", "logging", "mmap",
    "pathlib", "psutil", "pwd", "re", "resource", "shutil", "sysconfig", "tempfile", "threading", "tomllib",
    "traceback", "yaml", "zlib", "_xxsubinterpreters",
)  # fmt: skip

for _name in (*OTHERS, *(f"cachepy.{name}" for name in OWN)):
    with suppress(ImportError):  # not every system has all of them
        import_module(_name)
