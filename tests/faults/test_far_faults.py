"""A remote cache in the cloud: what is asked of it, and what becomes of a program when it fails."""

from __future__ import annotations

import os
import time
from unittest import mock

import pytest
from xxhash import xxh3_128_hexdigest

from cachepy.store.objects import Objects

PIPE = """
    from cachepy import cache_file
    from log import log

    cached = cache_file(REMOTE_DIR, remote="s3://results/team", trust_remote=True, warn_cheap=False)

    @cached
    def item(n):
        log("item", n)
        return [n] * 3

    @cached
    def total(k):
        log("total", k)
        return sum(sum(item(i)) for i in range(k))

    print(total(5))
"""
HEAD = "import os\nREMOTE_DIR = os.environ['NEAR']\n"


@pytest.fixture
def pipe(project, s3):
    """The program; `run(near)` runs it with a cache directory of that name, and gives what ran."""
    from tests.programs import LOG

    project.write("log.py", LOG)
    project.head = HEAD
    project.write("pipe.py", PIPE)
    project.env |= s3.env | {"CACHEPY_IGNORE_ENV": "NEAR", "CACHEPY_REMOTE_TIMEOUT": "3"}

    def run(near, *, value="30", warns="", **env):
        (project / "log").unlink(missing_ok=True)
        ran = project.run("pipe.py", NEAR=near, **env)
        assert ran.stdout.split() == [value]
        assert (warns in ran.stderr) if warns else not ran.stderr, ran.stderr
        text = (project / "log").read_text() if (project / "log").exists() else ""
        return sorted(text.splitlines())

    run.project = project
    return run


ALL = [*(f"item {n}" for n in range(5)), "total 5"]


def test_what_ran_elsewhere_is_a_hit(pipe, s3):
    assert pipe("a") == ALL
    asked = s3.kinds()
    entries = [each for each in asked if each in ("list entries", "put claims", "put entries")]
    assert entries[:2] == ["list entries", "put claims"] and entries.count("put entries") == 6
    assert len(entries) == 3 * 6  # a miss: two requests, and one upload
    assert pipe("b") == []
    asked = s3.kinds()
    assert asked.count("list entries") == 6 and asked.count("get entries") == 6
    assert not [each for each in asked if each.startswith(("put", "delete"))]
    assert pipe("b") == []
    assert s3.kinds() == []  # all of it is near


def test_status_of_what_was_fetched(pipe):
    pipe("a")
    pipe("b")
    status = pipe.project.run("-m", "cachepy", "status", "--cache-dir", "b")
    assert "all 6 calls are fresh" in status.stdout + status.stderr


def test_an_edit_runs_what_it_concerns_and_no_more(pipe):
    pipe("a")
    pipe.project.edit("pipe.py", "[n] * 3", "[n] * 4")
    assert pipe("b", value="40") == ALL
    pipe.project.edit("pipe.py", "[n] * 4", "[n] * 3")
    assert pipe("c") == []  # of several runs that are there, the one that holds
    assert pipe("b") == []  # though what it has here does not
    pipe.project.edit("pipe.py", "[n] * 3", "[n, n, n]")
    assert pipe("c") == ALL[:-1]  # early cutoff: they gave what they gave


def test_a_tree_is_fetched_side_by_side(pipe, s3):
    pipe("a")
    s3.delay, began = 0.3, time.perf_counter()
    assert pipe("b") == []
    assert len(s3.asked) >= 12
    assert time.perf_counter() - began < 0.3 * len(s3.asked) * 0.8


RARE = [pytest.param(fault, marks=pytest.mark.stress) for fault in (500, "drop")]  # each takes its time


@pytest.mark.parametrize("fault", [403, 503, "hang", *RARE])
def test_a_remote_that_cannot_be_used_is_done_without(pipe, s3, fault):
    s3.fault = lambda method, path: fault
    began = time.perf_counter()
    assert pipe("a", warns="the remote cache s3://results/team") == ALL
    assert time.perf_counter() - began < 60
    s3.fault = None
    assert pipe("a") == []
    s3.kinds()
    assert pipe("b") == ALL  # nothing was sent


@pytest.mark.parametrize("fault", [403, *RARE, pytest.param(503, marks=pytest.mark.stress)])
def test_what_cannot_be_sent_is_kept_here(pipe, s3, fault):
    s3.fault = lambda method, path: fault if method == "PUT" and "/entries/" in path else None
    assert pipe("a", warns="`cachepy push` sends them later") == ALL
    s3.fault = None
    assert pipe("a") == []
    pushed = pipe.project.run("-m", "cachepy", "push", "s3://results/team", "--cache-dir", "a", "--yes")
    assert "stored 6 results" in pushed.stdout + pushed.stderr
    assert pipe("b") == []


@pytest.mark.parametrize("fault", [404, "cut"])
def test_what_cannot_be_fetched_runs_again(pipe, s3, fault):
    pipe("a")
    s3.fault = lambda method, path: fault if method == "GET" and "/entries/" in path and "list-type" not in path else None
    assert pipe("b", warns="" if fault == 404 else "the remote cache") == ALL
    s3.fault = None
    assert pipe("b") == []


def test_a_program_that_died_while_it_sent_leaves_nothing_that_is_read(pipe, s3, s3_server):
    """What comes half is not there: a store has objects whole, or not at all."""
    s3.fault = lambda method, path: "hang" if method == "PUT" and "/entries/" in path else None
    process = pipe.project.start("pipe.py", NEAR="a")
    while not any(method == "PUT" and "/entries/" in path for method, path in s3.asked):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    s3.fault = None
    assert b"entry" not in s3_server.ask("GET", "/results?list-type=2&prefix=team/entries/")
    assert pipe("b") == ALL


def test_in_the_background_all_is_sent_before_the_end(pipe, s3):
    s3.delay = 0.2
    pipe.project.edit("pipe.py", "trust_remote=True", 'trust_remote=True, upload="background"')
    assert pipe("a") == ALL
    s3.delay = 0.0
    assert pipe("b") == []


def test_signed_by_all_or_not_used(pipe):
    pipe.project.edit("pipe.py", "trust_remote=True, ", "")
    key = {"CACHEPY_SIGNING_KEY": "the key of the whole team"}
    assert pipe("a", **key) == ALL
    assert pipe("b", **key) == []
    other = {"CACHEPY_SIGNING_KEY": "the key of somebody else"}
    assert pipe("c", warns="is signed with another key", **other) == ALL
    error = pipe.project.run("pipe.py", code=1, NEAR="d").stderr
    assert "needs signing_key=" in error and "trust_remote=True" in error


def test_two_that_have_no_disk_in_common_run_each_call_once(pipe):
    pipe.project.edit("pipe.py", '    log("item", n)\n', '    log("item", n)\n    import time\n    time.sleep(1)\n')
    processes = [pipe.project.start("pipe.py", NEAR=near) for near in ("a", "b")]
    for process in processes:
        assert pipe.project.finish(process).stdout.split() == ["30"]
    assert sorted((pipe.project / "log").read_text().splitlines()) == ALL


def test_the_lease_of_a_dead_owner_ends(pipe, s3, s3_server):
    pipe.project.write("slow.py", PIPE.replace("log(\"total\", k)", "log('total', k); import time; time.sleep(600)"))
    process = pipe.project.start("slow.py", NEAR="a")
    while not any("/claims/" in path for _, path in s3.asked):
        time.sleep(0.05)
    process.kill()
    process.communicate()
    pipe.project.write("slow.py", PIPE)
    assert pipe.project.run("slow.py", NEAR="b").silent().split() == ["30"]  # of this host that is known at once
    name = next(path for _, path in s3.asked if "/claims/" in path)
    owner = b"cachepy\x03\x1e\x00another:boot:1\n12\n34\ntoken-of-it"
    assert s3_server.ask("PUT", name, owner) == b""
    pipe.project.edit("slow.py", "range(k)", "range(k - 1)")
    ran = pipe.project.run("slow.py", NEAR="c")
    assert ran.stdout.split() == ["18"] and "waits since" in ran.stderr and "process 12 on another" in ran.stderr


def test_thousands_are_known_by_few_listings(tmp_path, s3, s3_server):
    """Whether there is anything new for some thousand calls: a page has a thousand names."""
    from cachepy.store.asking import at_once
    from cachepy.store.entries import Store
    from cachepy.store.far import Far

    with mock.patch.dict(os.environ, s3.env):
        objects = Objects("s3://results/many")
        keys = [xxh3_128_hexdigest(str(i).encode()) for i in range(2500)]
        at_once(lambda key: s3_server.ask("PUT", f"/results/many/entries/{key[:2]}/f-{key}/1-{key}.entry", b"x"), keys)
        far = Far([objects], Store(str(tmp_path)), trusts=True, warn=lambda *_: None)
        s3.kinds()
        assert sum(len(far.places(f"f:{key}")) for key in keys) == len(keys)
        assert len(s3.kinds()) <= 16 + 1 + 3
        far = Far([objects], Store(str(tmp_path)), trusts=True, warn=lambda *_: None)
        assert len(far.listing()) == len(keys)
        assert len(s3.kinds()) == 3


def test_care_for_an_address(pipe, s3, s3_server):
    def ask(*words, code=0):
        return pipe.project.run("-m", "cachepy", *words, "--cache-dir", "s3://results/team", code=code)

    pipe("a")
    functions = ask("stats", "--json").json()["functions"]
    assert {name: row["entries"] for name, row in functions.items()} == {"item": 5, "total": 1}
    assert "7" not in ask("stats").stdout.split() and "6" in ask("stats").stdout.split()
    assert ask("verify", "--json").json()["is_good"]
    assert "nothing is old enough" in ask("prune", "--yes").stderr
    assert "would delete 6 results" in ask("prune", "--older-than", "0", "--dry-run").stderr
    ask("prune", "--max-entries", "5", "--yes")
    assert ask("stats", "--json").json()["total"]["entries"] == 5
    with mock.patch.dict(os.environ, s3.env):
        objects = Objects("s3://results/team")
        objects.write(next(iter(objects.names("entries/"))), b"cachepy\x03 is not whole")
    problems = ask("verify", "--json", code=1).json()["problems"]
    assert len(problems) == 1 and problems[0]["path"].endswith(".entry")
    ask("prune", "--older-than", "0", "--yes")
    assert b".entry" not in s3_server.ask("GET", "/results?list-type=2&prefix=team/")


def test_a_remote_that_can_only_be_read(pipe, tmp_path):
    import functools
    import http.server
    import threading

    pipe.project.edit("pipe.py", '"s3://results/team"', "os.environ['STORE']")
    store = tmp_path / "store"
    pipe("a", STORE=str(store))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(store))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    before = sorted(path for path in store.rglob("*") if path.is_file())
    assert pipe("b", STORE=address) == []
    pipe.project.edit("pipe.py", "total(5)", "total(6)")
    assert pipe("b", value="45", STORE=address) == ["item 5", "total 6"]
    assert sorted(path for path in store.rglob("*") if path.is_file()) == before
    server.shutdown()
    server.server_close()
