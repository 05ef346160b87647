"""A topmost call that began and left no result makes `cachepy status` say so: its program has to run again."""

from __future__ import annotations

import signal

import pytest

from tests.programs import Project

PROGRAM = """
import os, signal, sys
from cachepy import cache_file
cached = cache_file("cache", warn_cheap=False)
HOW = sys.argv[1] if len(sys.argv) > 1 else ""

@cached(ignore_globals=["HOW"])
def step(i):
    if HOW == "below":
        raise ValueError("below")
    return i

@cached(ignore_globals=["HOW"])
def report(day):
    try:
        step(1)
    except ValueError:
        pass
    if HOW == "raise":
        raise RuntimeError("feed down")
    if HOW in ("SIGINT", "SIGKILL"):
        os.kill(os.getpid(), getattr(signal, HOW))
    return (lambda: day) if HOW == "odd" else day

if __name__ == "__main__":
    report("monday")
"""


@pytest.fixture
def project(project):
    project.write("job.py", PROGRAM)
    return project


def status(project: Project, *args: str) -> tuple[int, dict[str, object]]:
    done = project.cachepy("status", "--import", "--json", "--cache-dir", "cache", *args)
    return done.returncode, done.json()


@pytest.mark.parametrize(("how", "code"), [("raise", 1), ("SIGINT", -signal.SIGINT), ("SIGKILL", -signal.SIGKILL)])
def test_a_run_that_did_not_end_is_not_fresh(project, how, code):
    project.run("job.py", how, code=code)
    found, document = status(project)
    assert found == 1
    assert document["state"] == "unended"
    assert [call.partition(":")[0] for call in document["unended"]] == ["report"]
    project.run("job.py")
    found, document = status(project)
    assert (found, document["state"], document["unended"]) == (0, "fresh", {})


def test_a_failure_that_a_caller_caught_is_no_matter(project):
    project.run("job.py", "below")
    assert status(project)[0] == 0


def test_asking_for_one_function(project):
    project.run("job.py", "raise", code=1)
    assert status(project, "--root", "step")[0] == 0
    found, document = status(project, "--root", "report")
    assert (found, document["unknown"]) == (1, ["report"])
    found, document = status(project, "--root", "stepp")
    assert (found, document["unknown"], document["unended"]) == (1, ["stepp"], {})


def test_nothing_recorded_yet_is_a_one_also_for_a_function(project):
    (project / "cache").mkdir()
    found, document = status(project, "--root", "report")
    assert (found, document["unknown"]) == (1, ["report"])


def test_clear_takes_the_sign_away(project):
    project.run("job.py", "raise", code=1)
    project.run("-c", "import job; job.report.clear('monday')")
    assert status(project)[0] == 0


def test_what_it_says(project):
    project.run("job.py", "raise", code=1)
    done = project.cachepy("status", "--import", "--cache-dir", "cache")
    assert done.stdout.startswith("unended  report:")
    assert "began and left no result, last seen 2" in done.stdout


def test_prune_takes_old_signs_away(project):
    project.run("job.py", "raise", code=1)
    project.run("-c", "import cachepy; cachepy.cache_prune('cache', days_old=30)")
    assert status(project)[1]["state"] == "unended"
    project.run("-c", "import cachepy; cachepy.cache_prune('cache', days_old=0, forget=True)")
    assert not list((project / "cache").rglob("*.unended"))


def test_prune_takes_the_sign_of_a_call_that_ended_since_away(project):
    project.run("job.py", "raise", code=1)
    sign, *_ = (project / "cache").rglob("*.unended")
    data = sign.read_bytes()
    project.run("job.py")
    assert not list((project / "cache").rglob("*.unended"))
    sign.write_bytes(data)  # its process was killed as it had stored the result
    project.run("-c", "import cachepy; cachepy.cache_prune('cache', days_old=30)")
    assert not list((project / "cache").rglob("*.unended"))
    assert status(project)[0] == 0
