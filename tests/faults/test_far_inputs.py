"""Files in a store of objects as inputs of programs: changes, requests, and what the store fails to say."""

from __future__ import annotations

import pytest

HEAD = """
    import sys
    import boto3, fsspec, pandas as pd
    from cachepy import cache_file

    cached = cache_file("cache", warn_cheap=False)
    s3 = boto3.client("s3")


    def log(line):
        with open("log", "a") as file:
            print(line, file=file)


    def put(key, text):
        s3.put_object(Bucket="results", Key=key, Body=text.encode())
"""

READS = HEAD + """
    @cached
    def by_text(path):
        log("by_text")
        return s3.get_object(Bucket="results", Key=path.rpartition("/")[2])["Body"].read().decode()


    @cached
    def by_pandas(name):
        log("by_pandas")
        return list(pd.read_csv("s3://results/" + name))


    @cached
    def by_listing(start):
        log("by_listing")
        with fsspec.open_files(f"s3://results/{start}*")[0] as file:
            file.read()
        return fsspec.filesystem("s3").glob(f"results/{start}*")


    @cached
    def top():
        return by_text("s3://results/table.csv"), by_pandas("table.csv"), by_listing("table")


    if len(sys.argv) > 2:
        put(*sys.argv[1:])
    print(top())
"""
ALL = ["by_text", "by_pandas", "by_listing"]


@pytest.fixture
def reads(project, s3):
    """A program that reads one object in three ways; called with a key and a text, it puts that there first."""
    project.env |= s3.env | {"CACHEPY_REMOTE_TIMEOUT": "3", "CACHEPY_IGNORE_ENV": "AWS_ENDPOINT_URL"}

    def run(*words, **how):
        done = project.main(READS, *words, **how)
        return project.ran(), done

    run.project = project
    return run


def test_a_change_of_an_object_is_seen_however_it_is_read(reads):
    assert reads("table.csv", "a")[0] == ALL
    assert reads()[0] == []
    assert reads("table.csv", "a")[0] == []
    ran, done = reads("table.csv", "b")  # as long, and perhaps in the same second
    assert ran == ALL
    assert "'b'" in done.stdout
    assert reads()[0] == []
    assert reads("table2.csv", "b")[0] == ["by_listing"]
    assert reads("table.csv", "a")[0] == ["by_listing"]  # the others were stored for that
    assert reads("other", "a")[0] == []


def test_each_object_is_asked_for_once_in_a_verification(reads, s3):
    reads("table.csv", "a")
    s3.asked.clear()
    assert reads()[0] == []
    kinds = sorted((method, path.partition("?")[2][:4]) for method, path in s3.asked)
    assert kinds == [("GET", "list"), ("HEAD", "")]


def test_status_knows_it(reads):
    reads("table.csv", "a")
    assert "all 4 calls are fresh" in reads.project.cachepy("status", "--cache-dir", "cache").stdout
    reads.project.run("-c", "import boto3; boto3.client('s3').put_object(Bucket='results', Key='table.csv', Body=b'b')")
    told = reads.project.cachepy("status", "--cache-dir", "cache").stdout
    assert "s3://results/table.csv" in told
    assert "4 stale" in told


ONE = HEAD + """
    @cached
    def read(path):
        log("read")
        return s3.get_object(Bucket="results", Key="table.csv")["Body"].read()


    print(read("s3://results/table.csv"))
"""


@pytest.mark.parametrize("fault", [403, pytest.param(500, marks=pytest.mark.stress), 503, pytest.param("drop", marks=pytest.mark.stress)])
def test_what_the_store_does_not_say_is_unknown_and_no_hit(project, s3, fault):
    project.env |= s3.env | {"CACHEPY_REMOTE_TIMEOUT": "2", "CACHEPY_IGNORE_ENV": "AWS_ENDPOINT_URL"}
    project.run("-c", "import boto3; boto3.client('s3').put_object(Bucket='results', Key='table.csv', Body=b'b')")
    project.main(ONE)
    assert project.ran() == ["read"]
    s3.fault = lambda method, path: fault if method == "HEAD" else None
    told = project.cachepy("status", "--cache-dir", "cache").stdout
    assert "unknown" in told
    assert "could not be checked" in told
    done = project.main(ONE)
    assert "b'b'" in done.stdout
    assert project.ran() == ["read"]
    assert "could not be asked for" in done.stderr
    s3.fault = None
    project.main(ONE)
    assert project.ran() == []


def test_an_object_that_is_gone_is_gone(reads):
    reads("table.csv", "a")
    reads.project.run("-c", "import boto3; boto3.client('s3').delete_object(Bucket='results', Key='table.csv')")
    told = reads.project.cachepy("status", "--cache-dir", "cache").stdout
    assert "s3://results/table.csv is gone" in told


WRITES = HEAD + """
    @cached
    def write(text):
        log("write")
        pd.DataFrame({"a": [text]}).to_csv("s3://results/made.csv")
        return "s3://results/made.csv"


    @cached
    def read(path):
        log("read")
        return list(pd.read_csv(path)["a"])


    @cached
    def top(text):
        log("top")
        return read(write(text))


    if sys.argv[2:]:
        put("made.csv", sys.argv[2])
    print(top(sys.argv[1]))
"""


def test_what_a_call_wrote_is_its_output_and_the_input_of_who_reads_it(project, s3):
    project.env |= s3.env
    assert "['x']" in project.main(WRITES, "x").stdout
    assert project.ran() == ["top", "write", "read"]
    assert "['x']" in project.main(WRITES, "x").stdout
    assert project.ran() == []
    assert "['x']" in project.main(WRITES, "x", "damaged").stdout
    assert "write" in project.ran()
    assert "['y']" in project.main(WRITES, "y").stdout
    assert project.ran() == ["top", "write", "read"]
    assert project.main(WRITES, "x").stderr == ""
