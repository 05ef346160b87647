"""Why one run gave another result than another one: `cachepy diff` and `cache_tree_diff`, on programs that were edited."""

from __future__ import annotations

import shutil

import pytest

from cachepy.staleness.value_diff import differences
from cachepy.store.entryfile import MAGIC
from tests.programs import Project

PROGRAM = """
    import os
    from pathlib import Path
    from cachepy import cache_file

    cached = cache_file(".cachepy", warn_cheap=False)
    RATE = 2

    @cached(version="1")
    def load(path):
        return [int(word) for word in Path(path).read_text().split()]

    @cached(env_vars=["REGION"])
    def scaled(values):
        return [RATE * value for value in values]

    @cached
    def report(title):
        parts = [scaled(load(f"data/{i}.txt")) for i in range(3)]
        return {"title": title, "sums": [sum(part) for part in parts]}

    if __name__ == "__main__":
        report("weekly")
"""


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path, REGION="north")
    for i in range(3):
        made.write(f"data/{i}.txt", f"{i} {i + 1}")
    made.write("flow.py", PROGRAM)
    made.run("flow.py")
    return made


def asked(project, *words, **how):
    found = project.cachepy("diff", *words, "--json", **how)
    assert found.returncode in (0, 1), found.stderr
    return found.json()


def causes(found):
    return [(cause["cue"], cause["name"]) for cause in found["causes"]]


def test_root_causes_are_told_once_with_the_way_to_them(project):
    project.write("data/2.txt", "2 30")
    project.edit("flow.py", "RATE * value", "RATE * value + 1")
    project.run("flow.py")
    found = asked(project, "report")
    assert sorted(causes(found)) == [("code", "flow:scaled"), ("file", "data/2.txt")]
    assert not found["equal"] and found["values"] == []
    code, file = sorted(found["causes"], key=lambda cause: cause["cue"])
    assert code["diff"].splitlines()[1:] == [
        "-    return [RATE * value for value in values]",
        "+    return [RATE * value + 1 for value in values]",
    ]
    assert (code["calls"], file["calls"]) == (3, 1)
    assert file["path"] == ["report('weekly')", "load('2.txt')"]
    assert (found["first"]["number"], found["second"]["number"]) == (2, 1)


def test_the_text_names_both_runs_and_what_differs(project):
    project.write("data/2.txt", "2 30")
    project.run("flow.py")
    done = project.cachepy("diff", "report", "--values", code=1)
    head, first, second, cause, way, *values = done.lines
    assert head == "report('weekly'): different results, 1 cause"
    assert first.startswith("first   report('weekly'), run 2, ") and second.startswith("second  report('weekly'), run 1, ")
    assert (cause, way) == ("cause   file data/2.txt changed", "        in report('weekly') > load('2.txt')")
    assert values == [
        "value   dict: 1 of 2 values differs", "value     ['sums']: list: 1 of 3 items differs",
        "value       [2]: 10 -> 64 (+54)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("edit", "cause"),
    [
        (lambda p: p.edit("flow.py", "RATE = 2", "RATE = 3"), ("global", "flow.RATE")),
        (lambda p: (p / "data/1.txt").unlink(), ("file gone", "data/1.txt")),
        (lambda p: p.env.update(REGION="northwest"), ("env", "REGION")),
    ],
    ids=["global", "file gone", "env"],
)
def test_every_kind_of_cause_is_told(project, edit, cause):
    project.edit("flow.py", "Path(path).read_text()", '(Path(path).read_text() if os.path.exists(path) else "")')
    project.edit("flow.py", "[RATE * value", "[len(os.environ['REGION']) * RATE * value")
    project.run("flow.py")
    edit(project)
    project.run("flow.py")
    found = asked(project, "report")
    assert causes(found) == [cause]


def test_a_declared_value_is_told(project):
    project.edit("flow.py", 'version="1"', 'version="2"')
    project.run("flow.py")
    [cause] = asked(project, "load('0.txt')")["causes"]
    assert cause["text"] == "declared version changed from '1' to '2'"


def test_what_did_not_reach_the_result_is_no_cause(project):
    project.edit("flow.py", "Path(path).read_text().split()", "sorted(Path(path).read_text().split())")
    project.write("data/0.txt", "5 1")
    project.run("flow.py")
    found = asked(project, "report")
    assert causes(found) == [("code", "flow:load"), ("file", "data/0.txt")]
    assert [cause["calls"] for cause in found["causes"]] == [1, 1], "the other two gave what they gave"


def test_equal_results_say_so(project):
    project.edit("flow.py", "sum(part) for", "sum(part, 0) for")
    project.run("flow.py")
    done = project.cachepy("diff", "report", "--values", code=0)
    assert done.lines[0] == "report('weekly'): the same result, 1 cause"
    assert done.lines[-1] == "value   equal"


def test_a_result_without_a_cause_is_told(tmp_path):
    project = Project(tmp_path)
    text = """
        import random
        from pathlib import Path
        from cachepy import cache_file

        @cache_file(".cachepy", warn_cheap=False)
        def draw(path):
            return random.SystemRandom().random()

        @cache_file(".cachepy", warn_cheap=False)
        def top(path):
            Path(path).read_text()
            return draw(3)

        top("a.txt")
        draw.clear(3)
    """
    project.write("a.txt", "1")
    project.main(text)
    project.write("a.txt", "2")
    project.main(text)
    found = asked(project, "top")
    assert causes(found) == [("file", "a.txt"), ("result", "draw(3)")]
    assert "draw(3) gave another result, and nothing that counts is known to differ" in found["causes"][1]["text"]


# ---------------------------------------------------------------- which runs


def test_one_run_says_what_to_do(project):
    done = project.cachepy("diff", "report", code=2)
    assert "only one run of report('weekly') is known" in done.stderr and "another call of report" in done.stderr


def test_runs_are_chosen_by_number_and_by_their_digits(project):
    for text in ("2 30", "2 40"):
        project.write("data/2.txt", text)
        project.run("flow.py")
    sums = {n: asked(project, "report", "--runs", n, "1", "--values")["values"] for n in (1, 2, 3)}
    assert sums[1] == ["equal"]
    assert sums[2][-1].endswith("64 -> 84 (+20)") and sums[3][-1].endswith("10 -> 84 (+74)")
    run = asked(project, "report", "--runs", 3, 1)["first"]["run"]
    assert asked(project, "report", "--runs", run[:8], "1")["first"]["number"] == 3
    done = project.cachepy("diff", "report", "--runs", 9, 1, code=2)
    assert "there is no run 9 of report('weekly'); there are 1 (" in done.stderr


def test_two_calls_of_one_function(project):
    found = asked(project, "load('0.txt')", "load('1.txt')", "--values")
    assert [cause["text"] for cause in found["causes"]] == ["argument path is 'data/1.txt', and 'data/0.txt' in load('0.txt')"]
    assert found["values"] == ["list: 2 of 2 items differ", "  [0]: 0 -> 1 (+1)", "  [1]: 1 -> 2 (+1)"]
    done = project.cachepy("diff", "report", "load('1.txt')", code=2)
    assert "are calls of two functions" in done.stderr


def test_arguments_that_are_results_lead_to_the_calls_that_gave_them(tmp_path):
    project = Project(tmp_path)
    text = """
        from pathlib import Path
        from cachepy import cache_file

        cached = cache_file(".cachepy", warn_cheap=False)

        @cached
        def load(path):
            return [float(word) for word in Path(path).read_text().split()]

        @cached
        def doubled(values):
            return [2 * value for value in values]

        doubled(load("a.txt"))
    """
    project.write("a.txt", "1.25 2.5 3.75 9.125 7.5")
    project.main(text)
    project.write("a.txt", "1.25 2.5 3.75 9.125 8.5")
    project.main(text)
    ids = [word for line in project.cachepy("log", "doubled").lines for word in line.split() if word.startswith("doubled:")]
    found = asked(project, *ids[::-1])
    assert causes(found) == [("file", "a.txt")]
    assert found["causes"][0]["path"][1] == "load('a.txt')"


@pytest.mark.parametrize("name", ["repor", "nothing"])
def test_an_unknown_call_is_told_with_what_it_may_be(project, name):
    done = project.cachepy("diff", name, code=2)
    assert f"no call '{name}'" in done.stderr
    assert ("did you mean report?" in done.stderr) == (name == "repor")


# ---------------------------------------------------------------- other caches


def other(project, folder):
    """The same project at another place, with a cache of its own."""
    shutil.copytree(project.folder, folder, ignore=shutil.ignore_patterns(".cachepy"))
    return Project(folder, **project.env)


def test_the_same_call_in_two_caches(project, tmp_path_factory):
    there = other(project, tmp_path_factory.mktemp("there") / "project")
    there.write("data/1.txt", "1 50")
    there.run("flow.py")
    found = asked(project, "report", "--other", there / ".cachepy", "--values")
    assert causes(found) == [("file", "data/1.txt")]
    assert found["values"][-1].endswith("6 -> 102 (+96)")
    assert [found[which]["cache_dir"] for which in ("first", "second")] == [str(p / ".cachepy") for p in (project, there)]


def test_files_of_two_places_are_the_same_files_by_their_last_parts(tmp_path_factory):
    text = """
        from pathlib import Path
        from cachepy import cache_file

        LIMIT = Path(__file__).resolve().parent / "limit.txt"

        @cache_file(".cachepy", warn_cheap=False, ignore_globals=["LIMIT"])
        def limit(x):
            return x + int(LIMIT.read_text())

        limit(1)
    """
    places = [Project(tmp_path_factory.mktemp(name)) for name in ("here", "there")]
    for number, each in enumerate(places):
        each.write("limit.txt", str(number))
        each.main(text)
    found = asked(places[0], "limit", "--other", places[1] / ".cachepy")
    assert causes(found) == [("file", str(places[0] / "limit.txt"))]


def test_a_copy_of_the_cache_has_the_same_runs(project, tmp_path_factory):
    copy = tmp_path_factory.mktemp("copy") / "c"
    shutil.copytree(project / ".cachepy", copy)
    done = project.cachepy("diff", "report", "--other", copy, code=0)
    assert done.lines[0] == "report('weekly'): the same result, and nothing that counts differs"


def test_a_cache_without_the_call_or_no_cache_at_all(project, tmp_path_factory):
    empty = Project(tmp_path_factory.mktemp("empty"))
    empty.main('from cachepy import cache_file\n@cache_file(".cachepy")\ndef f(x): return x\nf(1)\n')
    done = project.cachepy("diff", "report", "--other", empty / ".cachepy", code=2)
    assert f"no run of report is stored in {empty / '.cachepy'}" in done.stderr
    done = project.cachepy("diff", "report", "--other", empty / "none", code=2)
    assert "there is no cache directory" in done.stderr


def entry_of(project, start):
    [found] = (project / ".cachepy" / "entries").glob(f"*/{start}-*.entry")
    return found


def test_an_entry_of_another_format_is_told(project, tmp_path_factory):
    there = other(project, tmp_path_factory.mktemp("there") / "project")
    there.run("flow.py")
    entry = entry_of(there, "report")
    data = bytearray(entry.read_bytes())
    assert data.startswith(MAGIC)
    data[len(MAGIC) - 1] += 1
    entry.chmod(0o600)
    entry.write_bytes(data)
    done = project.cachepy("diff", "report", "--other", there / ".cachepy", code=2)
    assert "of a newer cachepy" in done.stderr and "cannot be compared" in done.stderr


# ---------------------------------------------------------------- what is gone


def test_causes_are_told_though_the_older_value_is_pruned(project):
    project.write("data/2.txt", "2 30")
    project.run("flow.py")
    for old in (project / ".cachepy" / "entries").glob("*/*.old"):
        old.unlink()
    found = asked(project, "report", "--values")
    assert causes(found) == [("file", "data/2.txt")]
    assert found["values"] == ["the value of the first run is no longer stored"]
    assert found["first"]["path"] is None


def test_the_graph_tells_of_runs_that_have_no_entry(project):
    project.run("flow.py")
    project.write("data/2.txt", "2 30")
    shutil.rmtree(project / ".cachepy" / "entries")
    project.run("flow.py")
    assert causes(asked(project, "report")) == [("file", "data/2.txt")]


def test_a_call_below_that_is_gone_leaves_the_cause_unknown(project):
    project.write("data/2.txt", "2 30")
    project.run("flow.py")
    for entry in (project / ".cachepy" / "entries").glob("*/load-*"):
        entry.unlink()
    (project / ".cachepy" / "graph.pkl").unlink()
    found = asked(project, "report")
    assert causes(found)[0] == ("unknown", "load")
    assert "is no longer stored: why is not known" in found["causes"][0]["text"]


# ---------------------------------------------------------------- values


LOADED = """
    import sys
    from pathlib import Path
    from cachepy import cache_file

    class Result:
        def __init__(self, number):
            self.number = number
        def __setstate__(self, state):
            print("loaded", file=sys.stderr)
            vars(self).update(state)
        def __eq__(self, other):
            return self.number == other.number
        def __repr__(self):
            return f"Result({self.number})"

    @cache_file(".cachepy", warn_cheap=False)
    def made(path):
        return Result(int(Path(path).read_text()))

    if __name__ == "__main__":
        made("a.txt")
"""


@pytest.fixture
def results(tmp_path):
    project = Project(tmp_path)
    project.write("made.py", LOADED)
    for text in ("1", "2"):
        project.write("a.txt", text)
        project.run("made.py", CACHEPY_SIGNING_KEY="a key of twenty letters")
    return project


KEY = {"CACHEPY_SIGNING_KEY": "a key of twenty letters"}


def test_values_are_loaded_only_if_asked(results):
    assert "loaded" not in results.cachepy("diff", "made", code=1, **KEY).stderr
    done = results.cachepy("diff", "made", "--values", code=1, **KEY)
    assert "loaded" in done.stderr and done.lines[-1] == "value   Result(1) -> Result(2)"


def test_values_that_are_not_trusted_are_not_loaded(results):
    done = results.cachepy("diff", "made", "--values", code=2, CACHEPY_SIGNING_KEY="another key of letters")
    assert "is signed with another key" in done.stderr and "its runs cannot be compared" in done.stderr
    assert "loaded\n" not in done.stderr


def test_values_of_a_class_that_is_gone_are_told(results):
    (results / "made.py").unlink()
    done = results.cachepy("diff", "made", "--values", code=1, **KEY)
    assert done.lines[-1].startswith("value   not loaded: the stored value cannot be loaded: ModuleNotFoundError")


# ---------------------------------------------------------------- in Python


ASKED = """
    from cachepy import UsageValueError, cache_tree_diff, cache_tree_sync
    cache_tree_sync(".cachepy")
    found = cache_tree_diff("report", values=True)
    print(repr(found))
    html = found._repr_html_()
    assert html == found._repr_mimebundle_()["text/html"]
    assert "data/2.txt" in html and "different" in html and "load(" in html and "64 (+54)" in html
    for name in ("repor", "load"):
        try:
            cache_tree_diff(name)
        except UsageValueError as error:
            print(error)
"""


def test_the_function_answers_the_same(project):
    project.write("data/2.txt", "2 30")
    project.run("flow.py")
    lines = project.main(ASKED).lines
    assert lines[:2] == [
        "report('weekly'): different results, 1 cause",
        "  file data/2.txt changed, in report('weekly') > load('2.txt')",
    ]
    assert lines[-2] == "call='repor' is no call of this graph: did you mean report?"
    assert lines[-1].startswith("call='load' has 3 calls; name one of them: load:")


def test_files_that_calls_below_wrote_are_no_causes(tmp_path):
    project = Project(tmp_path)
    text = """
        from pathlib import Path
        from cachepy import cache_file

        cached = cache_file(".cachepy", warn_cheap=False)

        @cached(outputs=["target"])
        def write(source, target):
            Path(target).write_text(Path(source).read_text() * 2)
            return target

        @cached
        def top(source):
            return len(Path(write(source, "out.txt")).read_text())

        top("a.txt")
    """
    for content in ("one", "three"):
        project.write("a.txt", content)
        project.main(text)
    found = asked(project, "top")
    assert causes(found) == [("file", "a.txt")]


# ---------------------------------------------------------------- two values


def frames():
    pd = pytest.importorskip("pandas")
    old = pd.DataFrame({"x": [1.0, 2.0, None], "name": list("abc"), "gone": 1})
    new = pd.DataFrame({"x": [1.0, 2.5, None, 4.0], "name": list("abcd"), "came": 1})
    return old, new


def test_frames():
    assert differences(*frames()) == (
        "frame: rows 3 -> 4", "frame: without column 'gone'", "frame: with column 'came'", "frame: 1 row labels new",
        "frame: 1 of 2 columns differs", "  'x': 1 of 3 cells differs, at most by 0.5",
    )  # fmt: skip


def test_frames_with_rows_in_another_order_and_other_types():
    old, _ = frames()
    assert differences(old, old.iloc[::-1]) == ("frame: the rows have another order",)
    assert differences(old, old.astype({"gone": "float32"})) == (
        "frame: 1 of 3 columns differs", "  'gone': dtype int64 -> float32",
    )  # fmt: skip
    assert differences(old, old.copy()) == ("equal",)
    assert differences(old["x"], old["x"] + 1)[-1] == "  'values': 2 of 3 cells differ, at most by 1"


def test_arrays():
    np = pytest.importorskip("numpy")
    old = np.array([1.0, np.nan, 3.0])
    assert differences(old, old.copy()) == ("equal",)
    assert differences(old, np.array([1.5, np.nan, 3.0])) == ("array: 1 of 3 elements differs, at most by 0.5",)
    assert differences(old, old[:2]) == ("array: shape (3,) -> (2,)",)
    assert differences(np.arange(3), np.arange(3, dtype="int8")) == ("array: dtype int64 -> int8",)
    assert differences(np.array(["a", None], object), np.array(["b", None], object)) == ("array: 1 of 2 elements differs",)


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("a\nb\nc", "a\nx\nc", ("text: 1 lines added, 1 removed, 3 -> 3 lines", "  -b", "  +x")),
        ("a", "b", ("'a' -> 'b'",)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ("dict: the keys have another order",)),
        ({"a": 1}, {"b": 1}, ("dict: without 'a'", "dict: with 'b'")),
        ([1, [2, 3]], [1, [2, 4]], ("list: 1 of 2 items differs", "  [1]: list: 1 of 2 items differs", "    [1]: 3 -> 4 (+1)")),
        ((1,), (1, 2), ("tuple: length 1 -> 2",)),
        ({1, 2}, {2, 3}, ("set: without 1", "set: with 3")),
        (1, 1.0, ("int -> float: 1 -> 1.0",)),
        (float("nan"), float("nan"), ("equal",)),
        (True, False, ("True -> False",)),
        (None, None, ("equal",)),
    ],
)
def test_plain_values(old, new, lines):
    assert differences(old, new) == lines


def test_a_long_answer_is_cut():
    lines = differences({i: dict.fromkeys(range(9), 0) for i in range(9)}, {i: dict.fromkeys(range(9), 1) for i in range(9)})
    assert len(lines) == 31 and lines[-1].startswith("and ") and lines[-1].endswith(" more lines")
