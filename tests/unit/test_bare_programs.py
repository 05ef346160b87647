"""Programs that import next to nothing: no module of Python's own may be taken to be there."""

from __future__ import annotations

import pytest

BARE = """
import os, sys
from cachepy import cache_file

{above}
@cache_file("cache", warn_cheap=False)
def f(n{more}):
    return [n, {result}]

if __name__ == "__main__":
    assert "types" not in sys.modules
    f(1), f(1)
"""
PROGRAMS = {  # above the function, more parameters, what it returns
    "the environment": ("", "", "os.environ.get('CACHEPY_NO_SUCH')"),
    "a module that is a global": ("V = os", "", "V is None"),
    "a module that is named": ("", "", "os is None"),
    "the class of a union": ("V = type(int | None)", "", "V is None"),
    "a union": ("V = int | None", "", "V is None"),
    "a union that is an annotation": ("", ", m: int | None = None", "m"),
    "what the interpreter is": ("", "", "sys.implementation.name"),
    "a namespace that is made": ("", "", "type(sys.implementation)(a=1).a"),
    "a namespace that is a default": ("", ", m=type(sys.implementation)(a=1)", "m.a"),
    "a generic": ("V = list[int]", "", "V is None"),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_bare_program_is_cached(project, program):
    above, more, result = program
    project.write("main.py", BARE.format(above=above, more=more, result=result))
    assert [project.run("main.py").stderr for _ in range(2)] == ["", ""]
    assert project.cachepy("ls", "--cache-dir", "cache").stdout.count("f(1") == 1
