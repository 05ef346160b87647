"""A call whose key is never the same twice: who says so, and which argument it is."""

from __future__ import annotations

import ast
import textwrap

import pytest

from tests.programs import Project, Ran

HEAD = """
import datetime, os, random, secrets, sys, tempfile, time, uuid
from dataclasses import dataclass, field
from cachepy import cache_file
cached = cache_file("cache", warn_cheap=False)
@cached
def f(job, x): return x + 1
class Job:
    def __init__(self, **more): self.factor = 3; self.__dict__.update(more)
"""
# name -> what stands in the program, and how the argument is called
NEW = {
    "a uuid in self": ("""
        class Task:
            def __init__(self): self.run_id = uuid.uuid4()
            @cached
            def f(self, x): return x + 1
        Task().f(1)
        """, "self.run_id"),
    "a uuid as text": ("f(Job(name=uuid.uuid4().hex), 1)", "job.name"),
    "deep inside": ("f(Job(parts=[{'id': str(uuid.uuid1())}]), 1)", "job.parts[0]['id']"),
    "a default of a dataclass": ("""
        @dataclass
        class Config:
            at: float = field(default_factory=time.time)
        f(Config(), 1)
        """, "job.at"),
    "a moment": ("f(Job(at=datetime.datetime.now()), 1)", "job.at"),
    "a moment as text": ("f(Job(at=datetime.datetime.now().isoformat()), 1)", "job.at"),
    "a number of the process": ("f(Job(pid=os.getpid()), 1)", "job.pid"),
    "a number of the process by itself": ("""
        @cached
        def of(pid): return 1
        of(os.getpid())
        """, "pid"),
    "nanoseconds": ("f(Job(at=time.time_ns()), 1)", "job.at"),
    "a temporary folder": ("f(Job(folder=tempfile.mkdtemp()), 1)", "job.folder"),
    "bytes": ("f(Job(salt=os.urandom(16)), 1)", "job.salt"),
    "a token": ("f(Job(token=secrets.token_hex(8)), 1)", "job.token"),
    "a generator of random numbers": ("f(Job(rng=random.Random()), 1)", "job.rng"),
    "an address": ("f(Job(name=repr(object())), 1)", "job.name"),
    "hash of a text": ("f(Job(hash=hash('abc')), 1)", "job.hash"),
    "by itself": ("f(uuid.uuid4(), 1)", "job"),
    "a text by itself": ("f(str(uuid.uuid4()), 1)", "job"),
    "a moment by itself": ("f(time.time(), 1)", "job"),
    "in a dict": ("f({'id': uuid.uuid4(), 'a': 1}, 1)", "job['id']"),
    "what pickling takes": ("""
        class Held(Job):
            def __getstate__(self): return {"id": uuid.uuid4()}
        f(Held(), 1)
        """, "job.id"),
}  # fmt: skip
STEADY = {
    "another number in each program": "f(Job(factor=int(sys.argv[1])), 1)",
    "another text in each program": "f(Job(name='abc' * int(sys.argv[1])), 1)",
    "the same uuid": "f(Job(id=uuid.UUID(int=5)), 1)",
    "a digest": "import hashlib; f(Job(of=hashlib.md5(sys.argv[1].encode()).hexdigest()), 1)",
    "a date": "f(Job(day=datetime.date(2020, 1, int(sys.argv[1])), at=datetime.datetime(2020, 1, int(sys.argv[1]))), 1)",
    "a class with a digest of its own": """
        class Own(Job):
            def __cachepy_digest__(self): return "own"
        f(Own(id=uuid.uuid4()), 1)
        """,
    "an argument that is left out": """
        @cached(ignore_args=["job"])
        def g(job, x): return x
        g(Job(id=uuid.uuid4()), 1)
        """,
    "another file of one temporary folder": "f(f'/tmp/tmpabcd_f12/{sys.argv[1]}.txt', 1)",
    "another part of one run": "f('123e4567-e89b-42d3-a456-426614174000/' + sys.argv[1], 1)",
    "a count that comes to the number of the process": "[f(os.getpid() + at, 1) for at in range(2)]",
    "deep in an object": "f(Job(at=['/tmp/tmpabcd_f12/' + sys.argv[1]]), 1)",
    "other arguments differ too": "f(Job(id=uuid.uuid4()), int(sys.argv[1]))",
}


def run(project: Project, body: str, number: int = 1) -> str:
    """What the program says."""
    parts: dict[bool, list[str]] = {True: [HEAD], False: ["if __name__ == '__main__':"]}
    for node in ast.parse(textwrap.dedent(body)).body:
        is_made = isinstance(node, (ast.ClassDef, ast.FunctionDef))
        parts[is_made].append(textwrap.indent(ast.unparse(node), "" if is_made else "    "))
    project.write("job.py", "\n".join([*parts[True], *parts[False], ""]))
    return project.run("job.py", number).stderr


def status(project: Project, *more: str) -> Ran:
    return project.cachepy("status", "--import", "--cache-dir", "cache", *more)


@pytest.mark.parametrize("case", NEW)
def test_a_key_that_is_never_the_same_twice(project, case):
    body, name = NEW[case]
    assert run(project, body) == ""
    run(project, body)
    said = run(project, body)
    assert said.count("NeverReusedWarning") == 1
    assert f" {name} " in said
    answer = status(project)
    assert (answer.returncode, name in answer.stdout) == (3, True), answer.stdout
    call = status(project, "--json").json()["calls"][0]["id"]
    explained = project.cachepy("explain", call, "--import", "--cache-dir", "cache")
    assert (explained.returncode, name in explained.stdout) == (3, True)
    planned = project.cachepy("plan", "--import", "--cache-dir", "cache")
    assert (planned.returncode, name in planned.stdout) == (3, True)


@pytest.mark.parametrize("case", STEADY)
def test_what_only_was_another_call_is_not_blamed(project, case):
    said = [run(project, STEADY[case], number) for number in (1, 2, 3, 4)]
    assert said == [""] * 4
    assert status(project).returncode == 0


def test_many_calls_of_one_program_are_no_evidence(project):
    body = "for _ in range(5): f(Job(id=uuid.uuid4()), 1)"
    assert run(project, body) == ""
    assert status(project).returncode == 0
    run(project, body)
    assert run(project, body).count("NeverReusedWarning") == 1


def test_programs_that_ran_side_by_side_are_one(project):
    body = """
        import subprocess
        f(Job(id=uuid.uuid4()), 1)
        if sys.argv[1] != "0":
            subprocess.run([sys.executable, "job.py", str(int(sys.argv[1]) - 1)])
        f(Job(id=uuid.uuid4()), 1)
        """
    assert run(project, body, 3) == ""
    assert status(project).returncode == 0


@pytest.mark.parametrize("way", ["ignore_args", "a digest of its own"])
def test_once_it_is_mended_nothing_is_said(project, way):
    body, name = NEW["a uuid in self"]
    for _ in range(3):
        run(project, body)
    assert name in status(project).stdout
    if way == "ignore_args":
        mended = body.replace("@cached", "@cached(ignore_args=['self'])")
    else:
        mended = body.replace("    @cached", "    def __cachepy_digest__(self): return 1\n            @cached")
    assert run(project, mended) == ""
    assert name not in status(project).stdout


NEAREST = {
    "a number": ("print(f.explain(1, 2))", ["argument x is 2, and 1 in f(1, 1)"]),
    "what a label does not show": ("print(f.explain(Job(factor=4), 1))", ["argument job"]),
    "the nearest of several": ("f(5, 6); print(f.explain(5, 7))", ["argument x is 7, and 6 in f(5, 6)"]),
    "all arguments": ("print(f.explain(3, 4))", ["argument job is 3", "argument x is 4"]),
    "of no other function": ("print(cached(lambda job, x: 3).explain(1, 2))", []),
    "a long text": ("f('a' * 500, 1); print(f.explain('a' * 501, 1))", ["argument job is different from that in f("]),
}  # fmt: skip


@pytest.mark.parametrize("case", NEAREST)
def test_what_is_not_stored_is_told_by_the_nearest_that_is(project, case):
    body, expected = NEAREST[case]
    run(project, "f(1, 1); f(Job(), 1)")
    project.write("ask.py", f"from job import *\n{body}\n")
    said = project.run("ask.py").stdout
    assert "missing: no result of" in said
    assert said.count("argument ") == len(expected)
    for each in expected:
        assert each in said
    told = body.replace("print(", "").replace(".explain(", "(").replace("))", ")", 1)
    project.write("ask.py", f"from job import *\nfrom job import cached\n{told if expected else ''}\n")


def test_verbose_says_what_differs(project):
    body = """
        @cached(verbose=True)
        def g(job, x): return x
        g(Job(id=uuid.uuid4()), 1)
        """
    assert "not run before" in run(project, body)
    assert "argument job" in run(project, body)
