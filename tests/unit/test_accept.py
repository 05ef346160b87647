"""An accepted change: stored results stay hits under the code of today, marked, and every further change counts."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest

from tests.programs import LOG, Project

FLOW = '''
import os
from cachepy import cache_file, track_file

cached = cache_file("cache", warn_cheap=False)
LIMIT = 100


def helper(x):
    return x + 1


@cached
def other(x):
    log("other")
    return x * 3


@cached
def leaf(x):
    log("leaf")
    return helper(x)


@cached
def top(x):
    log("top")
    return leaf(x) * 2 + LIMIT


@cached
def read(path):
    log("read")
    with open(path) as file:
        return len(file.read()) + helper(0)
'''
MAIN = "import flow\nprint(flow.top(1), flow.read('data.txt'))"


@pytest.fixture
def flow(tmp_path):
    """A program that ran once."""
    with Project(tmp_path, head=LOG, LOGNAME="ann") as made:
        made.write("data.txt", "one")
        made.write("flow.py", FLOW)
        assert made.run("-c", MAIN).silent() == "104 4\n"
        assert sorted(made.ran()) == ["leaf", "read", "top"]
        yield made


def accepted(flow: Project, *words: object, code: int | None = 0, **env: str | None):
    return flow.cachepy("accept", "--yes", "--json", *words, code=code, **env).json()


def is_hit(flow: Project, text: str = MAIN) -> bool:
    flow.run("-c", text)
    return not flow.ran()


EDITS = {
    "helper": ("return x + 1", "return 1 + x"),
    "leaf": ("return helper(x)", "return helper(x) + 0"),
    "top": ("return leaf(x) * 2 + LIMIT", "return LIMIT + leaf(x) * 2"),
    "global": ("LIMIT = 100", "LIMIT = 100.0"),
    "new helper": ("return x + 1\n", "return inner(x)\n\n\ndef inner(x):\n    return x + 1\n"),
    "declared": ("@cached\ndef leaf", "@cached(version='2')\ndef leaf"),
    "new variable": ("return helper(x)", "return helper(x) if os.environ.get('MODE') is None else 0"),
    "read": ("len(file.read()) + helper", "helper(0) + len(file.read()) - 1 + 0 * helper"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_accepted_edit_runs_nothing_and_what_follows_counts(flow, name):
    old, new = EDITS[name]
    flow.edit("flow.py", old, new)
    assert flow.cachepy("status").returncode == 1
    answer = accepted(flow)
    assert answer["accepted"], answer
    assert not answer["left"]
    assert flow.ran() == []
    assert flow.cachepy("status", "-q").returncode == 0
    assert is_hit(flow)
    assert flow.cachepy("status", "-q").returncode == 0

    flow.edit("flow.py", new, old)  # the old trace is kept
    assert flow.cachepy("status", "-q").returncode == 0
    assert is_hit(flow)

    flow.edit("flow.py", old, new)
    assert is_hit(flow)


@pytest.mark.parametrize("first", EDITS)
@pytest.mark.parametrize(
    ("old", "new", "ran"),
    [
        ("    log(\"leaf\")\n", "    log(\"leaf\")\n    x = x + 0\n", ["leaf"]),
        ("    log(\"top\")\n", "    log(\"top\")\n    x = x + 0\n", ["top"]),
        ("    log(\"read\")\n", "    log(\"read\")\n    helper(1)\n", ["read"]),
        ("def helper(x):\n", "def helper(x):\n    x = x + 0\n", ["leaf", "read"]),
    ],
    ids=["leaf", "top", "read", "helper"],
)
def test_a_second_edit_runs_again(flow, first, old, new, ran):
    flow.edit("flow.py", *EDITS[first])
    accepted(flow)
    flow.edit("flow.py", old, new)
    assert flow.cachepy("status", "-q").returncode == 1
    flow.run("-c", MAIN)
    assert set(ran) <= set(flow.ran())
    assert is_hit(flow)


def test_a_variable_that_the_new_code_reads_counts(flow):
    flow.edit("flow.py", *EDITS["new variable"])
    accepted(flow)
    assert is_hit(flow)
    assert flow.cachepy("status", "-q", MODE="fast").returncode == 1
    assert flow.run("-c", MAIN, MODE="fast").silent() == "100 4\n"
    assert set(flow.ran()) == {"leaf", "top"}


def test_a_cached_function_that_the_new_code_calls_counts(flow):
    """Its code and that of what it calls: whether and how it is called, only a run can tell."""
    flow.edit("flow.py", "return helper(x)", "return helper(x) + 0 * other(x)")
    accepted(flow)
    assert is_hit(flow)
    flow.edit("flow.py", "return x * 3", "return x * 4")
    assert flow.cachepy("status", "-q").returncode == 1
    assert not is_hit(flow)


def test_a_file_that_is_declared_now_counts(flow):
    flow.write("rates.txt", "1")
    flow.edit("flow.py", "@cached\ndef leaf", "@cached(depends_on_files=['rates.txt'])\ndef leaf")
    accepted(flow)
    assert is_hit(flow)
    flow.write("rates.txt", "2")
    assert flow.cachepy("status", "-q").returncode == 1
    assert not is_hit(flow)


def test_a_changed_file_is_left_alone_unless_asked_for(flow):
    flow.write("data.txt", "other")
    flow.edit("flow.py", *EDITS["helper"])
    answer = accepted(flow, code=1)
    [(call, why)] = answer["left"].items()
    assert call.startswith("read:")
    assert "data.txt changed" in why
    assert [each.partition(":")[0] for each in answer["accepted"]] == ["leaf"]
    assert is_hit(flow, "import flow; flow.top(1)")
    accepted(flow, "--files")
    assert flow.run("-c", MAIN).silent() == "104 4\n"
    assert flow.ran() == []
    flow.write("data.txt", "three!")
    assert flow.run("-c", MAIN).silent() == "104 7\n"
    assert flow.ran() == ["read"]


def test_a_caller_is_accepted_with_what_is_stale_below_it(flow):
    flow.edit("flow.py", *EDITS["helper"])
    flow.edit("flow.py", *EDITS["top"])
    answer = accepted(flow, "top")
    assert sorted(each.partition(":")[0] for each in answer["accepted"]) == ["leaf", "top"]
    assert is_hit(flow, "import flow; flow.top(1)")
    assert not is_hit(flow)  # read was not named


def test_a_caller_above_a_changed_file_says_what_is_in_the_way(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        made.write("a.txt", "1")
        text = FLOW + '\n\n@cached\ndef total():\n    log("total")\n    return read("a.txt")\n'
        made.write("flow.py", text)
        made.run("-c", "import flow; flow.total()")
        made.ran()
        made.write("a.txt", "2!")
        made.edit("flow.py", 'return read("a.txt")', 'return 0 + read("a.txt")')
        answer = accepted(made, "total", code=1)
        why = next(why for call, why in answer["left"].items() if call.startswith("total"))
        assert why.startswith("read('a.txt') below it is not accepted: file ")
        assert not answer["accepted"]


def test_it_is_marked_and_can_be_taken_back(flow):
    flow.edit("flow.py", *EDITS["helper"])
    accepted(flow)
    shown = flow.cachepy("show", "leaf", "--json").json()
    assert shown["accepted"].startswith("by ann on 20")
    assert "accepted  by ann on 20" in flow.cachepy("show", "leaf").stdout
    assert "accepted by ann on 20" in flow.cachepy("explain", "leaf").stdout
    assert "accepted by ann on 20" in flow.run("-c", "import flow; print(flow.leaf.explain(1))").silent()
    exported = flow.cachepy("export", "--format", "json").json()["nodes"]
    assert {n["fname"] for n in exported if n["accepted"].startswith("by ann")} == {"leaf", "read"}
    assert is_hit(flow)

    assert accepted(flow, "--undo", "top")["accepted"]
    assert flow.cachepy("show", "leaf", "--json").json()["accepted"] == ""
    assert flow.cachepy("status", "-q").returncode == 1
    assert flow.cachepy("repair", "--yes").returncode == 0
    assert flow.cachepy("status", "-q", "--root", "leaf").returncode == 1
    flow.run("-c", MAIN)
    assert flow.ran() == ["leaf"]  # early cutoff; read is accepted still
    flow.edit("flow.py", *EDITS["helper"][::-1])
    assert is_hit(flow)


def test_what_is_taken_back_is_a_hit_for_the_old_code(flow):
    flow.edit("flow.py", *EDITS["helper"])
    accepted(flow)
    accepted(flow, "--undo")
    flow.edit("flow.py", *EDITS["helper"][::-1])
    assert flow.cachepy("status", "-q").returncode == 0
    assert is_hit(flow)


def test_with_one_result_kept_it_can_be_taken_back_too(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", FLOW.replace("warn_cheap=False", "warn_cheap=False, keep=1"))
        made.run("-c", "import flow; flow.leaf(1)")
        made.edit("flow.py", *EDITS["helper"])
        made.run("-c", "import flow; print(flow.leaf.accept(1))")
        made.ran()
        assert is_hit(made, "import flow; flow.leaf(1)")
        accepted(made, "--undo")
        assert made.cachepy("status", "-q").returncode == 1
        made.edit("flow.py", *EDITS["helper"][::-1])
        assert is_hit(made, "import flow; flow.leaf(1)")


def test_nothing_is_done_without_consent(flow):
    flow.edit("flow.py", *EDITS["helper"])
    shown = flow.cachepy("accept", "--dry-run", code=0).stdout
    assert "changed  code of flow:helper changed (flow.py:" in shown
    assert "-    return x + 1\n" in shown
    assert "+    return 1 + x\n" in shown
    assert "2 calls would be accepted" in shown
    assert "add --yes" in flow.cachepy("accept", code=2).stderr
    assert flow.cachepy("status", "-q").returncode == 1


def test_a_method_of_the_function_accepts_one_call_or_all(flow):
    flow.run("-c", "import flow; flow.leaf(2)")
    flow.ran()
    flow.edit("flow.py", *EDITS["helper"])
    assert flow.run("-c", "import flow; print(flow.leaf.accept(1))").silent() == "1 accepted\n"
    states = "import flow; print(flow.leaf.explain(1).state, flow.leaf.explain(2).state)"
    assert flow.run("-c", states).silent() == "fresh stale\n"
    assert flow.run("-c", "import flow; print(flow.leaf.accept())").silent() == "1 accepted\n"
    assert flow.run("-c", states).silent() == "fresh fresh\n"
    assert flow.run("-c", "import flow; print(flow.top.accept(1), flow.top(1))").silent() == "nothing to accept 104\n"
    flow.write("data.txt", "more")
    assert "data.txt changed" in flow.run("-c", "import flow; flow.read.accept('data.txt')", code=1).stderr
    assert flow.ran() == []


def test_exports_say_it_and_the_log_has_no_new_run(flow):
    before = flow.cachepy("log", "--json").json()["runs"]
    flow.edit("flow.py", *EDITS["helper"])
    accepted(flow)
    assert flow.cachepy("log", "--json").json()["runs"] == before
    crate = ["rocrate", "--name", "a", "--description", "b", "--license", "https://spdx.org/licenses/CC-BY-4.0"]
    for form in (["prov"], ["graphml"], crate):
        assert "by ann on 20" in flow.cachepy("export", "--format", *form, code=0).stdout, form
    text = "import cachepy; cachepy.cache_tree_sync('cache'); [print(n['fname'], n['accepted'][:9]) for n in cachepy.cache_tree_nodes().values()]"
    assert sorted(flow.run("-c", text).lines) == ["leaf by ann on", "read by ann on", "top "]


def test_what_a_call_takes_is_accepted_with_it(tmp_path):
    """At top level a result is the argument of the next call; nothing else of that call is stale."""
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", FLOW.replace("return helper(x)", "return [helper(x), 'a result of some length'] * 9"))
        made.write("main.py", "import flow\nprint(len(flow.other(flow.leaf(1))))\n")
        made.run("main.py")
        made.ran()
        made.edit("flow.py", *EDITS["helper"])
        assert [each.partition(":")[0] for each in accepted(made, "other")["accepted"]] == ["leaf"]
        assert made.cachepy("status", "-q").returncode == 0
        made.run("main.py")
        assert made.ran() == []


def test_in_python_it_is_planned_done_and_taken_back(flow):
    flow.edit("flow.py", *EDITS["helper"])
    head = "import cachepy, flow; cachepy.cache_tree_sync('cache'); "
    plan = "print(*(each.partition(':')[0] for each in cachepy.cache_tree_accept(dry_run=True).accepted))"
    assert set(flow.run("-c", head + plan).silent().split()) == {"leaf", "read"}
    assert flow.run("-c", f"{head}print(cachepy.cache_tree_accept('top'))").silent() == "1 accepted\n"
    assert flow.run("-c", f"{head}print(flow.leaf.explain(1).state, len(cachepy.cache_tree_stale()))").silent() == "fresh 1\n"
    assert flow.run("-c", f"{head}print(len(cachepy.cache_tree_accept(undo=True).accepted))").silent() == "1\n"
    assert flow.run("-c", f"{head}print(flow.leaf.explain(1).state, len(cachepy.cache_tree_stale()))").silent() == "stale 3\n"
    assert "no call of this graph" in flow.run("-c", f"{head}cachepy.cache_tree_accept('nothing')", code=1).stderr
    assert flow.ran() == []


# ---------------------------------------------------------------- what cannot be, and where others have a say


def test_a_call_without_its_value_is_left(flow):
    flow.edit("flow.py", *EDITS["helper"])
    for entry in (flow / "cache").rglob("leaf-*.entry"):
        entry.unlink()
    answer = accepted(flow, "leaf", code=1)
    assert not answer["accepted"]
    assert "missing" in next(iter(answer["left"].values()))
    assert "no result of it is stored" in flow.run("-c", "import flow; flow.leaf.accept(7)", code=1).stderr


def test_a_function_that_is_gone_is_left(flow):
    flow.edit("flow.py", "@cached\ndef leaf(x):", "@cached\ndef leaf_of(x):")
    flow.edit("flow.py", "return leaf(x) * 2", "return leaf_of(x) * 2")
    answer = accepted(flow, code=1)
    left = {call.partition(":")[0]: why for call, why in answer["left"].items()}
    assert "flow:leaf" in left["leaf"]
    assert "below it is not accepted" in left["top"]
    assert not is_hit(flow)


def test_a_local_function_is_accepted_where_it_exists(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        tail = """
            def make(k):
                @cached
                def inner(x):
                    log("inner")
                    return helper(x) * k
                return inner
            """
        made.write("flow.py", FLOW + textwrap.dedent(tail))
        made.run("-c", "import flow; flow.make(2)(5)")
        made.ran()
        made.edit("flow.py", *EDITS["helper"])
        [why] = accepted(made, code=1)["left"].values()
        assert "say inner.accept(...) there" in why
        made.run("-c", "import flow; print(flow.make(2).accept(5))")
        assert is_hit(made, "import flow; flow.make(2)(5)")
        assert not is_hit(made, "import flow; flow.make(3)(5)")


def test_other_parameters_make_another_call(flow):
    flow.edit("flow.py", "def leaf(x):", "def leaf(x, y=1):")
    [why] = [why for call, why in accepted(flow, "leaf", code=1)["left"].items() if call.startswith("leaf")]
    assert "other parameters" in why


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("@cached\ndef read", "@cached(file_args=[])\ndef read", "file_args"),
        ("@cached\ndef read", "@cached(changes=['path'])\ndef read", "changes"),
    ],
)
def test_what_only_a_run_can_tell_is_not_accepted(flow, old, new, word):
    flow.edit("flow.py", old, new)
    [why] = accepted(flow, "read", code=1)["left"].values()
    assert word in why


def test_a_module_that_cannot_be_imported_leaves_its_calls(flow):
    flow.edit("flow.py", "LIMIT = 100", "LIMIT = 100.0\nraise RuntimeError('no')")
    answer = accepted(flow, code=1)
    assert not answer["accepted"]
    assert "RuntimeError: no" in answer["unimported"]["flow"]
    flow.edit("flow.py", "\nraise RuntimeError('no')", "")
    assert flow.cachepy("status", "-q").returncode == 1


@pytest.mark.parametrize("mode", ["off", "readonly", "required"])
def test_where_nothing_is_written_nothing_is_accepted(flow, mode):
    flow.edit("flow.py", *EDITS["helper"])
    assert mode in flow.cachepy("accept", "--yes", code=2, CACHEPY=mode).stderr
    assert mode in flow.run("-c", "import flow; flow.leaf.accept(1)", code=1, CACHEPY=mode).stderr
    assert flow.cachepy("status", "-q").returncode == 1


def test_a_signed_cache_stays_signed(tmp_path):
    key = "a key of sixteen letters"
    with Project(tmp_path, head=LOG, CACHEPY_SIGNING_KEY=key) as made:
        made.write("flow.py", FLOW)
        made.run("-c", "import flow; flow.top(1)")
        made.edit("flow.py", *EDITS["helper"])
        made.ran()
        assert "is signed" in next(iter(accepted(made, CACHEPY_SIGNING_KEY=None, code=1)["left"].values()))
        accepted(made)
        assert is_hit(made, "import flow; flow.top(1)")
        assert made.cachepy("verify").returncode == 0


@pytest.mark.parametrize("value", ["'mark' * 4000", "__import__('numpy').frombuffer(b'mark' * 100_000, 'u1')"])
def test_a_damaged_value_is_not_accepted(tmp_path, value):
    """Neither one in a pickle nor an array beside it, of which a load checks less."""
    pytest.importorskip("numpy")
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", FLOW.replace("return helper(x)", f"return (helper(x), {value})"))
        made.run("-c", "import flow; flow.leaf(1)")
        made.ran()
        made.edit("flow.py", *EDITS["helper"])
        [entry] = (made / "cache").rglob("leaf-*.entry")
        entry.chmod(0o600)
        entry.write_bytes(entry.read_bytes().replace(b"markmark", b"markmork", 1))
        [why] = accepted(made, code=1)["left"].values()
        assert "checksum" in why
        assert not is_hit(made, "import flow; flow.leaf(1)")


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else True, reason="root may write anything")
def test_a_cache_that_cannot_be_written_says_so(flow):
    flow.edit("flow.py", *EDITS["helper"])
    folders = [flow / "cache", *(flow / "cache" / "entries").iterdir()]
    for folder in folders:
        folder.chmod(0o500)
    try:
        left = accepted(flow, code=1)["left"]
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert all("cannot be written" in why for why in left.values())
    assert flow.cachepy("status", "-q").returncode == 1


def test_an_entry_of_another_user_is_left(tmp_path, monkeypatch):
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", FLOW)
        made.run("-c", "import flow; flow.leaf(1)")
        made.edit("flow.py", *EDITS["helper"])
        text = "import os; uid = os.geteuid(); os.geteuid = lambda: uid + 1; import flow; flow.leaf.accept(1)"
        stderr = made.run("-c", text, code=1).stderr
        assert "cannot be accepted" in stderr
        assert "trust" in stderr
        assert made.cachepy("status", "-q").returncode == 1


def test_results_with_arrays_are_kept_as_they_are(tmp_path):
    pytest.importorskip("numpy")
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", FLOW.replace("return helper(x)", "import numpy; return numpy.arange(200_000) + helper(x)"))
        made.run("-c", "import flow; flow.leaf(1)")
        made.ran()
        made.edit("flow.py", *EDITS["helper"])
        accepted(made)
        text = "import flow; print(flow.leaf(1).sum()); a = flow.leaf(1); a[0] = 7; print(flow.leaf(1)[0])"
        assert made.run("-c", text).silent() == f"{sum(range(200_000)) + 400_000}\n2\n"
        assert made.ran() == []
        assert made.cachepy("verify").returncode == 0
        accepted(made, "--undo")
        made.edit("flow.py", *EDITS["helper"][::-1])
        assert made.run("-c", "import flow; print(flow.leaf(1)[0])").silent() == "2\n"
        assert made.ran() == []


def test_while_a_program_runs_no_entry_is_lost(flow):
    """Each call ends as a hit or as a run, whoever writes first."""
    flow.run("-c", "import flow\nfor i in range(60): flow.leaf(i)")
    flow.edit("flow.py", *EDITS["helper"])
    busy = [flow.start("-c", "import flow\nfor i in range(60): assert flow.leaf(i) == i + 1") for _ in range(2)]
    accepted(flow, code=None)
    for each in busy:
        flow.finish(each)
    flow.ran()
    assert is_hit(flow, "import flow\nfor i in range(60): assert flow.leaf(i) == i + 1")
    assert flow.cachepy("verify").returncode == 0
    assert flow.leftovers() == []


def test_a_call_that_ran_after_it_was_looked_at_is_left(flow):
    flow.edit("flow.py", *EDITS["helper"])
    text = """
import cachepy, flow
from cachepy.staleness.accept import Accepting
from cachepy.staleness.survey import survey
cachepy.cache_tree_sync("cache")
session = cachepy.current_session()
accepting = Accepting(session, survey(session))
flow.leaf(1)
done = accepting.store()
print(*(call.partition(":")[0] for call in done.accepted), *done.left.values())
"""
    assert flow.run("-c", text).silent() == "read it ran meanwhile\n"
    assert flow.ran() == ["leaf"]
    assert flow.cachepy("show", "leaf", "--json").json()["accepted"] == ""


def test_a_call_that_is_running_is_left(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        made.write("flow.py", FLOW.replace('log("leaf")', 'log("leaf")\n    while os.path.exists("wait"): pass'))
        made.edit("flow.py", "@cached\ndef leaf", "@cached(ignore_files=['wait'])\ndef leaf")
        made.run("-c", "import flow; flow.leaf(1)")
        made.ran()
        made.edit("flow.py", *EDITS["helper"])
        made.write("wait", "")
        busy = made.start("-c", "import flow; flow.leaf(1)")
        made.wait_for("leaf")
        left = accepted(made, code=1)["left"]
        (made / "wait").unlink()
        made.finish(busy)
        assert "running now" in next(iter(left.values()))


def test_the_run_that_differs_least_is_accepted(tmp_path):
    """Of two runs, with other contents of a file, or another variable, that of today."""
    with Project(tmp_path, head=LOG) as made:
        text = FLOW.replace("return helper(x)", "return (helper(x), os.environ.get('MODE'))")
        made.write("flow.py", text)
        made.write("data.txt", "one")
        ask = "import flow; print(flow.leaf(1), flow.read('data.txt'))"
        made.run("-c", ask, MODE="a")
        made.write("data.txt", "three")
        assert made.run("-c", ask, MODE="b").silent() == "(2, 'b') 6\n"
        made.write("data.txt", "one")
        made.edit("flow.py", *EDITS["helper"])
        made.ran()
        assert not accepted(made, MODE="a")["left"]
        assert made.run("-c", ask, MODE="a").silent() == "(2, 'a') 4\n"
        assert made.ran() == []
        made.run("-c", ask, MODE="b")
        assert made.ran() == ["leaf"]


def test_code_that_ran_unseen_counts_after_it_was_accepted(tmp_path):
    """From Python 3.12 on; before, such code does not count at all."""
    with Project(tmp_path, head=LOG) as made:
        made.write("plugin.py", "def work(x):\n    return x + 1\n")
        found = "import importlib\n    return getattr(importlib.import_module(''.join(['plu', 'gin'])), ''.join(['wo', 'rk']))(x)"
        made.write("flow.py", FLOW.replace("return helper(x)", found))
        ask = "import flow; flow.leaf(1)"
        made.run("-c", ask)
        made.ran()
        made.edit("plugin.py", "x + 1", "1 + x")
        accepted(made)
        assert is_hit(made, ask)
        made.edit("plugin.py", "1 + x", "2 + x")
        assert is_hit(made, ask) == (sys.version_info < (3, 12))


# ---------------------------------------------------------------- versions


def package(folder: Project, version: str) -> None:
    """A library that is installed beside the program, as far as its version goes."""
    made = folder / "site-packages" / "thing.py"
    made.parent.mkdir(exist_ok=True)
    made.write_text(f"__version__ = {version!r}\n\n\ndef half(x):\n    return x / 2\n")
    for old in (folder / "site-packages").glob("thing-*"):
        (old / "METADATA").unlink()
        (old / "RECORD").unlink()
        old.rmdir()
    info = folder / "site-packages" / f"thing-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: thing\nVersion: {version}\n")
    (info / "RECORD").write_text(f"thing.py,,\nthing-{version}.dist-info/METADATA,,\n")


def test_another_version_of_a_package_alone(tmp_path):
    with Project(tmp_path, head=LOG) as made:
        package(made, "3.0.1")
        made.env["PYTHONPATH"] = os.pathsep.join([made.environment()["PYTHONPATH"], str(made / "site-packages")])
        made.write("flow.py", FLOW.replace("return x * 3", "import thing; return thing.half(x)").replace(
            "return leaf(x) * 2 + LIMIT", "import thing; return thing.half(leaf(x))"))
        ask = "import flow; print(flow.other(1), flow.top(1))"
        made.run("-c", ask)
        made.ran()
        package(made, "3.0.2")
        assert made.cachepy("status", "-q").returncode == 1
        made.edit("flow.py", *EDITS["helper"])
        shown = made.cachepy("accept", "--package", "thing", "--dry-run", code=0).stdout
        assert "package thing changed from 3.0.1 to 3.0.2" in shown
        answer = accepted(made, "--package", "thing", code=1)
        assert [each.partition(":")[0] for each in answer["accepted"]] == ["other"]
        left = {call.partition(":")[0]: why for call, why in answer["left"].items()}
        assert left["leaf"].startswith("not only thing: code of flow:helper changed")
        made.run("-c", ask)
        assert sorted(made.ran()) == ["leaf", "top"]


OTHER = "import cachepy.values.modules as m; m.PYTHON = 'cpython-3.99'; "


@pytest.mark.parametrize("edits", [[], ["helper"]])
def test_another_python_if_the_source_is_the_same(flow, edits):
    for name in edits:
        flow.edit("flow.py", *EDITS[name])
    told = flow.run("-c", f"{OTHER}import flow; print(flow.leaf.explain(1))").silent()
    assert ("package python changed from 3." in told) == (not edits)
    words = ["accept", "--package", "python", "--yes", "--json"]
    answer = flow.run("-c", f"{OTHER}from cachepy.cli.main import main; main({words})", code=None).json()
    done = {call.partition(":")[0] for call in answer["accepted"]}
    assert done == (set() if edits else {"top", "leaf", "read"})
    flow.run("-c", OTHER + MAIN)
    assert set(flow.ran()) == ({"top", "leaf", "read"} if edits else set())
