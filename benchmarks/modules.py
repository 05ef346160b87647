"""The user's program under test, as a module for each tool: the same functions under another decorator.

A module is written to a file and imported, since all tools look at the source or at the names of a function.
Imports the standard library only; each module imports its own tool.
"""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from pathlib import Path

HEADERS = {
    "plain": """
        cached = track_file = lambda it: it
    """,
    "cachepy": """
        from cachepy import cache_file, track_file
        cached = cache_file({folder!r})
    """,
    "joblib": """
        from joblib import Memory
        cached = Memory({folder!r}, verbose=0).cache
        track_file = lambda path: path
    """,
    "joblib mapped": """
        from joblib import Memory
        cached = Memory({folder!r}, verbose=0, mmap_mode="c").cache
        track_file = lambda path: path
    """,
    "diskcache": """
        from diskcache import Cache
        cached = Cache({folder!r}, eviction_policy="none", size_limit=1 << 40).memoize()
        track_file = lambda path: path
    """,
}

SMALL = """
    @cached
    def f(number, text):
        return {"number": number, "text": text, "sum": number + len(text)}
"""
FILE = """
    @cached
    def f(path):
        return {"name": path.name, "letters": len(path.read_bytes())}
"""
CALLER = """
    DATA = {data!r}

    @cached
    def part(number):
        with open(track_file(f"{{DATA}}/{{number}}.txt")) as file:
            return len(file.read())

    @cached
    def f(number, text):
        parts = [part(number + each) for each in range(3)]
        for each in (3, 4):
            with open(track_file(f"{{DATA}}/{{each}}.txt")) as file:
                parts.append(len(file.read()))
        return {{"text": text, "parts": parts}}
"""
ONE = """
    @cached
    def f(value):
        return {"length": len(value)}
"""
ARRAY = """
    import numpy as np

    @cached
    def f(number):
        return np.full(number, 1.5)
"""
STRINGS = """
    import numpy as np
    import pandas as pd

    @cached
    def f(number):
        numbers = pd.Series(np.arange(number) * 7919 % 1000003 + 1_000_000_000).astype("str")
        return pd.DataFrame({f"c{i}": "value " + numbers + f" of column {i}" for i in range(4)})
"""
LARGE_FILE = """
    @cached
    def f(path):
        return {"name": path.name, "letters": path.stat().st_size}
"""
LARGE_FILE_BY_NAME = """
    import os

    @cached
    def f(path):
        return {"name": os.path.basename(path), "letters": os.stat(path).st_size}
"""
TREE = """
    @cached
    def f(path):
        return {"names": len(list(path.iterdir()))}
"""
SCRIPT = """
    LIMIT = 10
    NAMES = ("one", "two", "three")

    def clean(text):
        return text.strip().lower()

    def long(text):
        return len(text) > LIMIT

    def weigh(number, text):
        return number * len(clean(text)) + LIMIT * long(text)

    @cached
    def f(number, text):
        return {"number": number, "text": clean(text), "weights": [weigh(number, each) for each in NAMES]}

    if __name__ == "__main__":
        assert f(3, "abc")["text"] == "abc"
"""
CROWD = """
    import os, time

    @cached
    def f(number):
        time.sleep({seconds})
        fd = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(fd, b".")
        os.close(fd)
        return {{"number": number}}
"""
TRIVIAL = """
    @cached
    def f(number):
        return {"number": number}
"""


def helpers(functions, variables):
    """A function that reaches so many helpers and global variables, each helper the next one."""
    text = [f"LIMIT_{i} = {i} + 0.5" for i in range(variables)]
    for i in range(functions):
        below = f"helper_{i + 1}(x)" if i + 1 < functions else "x"
        text.append(f"def helper_{i}(x):\n    return {below} + LIMIT_{i % variables}")
    text.append('@cached\ndef f(number, text):\n    return {"text": text, "sum": helper_0(number)}')
    return "\n".join(text)


def write(path, tool, body, **names):
    """A program that uses a tool; its cache lies beside it."""
    folder = str(Path(path).with_suffix(".cache"))
    header = textwrap.dedent(HEADERS[tool]).format(folder=folder)
    body = textwrap.dedent(body)
    Path(path).write_text(header + (body.format(**names) if names else body))
    return Path(path)


def load(path):
    """Import it under the name of its file."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
