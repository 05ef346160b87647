"""`ignore_code=[...]`: edits of such code keep hits, all other edits run again."""

from __future__ import annotations

import sys

import pytest

from cachepy.calls.options import Options
from cachepy.code.ignored_code import Ignored
from cachepy.errors import UsageValueError
from tests.programs import LOG, Project

FLOW = '''
from cachepy import cache_file
import lib.plots
from lib.numbers import Shape, scaled

cached = cache_file("cache", warn_cheap=False, ignore_code=IGNORED)


def helper(x):
    return x + 1


def shown(x):
    return f"<{x}>"


@cached
def leaf(x):
    log("leaf")
    lib.plots.draw(x)
    shown(x)
    return scaled(helper(x)) + Shape().area()


@cached
def found(x):
    log("found")
    return getattr(lib.plots, "".join(["dr", "aw"]))(x)
'''
PLOTS = "WIDTH = 3\n\ndef draw(x):\n    return line(x)\n\ndef line(x):\n    return str(x)\n"
NUMBERS = "def scaled(x):\n    return x * 2\n\nclass Shape:\n    def area(self):\n        return 1\n\n    def name(self):\n        return 'shape'\n"
EDITS = {
    "helper": ("flow.py", "return x + 1", "return 1 + x"),
    "shown": ("flow.py", 'f"<{x}>"', 'f"({x})"'),
    "leaf": ("flow.py", "    shown(x)\n", "    shown(x + 0)\n"),
    "plots.draw": ("lib/plots.py", "return line(x)", "return line(x + 0)"),
    "plots.line": ("lib/plots.py", "return str(x)", "return repr(x)"),
    "scaled": ("lib/numbers.py", "return x * 2", "return 2 * x"),
    "area": ("lib/numbers.py", "return 1", "return int(1)"),
}
IGNORED = {
    "shown": {"shown"},
    "flow.shown": {"shown"},
    "flow:shown": {"shown"},
    "lib.plots.*": {"plots.draw", "plots.line"},
    "lib.*": {"plots.draw", "plots.line", "scaled", "area"},
    "draw": {"plots.draw", "plots.line"} if sys.version_info < (3, 12) else {"plots.draw"},
    "Shape": {"area"},
    "Shape.area": {"area"},
    "leaf": set[str](),
    "hel": set[str](),
    "plots.*": set[str](),
}


@pytest.mark.parametrize("name", IGNORED)
def test_only_edits_of_what_is_named_keep_hits(tmp_path, name):
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", f"IGNORED = [{name!r}]\n" + FLOW)
        for path, text in {"lib/plots.py": PLOTS, "lib/numbers.py": NUMBERS, "lib/__init__.py": ""}.items():
            (tmp_path / "lib").mkdir(exist_ok=True)
            (tmp_path / path).write_text(text)
        ask = "import flow; print(flow.leaf(1))"
        made.run("-c", ask)
        made.ran()
        for edit, (path, old, new) in EDITS.items():
            made.edit(path, old, new)
            is_fresh = made.cachepy("status", "-q").returncode == 0
            made.run("-c", ask)
            is_hit = not made.ran()
            assert is_hit == (edit in IGNORED[name]), edit
            assert is_fresh <= is_hit, f"{edit}: a false fresh"
            assert is_fresh == is_hit, f"{edit}: a false stale"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="code that ran counts from Python 3.12 on")
def test_code_that_ran_is_left_out_by_the_same_names(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        (tmp_path / "lib").mkdir()
        for path, text in {"lib/plots.py": PLOTS, "lib/numbers.py": NUMBERS, "lib/__init__.py": ""}.items():
            (tmp_path / path).write_text(text)
        ask = "import flow; print(flow.found(1))"
        made.write("flow.py", "IGNORED = ['lib.plots.*']\n" + FLOW)
        made.run("-c", ask)
        made.ran()
        made.edit(*EDITS["plots.line"])
        made.run("-c", ask)
        assert made.ran() == []
        made.edit("flow.py", "['lib.plots.*']", "['lib.numbers.*']")
        made.run("-c", ask)
        assert made.ran() == ["found"]
        made.edit("lib/plots.py", "return repr(x)", "return str(x)")
        made.run("-c", ask)
        assert made.ran() == ["found"]


def test_a_function_as_an_argument_is_left_out_too(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", """
            from cachepy import cache_file

            def step(x):
                return x + 1

            def other(x):
                return x + 2

            @cache_file("cache", warn_cheap=False, ignore_code=["step"])
            def apply(fn, x):
                log("apply")
                return fn(x)
            """)
        ask = "import flow; flow.apply(flow.step, 1); flow.apply(flow.other, 1)"
        made.run("-c", ask)
        assert made.ran() == ["apply", "apply"]
        made.edit("flow.py", "x + 1", "1 + x")
        made.run("-c", ask)
        assert made.ran() == []
        made.edit("flow.py", "x + 2", "2 + x")
        made.run("-c", ask)
        assert made.ran() == ["apply"]


def test_it_is_declared_only_where_it_is_given():
    assert Options().declared() == Options(ignore_code=[]).declared()
    assert dict(Options(ignore_code=["b", "a"]).declared())["ignore_code"] == "['a', 'b']"
    assert type(Options(ignore_globals=["X"]).ignored()) is frozenset


def test_giving_it_runs_again_and_status_knows(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", FLOW.replace("ignore_code=IGNORED", "").replace("import lib.plots\n", "").replace(
            "from lib.numbers import Shape, scaled", "").replace("scaled(helper(x)) + Shape().area()", "helper(x)").replace(
            "    lib.plots.draw(x)\n", "").partition("@cached\ndef found")[0])
        made.run("-c", "import flow; flow.leaf(1)")
        made.ran()
        made.edit("flow.py", "@cached", "@cached(ignore_code=['shown'])")
        assert made.cachepy("status", "-q").returncode == 1
        made.run("-c", "import flow; flow.leaf(1)")
        assert made.ran() == ["leaf"]
        assert made.cachepy("status", "-q").returncode == 0
        made.edit("flow.py", "def shown(x):", "def shown(x, mark='#'):")
        made.run("-c", "import flow; flow.leaf(1)")
        assert made.ran() == []
        made.edit("flow.py", "def shown(x, mark='#'):\n", "shown = str\n\n\ndef other(x):\n")
        assert made.cachepy("status", "-q").returncode == 1
        made.run("-c", "import flow; flow.leaf(1)")
        assert made.ran() == ["leaf"]


@pytest.mark.parametrize("name", ["*", ".*", "a*", "a.*.b"])
def test_a_star_stands_for_all_of_a_module_only(name):
    with pytest.raises(UsageValueError, match="ignore_code"):
        Options(ignore_code=[name])


def test_names_are_whole():
    ignored = Ignored.of(frozenset(), ["draw", "plots.*"])
    assert ignored.has("shop", "draw")
    assert ignored.has("shop", "draw.<locals>.inner")
    assert ignored.has("plots.maps", "f")
    assert not ignored.has("shop", "drawn")
    assert not ignored.has("plotsy", "f")
    assert not ignored.has("my.plots", "f")
