"""Results of functions, classes and modules that have another name now, or other parameters: they stay hits."""

from __future__ import annotations

import pytest

from tests.programs import LOG, Project

FLOW = '''
from cachepy import cache_file

cached = cache_file("cache", warn_cheap=False)


def helper(x):
    return x + 1


@cached
def leaf(x, scale=2, *, shift=0):
    log("leaf")
    return helper(x) * scale + shift


@cached
def middle(x):
    log("middle")
    return leaf(x) + leaf(x, 3)


@cached
def top(x):
    log("top")
    return middle(x)


class Model:
    def __init__(self, k):
        self.k = k

    @cached
    def fit(self, x):
        log("fit")
        return self.k * x


@cached
def score(model, x):
    log("score")
    return model.fit(x) + 1
'''
MAIN = "import flow\nprint(flow.top(1), flow.leaf(5, shift=1), flow.score(flow.Model(2), 3))\n"
SHOWN = "10 13 7\n"
ALL = ["fit", "leaf", "leaf", "leaf", "middle", "score", "top"]


@pytest.fixture
def flow(tmp_path):
    """A program that ran once."""
    with Project(tmp_path, head=LOG, LOGNAME="ann") as made:
        made.write("flow.py", FLOW)
        made.write("main.py", MAIN)
        assert made.run("main.py").silent() == SHOWN
        assert sorted(made.ran()) == ALL
        yield made


def accepted(flow: Project, *words: object, code: int | None = 0, **env: str | None):
    return flow.cachepy("accept", "--yes", "--json", *words, code=code, **env).json()


def is_hit(flow: Project, *args: object) -> bool:
    assert flow.run(*(args or ["main.py"])).stdout == SHOWN
    return not flow.ran()


def names_of(calls) -> list[str]:
    return sorted(each.partition(":")[0] for each in calls)


def rename_leaf(flow: Project) -> None:
    text = (flow / "flow.py").read_text().replace("leaf(", "leaf_of(")
    (flow / "flow.py").write_text(text)
    (flow / "main.py").write_text(MAIN.replace("leaf(", "leaf_of("))


def test_a_renamed_function_and_its_callers_run_nothing(flow):
    rename_leaf(flow)
    assert flow.cachepy("status", "-q").returncode != 0
    shown = flow.cachepy("accept", "--renamed", "flow:leaf", "flow:leaf_of", "--dry-run", code=0).stdout
    assert "flow:leaf is flow:leaf_of now" in shown
    assert "leaf(5, 2, 1) -> leaf_of" in shown
    assert "4 calls would be accepted" in shown
    answer = accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of")
    assert names_of(answer["accepted"]) == ["leaf_of"] * 3 + ["middle"]
    assert names_of(answer["renamed"].values()) == ["leaf"] * 3
    assert not answer["left"]
    assert flow.ran() == []
    assert flow.cachepy("status", "-q").returncode == 0
    assert is_hit(flow)
    assert flow.cachepy("status", "-q").returncode == 0
    assert flow.cachepy("verify").returncode == 0


def test_what_is_moved_depends_on_what_it_did(flow):
    """A later edit of the function, of a helper, and of what it is called by."""
    rename_leaf(flow)
    accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of")
    flow.edit("flow.py", "return x + 1", "return x + 2 - 1 + 0 * x")
    assert flow.cachepy("status", "-q").returncode == 1
    assert flow.run("main.py").silent() == SHOWN
    assert set(flow.ran()) == {"leaf"}
    flow.edit("flow.py", "return middle(x)", "return middle(x) + 0")
    flow.run("main.py")
    assert flow.ran() == ["top"]


def test_it_is_marked_with_its_old_name_and_can_be_taken_back(flow):
    before = flow.cachepy("log", "--json").json()["runs"]
    rename_leaf(flow)
    accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of")
    shown = flow.cachepy("show", "leaf_of(5, 2, 1)", "--json").json()["accepted"]
    assert shown.startswith("by ann on 20")
    assert shown.endswith(", from flow:leaf")
    nodes = flow.cachepy("export", "--format", "json").json()["nodes"]
    assert names_of(n["id"] for n in nodes if n["accepted"]) == ["leaf_of"] * 3 + ["middle"]
    after = flow.cachepy("log", "--json").json()["runs"]
    assert [run for run in after if run["fname"] != "leaf_of"] == before

    answer = accepted(flow, "--undo")
    assert names_of(answer["accepted"]) == ["leaf_of"] * 3 + ["middle"]
    assert flow.cachepy("status", "-q").returncode != 0
    (flow / "flow.py").write_text((flow / "flow.py").read_text().replace("leaf_of(", "leaf("))
    (flow / "main.py").write_text(MAIN)
    assert flow.cachepy("status", "-q").returncode == 0
    assert is_hit(flow)
    rename_leaf(flow)
    accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of")
    assert flow.cachepy("status", "-q").returncode == 0
    assert is_hit(flow)


def test_the_old_code_still_finds_its_results(flow):
    rename_leaf(flow)
    accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of")
    (flow / "flow.py").write_text((flow / "flow.py").read_text().replace("leaf_of(", "leaf("))
    (flow / "main.py").write_text(MAIN)
    assert is_hit(flow)
    flow.edit("flow.py", "return helper(x) *", "return 0 + helper(x) *")  # it is no history: the program makes it
    assert flow.cachepy("status", "-q").returncode == 1


def test_a_moved_module(flow):
    (flow / "pack").mkdir()
    (flow / "pack" / "__init__.py").write_text("")
    (flow / "flow.py").rename(flow / "pack" / "work.py")
    (flow / "pack" / "work.py").write_text((flow / "pack" / "work.py").read_text().replace("abspath(__file__))", "dirname(os.path.abspath(__file__)))"))
    flow.write("main.py", MAIN.replace("import flow", "import pack.work as flow"))
    answer = accepted(flow, "--renamed", "flow", "pack.work")
    assert names_of(answer["accepted"]) == ALL
    assert not answer["left"]
    assert not answer["unimported"]
    assert flow.cachepy("status", "-q").returncode == 0
    assert is_hit(flow)
    assert flow.cachepy("status", "-q").returncode == 0
    flow.edit("pack/work.py", "return self.k * x", "return x * self.k")
    assert flow.cachepy("status", "-q").returncode == 1
    flow.run("main.py")
    assert flow.ran() == ["fit"]


def test_a_function_that_moved_to_another_module(flow):
    text = (flow / "flow.py").read_text()
    start, end = text.index("@cached\ndef leaf"), text.index("@cached\ndef middle")
    flow.write("leaves.py", text[text.index("from cachepy") : start] + text[start:end])
    (flow / "flow.py").write_text(text[:start] + "from leaves import leaf\n\n\n" + text[end:])
    answer = accepted(flow, "--renamed", "flow:leaf", "leaves:leaf")
    assert names_of(answer["accepted"]) == ["leaf"] * 3 + ["middle"]
    assert is_hit(flow)
    flow.edit("leaves.py", "return x + 1", "return 1 + x")  # the helper that it has there
    flow.run("main.py")
    assert set(flow.ran()) == {"leaf"}


def test_code_that_reads_nothing_has_the_same_digest_under_another_name(tmp_path):
    """What is kept of it names the file where it is now."""
    with Project(tmp_path, head=LOG) as made:
        made.write("pure.py", 'from cachepy import cache_file\n\n\n@cache_file("cache", warn_cheap=False)\ndef twice(x):\n    return 2 * x\n')
        made.run("-c", "import pure; pure.twice(4)")
        (made / "pure.py").rename(made / "clean.py")
        assert names_of(accepted(made, "--renamed", "pure", "clean")["accepted"]) == ["twice"]
        assert made.cachepy("status", "-q").returncode == 0
        assert made.run("-c", "import clean; print(clean.twice.is_cached(4))").silent() == "True\n"
        assert made.cachepy("status", "-q").returncode == 0
        made.edit("clean.py", "2 * x", "x + x")
        assert made.cachepy("status", "-q").returncode == 1


def test_a_renamed_class(flow):
    """Its methods have other names, and calls that take its objects other keys."""
    for name in ("flow.py", "main.py"):
        (flow / name).write_text((flow / name).read_text().replace("Model", "Linear"))
    answer = accepted(flow, "--renamed", "flow:Model", "flow:Linear")
    assert names_of(answer["accepted"]) == ["fit", "score"]
    assert not answer["left"]
    assert flow.cachepy("status", "-q").returncode == 0
    assert is_hit(flow)
    flow.edit("flow.py", "return self.k * x", "return x * self.k")
    flow.run("main.py")
    assert flow.ran() == ["fit"]


def test_a_renamed_parameter(flow):
    (flow / "flow.py").write_text((flow / "flow.py").read_text().replace("scale", "factor").replace("shift", "plus"))
    (flow / "main.py").write_text(MAIN.replace("shift", "plus"))
    why = accepted(flow, "leaf", code=1)["left"].values()
    assert all("other parameters" in each for each in why)
    why = accepted(flow, "--parameter", "leaf.scale=leaf.factor", code=1)["left"].values()
    assert all("if it is the same, add --parameter leaf.shift=leaf.plus" in each for each in why if "below it" not in each)
    answer = accepted(flow, "--parameter", "leaf.scale=leaf.factor", "--parameter", "leaf.shift=plus")
    assert names_of(answer["accepted"]) == ["leaf"] * 3 + ["middle"]
    assert is_hit(flow)
    texts = [reason["text"] for each in answer["planned"].values() for reason in each]
    assert "parameter scale of flow:leaf is factor now" in texts


def test_a_new_parameter_whose_default_keeps_the_meaning(flow):
    flow.edit("flow.py", "shift=0):", "shift=0, unit=None):")
    why = accepted(flow, "leaf", code=1)["left"].values()
    assert all("so this is a different call; see --parameter" in each for each in why)
    why = accepted(flow, "--parameter", "flow:leaf.more", code=1)["left"].values()
    assert any("leaf has no parameter 'more'" in each for each in why)
    answer = accepted(flow, "--parameter", "leaf.unit")
    assert names_of(answer["accepted"]) == ["leaf"] * 3 + ["middle"]
    texts = [reason["text"] for each in answer["planned"].values() for reason in each]
    assert "parameter unit of flow:leaf is new" in texts
    assert is_hit(flow)
    flow.run("-c", "import flow; flow.leaf(1, unit='m')")
    assert flow.ran() == ["leaf"]


def test_a_new_parameter_that_nobody_named(flow):
    rename_leaf(flow)
    flow.edit("flow.py", "shift=0):", "shift=0, unit=None):")
    why = accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of", code=1)["left"].values()
    assert all("add --parameter leaf_of.unit" in each for each in why)
    answer = accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of", "--parameter", "leaf_of.unit")
    assert names_of(answer["accepted"]) == ["leaf_of"] * 3 + ["middle"]
    assert is_hit(flow)


def test_parameters_in_another_order(flow):
    """What was given by position is given by name then."""
    flow.edit("flow.py", "def leaf(x, scale=2, *, shift=0):", "def leaf(scale=2, x=0, *, plus=0):")
    flow.edit("flow.py", "return leaf(x) + leaf(x, 3)", "return leaf(x=x) + leaf(x=x, scale=3)")
    flow.edit("flow.py", "* scale + shift", "* scale + plus")
    (flow / "main.py").write_text(MAIN.replace("leaf(5, shift", "leaf(x=5, plus"))
    answer = accepted(flow, "--parameter", "leaf.shift=leaf.plus")
    assert names_of(answer["accepted"]) == ["leaf"] * 3 + ["middle"]
    assert is_hit(flow)


# ---------------------------------------------------------------- what is left, and why


def test_another_default_makes_another_call(flow):
    rename_leaf(flow)
    flow.edit("flow.py", "scale=2", "scale=4")
    answer = accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of", code=1)
    left = {call.partition(":")[0]: why for call, why in answer["left"].items()}
    assert "would be another call now: a default" in left["leaf"]
    assert len(answer["renamed"]) == 1  # where it was given


def test_a_function_that_is_still_there_is_not_renamed(flow):
    text = (flow / "flow.py").read_text()
    (flow / "flow.py").write_text(text + "\n\n@cached\ndef leaf_of(x, scale=2, *, shift=0):\n    return helper(x) * scale + shift\n")
    answer = accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of", code=1)
    assert not answer["accepted"]
    assert {*answer["left"].values()} == {"flow:leaf is still there, beside flow:leaf_of"}
    assert is_hit(flow)


def test_a_name_that_is_not_there_now(flow):
    rename_leaf(flow)
    answer = accepted(flow, "--renamed", "flow:leaf", "flow:leaves", code=1)
    assert "flow:leaves is no cached function in this process" in answer["left"].values()
    assert not answer["accepted"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--renamed", "flow:nothing", "flow:leaf"], "no call of flow:nothing is recorded"),
        (["--renamed", "flow:leaf", "flow"], "one is a module, the other is in one"),
        (["--renamed", ":leaf", "flow:leaf_of"], "names no code"),
        (["--parameter", "leaf"], "write function.old=function.new"),
        (["--parameter", "none.x=y"], "no call of none.x is recorded"),
        (["--renamed", "flow:leaf", "flow:leaf_of", "--undo"], "neither --undo nor --package"),
    ],
)
def test_a_wrong_use_is_told(flow, words, why):
    done = flow.cachepy("accept", "--yes", *words, code=2)
    assert why in done.stderr


def test_changed_files_and_damaged_values_are_left(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        text = FLOW.replace("return helper(x) * scale + shift", "return open('data.txt').read() * 40")
        made.write("flow.py", text)
        made.write("data.txt", "mark")
        made.run("-c", "import flow; flow.leaf(1); flow.leaf(2)")
        (made / "flow.py").write_text((made / "flow.py").read_text().replace("leaf(", "leaf_of("))
        made.write("data.txt", "other")
        why = accepted(made, "--renamed", "flow:leaf", "flow:leaf_of", code=1)["left"].values()
        assert all("data.txt changed" in each for each in why)
        made.write("data.txt", "mark")
        entry = next((made / "cache").rglob("leaf-*.entry"))
        entry.chmod(0o600)
        entry.write_bytes(entry.read_bytes().replace(b"markmark", b"markmork", 1))
        answer = accepted(made, "--renamed", "flow:leaf", "flow:leaf_of", code=1)
        assert len(answer["accepted"]) == 1
        assert "checksum" in next(iter(answer["left"].values()))


def test_a_result_of_a_class_that_is_gone_is_left(flow):
    flow.edit("flow.py", "return middle(x)", "return Model(middle(x))")
    flow.run("-c", "import flow; flow.top(1)")
    flow.ran()
    text = (flow / "flow.py").read_text().replace("def top(", "def best(").replace("Model", "Linear")
    (flow / "flow.py").write_text(text)
    answer = accepted(flow, "--renamed", "flow:top", "flow:best", code=1)
    assert "Model" in next(iter(answer["left"].values()))


@pytest.mark.parametrize("mode", ["off", "readonly", "required"])
def test_where_nothing_is_written_nothing_is_moved(flow, mode):
    rename_leaf(flow)
    assert mode in flow.cachepy("accept", "--yes", "--renamed", "flow:leaf", "flow:leaf_of", code=2, CACHEPY=mode).stderr


# ---------------------------------------------------------------- ended in the middle; in Python


KILLED = """
import os
from cachepy.calls import renaming
store = renaming.Renaming._store
def once(self, step, mark, left=[2]):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    return store(self, step, mark)
renaming.Renaming._store = once
from cachepy.cli.main import main
main(["accept", "--yes", "--renamed", "flow:leaf", "flow:leaf_of"])
"""


def test_what_was_killed_in_the_middle_is_done_by_the_next(flow):
    rename_leaf(flow)
    flow.run("-c", KILLED, code=9)
    answer = accepted(flow, "--renamed", "flow:leaf", "flow:leaf_of")
    assert not answer["left"]
    assert flow.cachepy("status", "-q").returncode == 0
    assert is_hit(flow)
    assert flow.cachepy("status", "-q").returncode == 0


def test_in_python(flow):
    rename_leaf(flow)
    head = "import cachepy, flow; cachepy.cache_tree_sync('cache'); "
    ask = "cachepy.cache_tree_accept(renamed={'flow:leaf': 'flow:leaf_of'}"
    assert flow.run("-c", f"{head}print({ask}, dry_run=True))").silent() == "4 accepted\n"
    assert flow.run("-c", f"{head}print({ask}), len(cachepy.cache_tree_stale()))").silent() == "4 accepted 0\n"
    assert "neither undo" in flow.run("-c", f"{head}{ask}, undo=True)", code=1).stderr
    assert is_hit(flow)


def test_only_the_calls_that_are_named(flow):
    rename_leaf(flow)
    answer = accepted(flow, "leaf(5, 2, 1)", "--renamed", "flow:leaf", "flow:leaf_of")
    assert names_of(answer["accepted"]) == ["leaf_of"]
    flow.run("main.py")
    assert flow.ran().count("leaf") == 2


def test_arguments_that_were_not_kept_are_told(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", FLOW.replace("warn_cheap=False", "warn_cheap=False, keep_args=False"))
        made.run("-c", "import flow; flow.leaf(1)")
        (made / "flow.py").write_text((made / "flow.py").read_text().replace("leaf(", "leaf_of("))
        [why] = accepted(made, "--renamed", "flow:leaf", "flow:leaf_of", code=1)["left"].values()
        assert "were not kept" in why
