"""What modules ask the world for when they are imported: `status` knows what the last run found, in fresh processes."""

from __future__ import annotations

import pytest

HEAD = "import os, json\nfrom pathlib import Path\nfrom cachepy import cache_file\n"
TAIL = "@cache_file('cache', warn_cheap=False)\ndef f(x):\n    print('f ran')\n    return N + x\n"
FROM_FILE = HEAD + "N = json.load(open('n.json'))['n']\n" + TAIL
FROM_ENV = HEAD + "N = int(os.environ.get('WORLD_N', '1'))\n" + TAIL


def run(project, job="import lib; lib.f(1)", env=None):
    return project.run("-c", job, **(env or {})).stdout.count("f ran")


def status(project, env=None):
    return project.cachepy("status", "-q", "--cache-dir", "cache", **(env or {})).returncode


@pytest.mark.parametrize(
    ("text", "before", "after", "env"),
    [
        (FROM_FILE, '{"n": 1}', '{ "n": 1 }\n', {}),
        (FROM_FILE, '{"n": 1}', '{"n": 1, "m": 2}', {}),
        (FROM_ENV, "", "", {"WORLD_N": "01"}),
    ],
    ids=["a file in another form", "a part that nobody reads", "a variable"],
)
def test_what_changed_without_effect_is_known_after_one_run(project, text, before, after, env):
    project.write("lib.py", text)
    project.write("n.json", before)
    assert run(project) == 1
    assert status(project) == 0
    project.write("n.json", after)
    assert status(project, env) in {0, 3}
    assert run(project, env=env) == 0
    assert status(project, env) == 0


KEPT = """
import functools
from dataclasses import dataclass
cached = cache_file('cache', warn_cheap=False)
def make(k):
    @cached
    def made(p):
        print('f ran')
        return p.read_text()
    return made
def plain(k):
    return lambda p: p.read_text() * k
def raw(p):
    return p.read_text()
class Model:
    def __init__(self, k):
        self.k = k
    def load(self, p):
        return p.read_text() * self.k
@dataclass(frozen=True)
class Config:
    k: int = 2
    def load(self, p):
        return p.read_text() * self.k
g = make(2)
many = [make(k) for k in range(2)]
lazy = plain(2)
short = lambda p: p.read_text()
table = {'raw': raw, 'cached': cached(raw)}
half = functools.partial(raw)
model, config = Model(2), Config()
@cached
def f(x):
    print('f ran')
    p = Path('n.json')
    return [*map(str, [g(p), many[0](p), lazy(p), short(p), table['raw'](p), table['cached'](p), half(p), model.load(p)]),
        config.load(p)]
"""


def test_functions_that_are_kept_read_nothing_at_import(project):
    """They would be unknown for ever: nobody can say what they would have read."""
    project.write("lib.py", HEAD + KEPT)
    for text, code in (('{"n": 1}', 0), ('{"n": 2}', 1)):
        project.write("n.json", text)
        assert code == 0 or status(project) == code
        assert run(project) == 2
        assert status(project) == 0


def test_a_file_edited_while_the_program_runs_is_not_known(project):
    project.write("lib.py", FROM_FILE)
    project.write("n.json", '{"n": 1}')
    job = "import lib; open('n.json', 'w').write('{\"n\": 2}'); lib.f(1)"
    assert run(project, job) == 1
    assert status(project) != 0, "the next run makes another value"
    assert run(project) == 1
    assert status(project) == 0


def test_a_file_that_the_program_makes_itself_is_known_after_the_second_run(project):
    made = "if not os.path.exists('n.json'):\n    open('n.json', 'w').write('{\"n\": 1}')\n"
    project.write("lib.py", HEAD + made + FROM_FILE.removeprefix(HEAD))
    assert run(project) == 1
    assert run(project) == 0
    assert status(project) == 0


BELOW = """
import tools
class Job:
    def __init__(self, k):
        self.k = k

    @cache_file('cache', warn_cheap=False)
    def below(self, x):
        print('below ran')
        return tools.helps(x) + self.k

JOB = Job(2)

@cache_file('cache', warn_cheap=False)
def f(x):
    print('f ran')
    return JOB.below(x)
"""


@pytest.mark.parametrize("old", ["x + 1", "STEP = 1"], ids=["a function", "a global"])
def test_what_stands_in_other_files_is_known_after_one_run(project, old):
    """The code of `f` holds: what was kept of how its names are made is of before the edit, but for one more run."""
    project.write("tools.py", "STEP = 1\ndef helps(x):\n    return (x + 1) * STEP\n")
    project.write("lib.py", HEAD + BELOW)
    assert run(project) == 1
    assert status(project) == 0
    project.write("tools.py", (project / "tools.py").read_text().replace(old, old[:-1] + "5"))
    assert status(project) == 1
    assert run(project) == 1
    assert status(project) == 0
    assert run(project) == 0
