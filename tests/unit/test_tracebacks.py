"""What the interpreter prints when a program ends with an error: as without cachepy, with the lines of the source."""

from __future__ import annotations

import pytest

RAISES = {
    "in a body": "f(-1)",
    "after a hit": "f(1); f(1); raise ValueError(1)",
    "after a run": "f(2); raise ValueError(2)",
    "in an exit function": "import atexit; atexit.register(f, -1); f(1); raise ValueError(3)",
}


@pytest.mark.parametrize("name", RAISES)
def test_the_lines_of_the_source_are_shown(project, name):
    project.write(
        "job.py",
        "from cachepy import cache_file\n"
        '@cache_file("cache", warn_cheap=False)\n'
        "def f(x):\n"
        "    if x < 0:\n"
        "        raise ValueError(x)\n"
        "    return x\n"
        f"{RAISES[name]}\n",
    )
    shown = project.run("job.py", code=1).stderr
    assert f"    {RAISES[name]}\n" in shown
    assert "    raise ValueError(x)\n" in shown or "f(-1)" not in RAISES[name]
