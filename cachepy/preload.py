"""``import cachepy.preload``: loads at once what cached calls load when they first need it.

For a program that will change its user, its root or its paths, after which nothing can be loaded any more. Libraries
whose values are arguments or results (numpy, pandas) are loaded by whoever makes such values.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module

OWN = (
    "calls.acceptance", "calls.ages", "calls.closed_code", "calls.code_events", "calls.config", "calls.context",
    "calls.digest_options", "calls.entry_points", "calls.exact_code", "calls.expected", "calls.fast",
    "calls.folding", "calls.happened", "calls.library_files", "calls.listeners", "calls.live_world",
    "calls.metered", "calls.metered_run", "calls.miss", "calls.option_words", "calls.own_tests", "calls.pools",
    "calls.program_end", "calls.progress_line", "calls.raised", "calls.ran_code", "calls.result_files",
    "calls.slow", "calls.switch", "calls.track", "code.changes", "code.closable", "code.closed", "code.extensions",
    "code.ignored_code", "code.imports", "code.recorded_sources", "code.scopes", "code.source", "code.source_texts",
    "core.prompt", "decorator", "graph.clean_exit", "graph.compact", "graph.eviction", "graph.missing_records",
    "graph.program_files", "graph.remote_deps", "staleness.api", "store.accepted_runs", "store.addresses",
    "store.asking", "store.builtins_unpickler", "store.compression", "store.graph_extent", "store.inbox",
    "store.locks", "store.mapping", "store.mounts", "store.packed_tensors", "store.patterns", "store.posting",
    "store.far", "store.far_files", "store.objects", "store.refused_entries", "store.remote", "store.tidy",
    "store.value_files", "store.value_formats", "store.web_pages", "values.arrow", "values.composed",
    "values.delayed", "values.humanize", "values.label", "values.labelled_arrays", "values.library_normalizers",
    "values.library_states", "values.pickler", "values.registry", "values.sketch", "values.tensors",
    "values.type_hints", "values.unpicklable",
)  # fmt: skip
OTHERS = (
    "ast", "asyncio", "cloudpickle", "copy", "ctypes", "difflib", "dis", "fcntl", "fsspec.core", "getpass", "gzip",
    "hashlib", "hmac", "html", "importlib.machinery", "importlib.metadata", "importlib.util", "inspect", "json",
    "linecache", "logging", "lzma", "mmap", "pathlib", "psutil", "pwd", "re", "resource", "rich.console",
    "rich.markup", "shutil", "sysconfig", "tempfile", "threading", "tomllib", "traceback", "urllib.error",
    "urllib.request", "yaml", "zlib", "zoneinfo", "_xxsubinterpreters",
)  # fmt: skip

for _name in (*OTHERS, *(f"cachepy.{name}" for name in OWN)):
    with suppress(ImportError):  # not every system has all of them
        import_module(_name)
