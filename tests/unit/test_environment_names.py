"""Variables of the environment that code reads under a name that it spells out count, and no others do."""

from __future__ import annotations

import pytest

PROGRAM = """
import os
from os import environ, getenv
from cachepy import cache_file
import lib
NAME = "CP_A"
TABLE = {{"by name": lambda: os.environ["CP_A"]}}

def helper():
    return os.environ.get("CP_A")

def made():
    def inner():
        return helper()
    return inner

CLOSURE = made()

class Reader:
    def __call__(self):
        return os.getenv("CP_A")

@cache_file("cache", warn_cheap=False{options})
def used(n, reader=None):
    print("ran")
    return {reads}

print(used({given}))
"""
LIB = "import os\ndef read():\n    return os.environ['CP_A']\n"
READS = {
    "in brackets": "os.environ['CP_A']",
    "by get": "os.environ.get('CP_A')",
    "by get with a default": "os.environ.get('CP_A', 'none')",
    "by getenv": "os.getenv('CP_A')",
    "by getenv with a default": "os.getenv('CP_A', default='none')",
    "from os": "environ['CP_A']",
    "from os, by get": "environ.get('CP_A')",
    "from os, getenv": "getenv('CP_A')",
    "by a global name": "os.environ[NAME]",
    "whether it is there": "'CP_A' in os.environ",
    "whether it is not there": "'CP_A' not in environ",
    "whether one of a global name is there": "NAME in os.environ",
    "whether one of a global name is not there": "NAME not in environ",
    "in a helper": "helper()",
    "in another module": "lib.read()",
    "in a lambda": "(lambda: os.environ['CP_A'])()",
    "in a comprehension": "[os.environ['CP_A'] for _ in range(2)]",
    "in an object that can be called": "reader()",
    "in a function in a table": "TABLE['by name']()",
    "in a function that another made": "CLOSURE()",
    "in a function as an argument": "reader()  # a function",
    "in functions in an argument": "reader[0]()",
}
STATUS = "status", "--cache-dir", "cache", "-q"


def text(reads, options="", given="1"):
    return PROGRAM.format(reads=reads, options=options, given=given)


@pytest.fixture
def started(project):
    def start(reads, options="", given="1", **env):
        project.write("lib.py", LIB)
        project.write("program.py", text(reads, options, given))
        return project.run("program.py", **env).stdout.split()[0] == "ran"

    return start


@pytest.mark.parametrize("reads", READS.values(), ids=READS)
def test_another_value_is_another_result(project, started, reads):
    ways = {"reader()": "Reader()", "reader()  # a function": "made()", "reader[0]()": "[lambda: os.environ['CP_A']]"}
    how = {"given": f"1, {ways[reads]}"} if reads in ways else {}
    assert started(reads, **how, CP_A="a")
    assert not started(reads, **how, CP_A="a", CP_B="b")
    assert project.cachepy(*STATUS, CP_A="a").returncode == 0
    after = {"CP_A": None if "in environ" in reads or "in os.environ" in reads else "b"}
    assert project.cachepy(*STATUS, **after).returncode == 1
    assert started(reads, **how, **after)
    assert not started(reads, **how, CP_A="a"), "both results are stored"


def test_the_reason_names_it(project, started):
    started(READS["by get"], CP_A="a")
    said = project.cachepy("status", "--cache-dir", "cache", CP_A="b")
    assert "environment variable CP_A changed" in said.stdout


def test_one_that_appears_or_goes_counts(project, started):
    assert started(READS["by get"], CP_A=None)
    assert started(READS["by get"], CP_A="")
    assert not started(READS["by get"], CP_A=None)


@pytest.mark.parametrize(
    "reads",
    [
        "os.environ.get('CP_' + chr(65 + n))",
        "len(os.environ) * 0",
        "[*map(str, [])]",
        "(lambda name: ['CP_A', name in environ])('CP_B')",
    ],
)
def test_no_other_counts(started, reads):
    assert started(reads, CP_A="a", CP_B="a")
    assert not started(reads, CP_A="b", CP_B="a")


def test_one_can_be_left_out(started):
    options = ", ignore_globals=['CP_A']"
    assert started(READS["by get"], options, CP_A="a")
    assert not started(READS["by get"], options, CP_A="b")


def test_some_can_be_left_out_of_a_program(started):
    left_out = {"CACHEPY_IGNORE_ENV": "OTHER, CP_A"}
    assert started(READS["by get"], CP_A="a", **left_out)
    assert not started(READS["by get"], CP_A="b", **left_out)
    assert started(READS["by get"], ", env_vars=['CP_A']", CP_A="a", **left_out)
    assert started(READS["by get"], ", env_vars=['CP_A']", CP_A="b", **left_out), "what is declared counts"


@pytest.mark.parametrize(
    "sets",
    [
        "os.environ['CP_A'] = str(n)",
        "os.environ[NAME] = 'x'",
        "os.environ.setdefault('CP_A', '1')",
        "os.environ.__setitem__('CP_A', 'x')",
    ],
)
def test_one_that_the_body_sets_itself_does_not_count(project, sets):
    project.write("program.py", f"""
import os
from cachepy import cache_file
NAME = "CP_A"
@cache_file("cache", warn_cheap=False)
def used(n):
    print("ran")
    {sets}
    return os.environ["CP_A"]
print(used(1))
""")
    assert project.run("program.py").silent().split()[0] == "ran"
    assert project.run("program.py").silent().split()[0] != "ran"


OWN = """
import os
os.environ["CP_A"] = {value}
from cachepy import cache_file
@cache_file("cache", warn_cheap=False{options})
def used(n):
    print("ran")
    return os.environ["CP_A"]
print(used(1))
"""


@pytest.mark.parametrize("options", ["", ", env_vars=['CP_A']"])
def test_one_that_the_program_sets_is_not_that_of_who_asks(project, options):
    project.write("program.py", OWN.format(value="'a'", options=options))
    project.run("program.py")
    assert project.cachepy(*STATUS).returncode == 0
    assert project.cachepy(*STATUS, CP_A="other").returncode == 0
    project.write("program.py", OWN.format(value="'a'", options=options) + "# a comment\n")
    assert project.cachepy(*STATUS).returncode == 0
    project.write("program.py", OWN.format(value="'b'", options=options))
    assert project.cachepy(*STATUS).returncode == 1
    assert project.run("program.py").stdout.split() == ["ran", "b"]
    assert project.cachepy(*STATUS).returncode == 0


ASKED = """
import os, cachepy
@cachepy.cache_file("cache", warn_cheap=False)
def used(n):
    return os.environ.get("CP_A")
for value in "ab":
    os.environ["CP_A"] = value
    used(1)
print(len(cachepy.cache_tree_stale()))
for change in ("os.environ['CP_A'] = 'c'", "del os.environ['CP_A']"):
    exec(change)
    said = [str(reason) for each in cachepy.cache_tree_stale().values() for reason in each["reasons"]]
    print(said, [str(reason) for reason in used.explain(1).reasons], sep="\\n")
os.environ["CP_A"] = "a"
print(len(cachepy.cache_tree_stale()))
"""


def test_a_program_that_has_the_function_asks_for_itself(project):
    """The newest run had what the program set then: a call would look at what is set now."""
    project.write("program.py", ASKED)
    changed, gone = "['environment variable CP_A changed']", "['environment variable CP_A is no longer set']"
    assert project.run("program.py").silent().splitlines() == ["0", changed, changed, gone, gone, "0"]


@pytest.mark.parametrize("after", ["str(len('abc'))", "'x'.join('bc')"])
def test_what_an_edited_program_sets_may_be_unknown(project, after):
    project.write("program.py", OWN.format(value="'a'", options=""))
    project.run("program.py")
    project.write("program.py", OWN.format(value=after, options=""))
    assert project.cachepy(*STATUS).returncode in (1, 3)


def test_a_program_that_no_longer_sets_it_is_not_called_fresh(project):
    project.write("program.py", OWN.format(value="'a'", options=""))
    project.run("program.py")
    project.write("program.py", OWN.format(value="'a'", options="").replace("os.environ[\"CP_A\"] = 'a'\n", ""))
    assert project.cachepy(*STATUS).returncode in (1, 3)
