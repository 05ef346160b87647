"""Numbers in a list, tuple, dict or array that are results of calls: edges where that is sure, and one line where not."""

from __future__ import annotations

import textwrap

import pytest

from tests.programs import Project

HEAD = """
from cachepy import cache_file
cached = cache_file("cache", warn_cheap=False)
@cached
def item(i): return i * i + 7
@cached
def zero(i): return 0
@cached
def other(i): return i * 1000 + 1
@cached
def total(values, scale=1):
    return sum(values.values() if isinstance(values, dict) else values) * scale
@cached
def write(value): return f"wrote {value}"
"""
# name -> what the program calls, the inputs of the last call, and how many calls take what is not known
CASES: dict[str, tuple[str, dict[str, str], int]] = {
    "a list": ("total([item(i) for i in range(5)])", {f"values[{i}]": f"item({i})" for i in range(5)}, 0),
    "sixty": ("total([item(i) for i in range(60)])", {f"values[{i}]": f"item({i})" for i in range(60)}, 0),
    "a tuple": ("total(tuple(item(i) for i in range(3)))", {f"values[{i}]": f"item({i})" for i in range(3)}, 0),
    "a dict": ("total({k: item(i) for i, k in enumerate('ab')})", {"values['a']": "item(0)", "values['b']": "item(1)"}, 0),
    "an array": (
        "import numpy as np; total(np.array([item(i) for i in range(4)]))",
        {f"values[{i}]": f"item({i})" for i in range(4)}, 0,
    ),
    "an array of results of numpy": (
        """
        import numpy as np
        @cached
        def mean(i): return np.float64(i) / 3
        total(np.array([mean(i) for i in range(1, 4)]))
        """,
        {f"values[{i}]": f"mean({i + 1})" for i in range(3)}, 0,
    ),
    "two unrelated zeros": ("zero(1); zero(2); total([0, 0])", {}, 0),
    "small numbers": ("zero(1); total([0, 1])", {}, 0),
    "of two functions": ("item(1); other(1); total([8, 1001])", {}, 1),
    "one of them is from nowhere": ("total([item(1), item(2), 99])", {}, 1),
    "made before the results": ("total([7, 8, 11]); [item(i) for i in range(3)]; total([1, 2], 3)", {}, 0),
    "a number by itself": ("write(item(1))", {}, 1),
    "a number that no call gave": ("item(1); write(9)", {}, 0),
    "three of them": ("write(item(1)); write(item(2)); write(item(3))", {}, 3),
}  # fmt: skip


def made(project: Project, body: str) -> None:
    body = textwrap.dedent(body).strip()
    above, _, last = body.rpartition("\n")
    text = f"{HEAD}{above}\nif __name__ == '__main__':\n    {last}\n"
    project.write("job.py", text)
    project.run("job.py").silent()


def nodes(project: Project) -> dict[str, dict[str, object]]:
    text = "import cachepy; cachepy.cache_tree_sync('cache'); print(cachepy.cache_tree_to_json(history=True))"
    return {node["id"]: node for node in project.run("-c", text).json()["nodes"]}


def inputs(project: Project) -> dict[str, str]:
    """Of the call of `total` or `write` that ended last."""
    found = nodes(project)
    last = max((n for n in found.values() if n["fname"] in ("total", "write")), key=lambda n: n["created"])
    titles = {i: f"{n['fname']}({', '.join(n['label'].values())})" for i, n in found.items()}
    return {name: titles[call] for name, call in last["inputs"].items()}


def ask(project: Project, command: str) -> tuple[int, dict[str, object], str]:
    done = project.cachepy(command, "--import", "--json", "--cache-dir", "cache")
    said = project.cachepy(command, "--import", "--cache-dir", "cache")
    return done.returncode, done.json(), said.stderr


@pytest.mark.parametrize("case", CASES)
def test_where_numbers_come_from(project, case):
    body, expected, unknown = CASES[case]
    made(project, body)
    assert inputs(project) == expected
    for command in ("status", "plan"):
        code, answer, said = ask(project, command)
        assert (code, answer["plain"]) == (0, unknown)
        noun = "1 call takes a value that" if unknown == 1 else f"{unknown} calls take values that"
        assert (f"{noun} may be" in said) == (unknown > 0)


@pytest.mark.parametrize("case", ["a list", "a tuple", "a dict", "an array"])
def test_an_edit_reaches_who_takes_the_numbers(project, case):
    body, expected, _ = CASES[case]
    made(project, body)
    project.edit("job.py", "i * i + 7", "i * i + 9")
    code, answer, _ = ask(project, "status")
    assert (code, answer["counts"]["stale"]) == (1, len(expected) + 1)
    planned = [call["fname"] for call in ask(project, "plan")[1]["calls"]]
    assert planned[-1] == "total"
    more = "import job, cachepy; cachepy.cache_tree_sync('cache'); print(cachepy.cache_tree_refresh())"
    assert project.run("-c", more).stdout.strip() == f"{len(expected) + 1} ran"
    before = len(nodes(project))
    project.run("job.py")
    assert len(nodes(project)) == before, "total was not made from the new numbers"
    assert inputs(project) == expected


def test_equal_numbers_cut_off(project):
    made(project, CASES["a list"][0])
    project.edit("job.py", "i * i + 7", "7 + i * i")
    more = "import job, cachepy; cachepy.cache_tree_sync('cache'); print(cachepy.cache_tree_refresh())"
    assert project.run("-c", more).stdout.strip() == "5 ran, 1 did not have to run"


def test_a_list_of_numbers_that_is_equal_is_not_what_differs(project):
    text = "from cachepy import cache_file\n@cache_file('c')\ndef f(values, by=2): return by * sum(values)\n"
    project.write("job.py", f"{text}f([1, 2, 3])\nprint(*f.explain([1, 2, 3], 5).reasons[1:])\n")
    assert project.run("job.py").stdout == "argument by is 5, and 2 in f([1, 2, 3], 2)\n"
