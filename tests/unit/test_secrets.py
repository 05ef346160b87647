"""Arguments that are secrets by their names are shown nowhere and kept nowhere, and count all the same."""

from __future__ import annotations

import json

import pytest

from cachepy.values.hidden import has_secrets, is_secret

LIB = """
from cachepy import cache_file
from log import log
cached = cache_file("cache", warn_cheap=False, verbose=True)

@cached
def fetch(url, token, *, options=None, **more):
    log("fetch")
    return len(url) + len(token)

@cached
def report(url, password):
    return fetch(url, password + "0", options={"api_key": "opt-hunter5", "n": 1}, db_password="more-hunter6")
"""
MAIN = """
import sys
from lib import report, fetch
print(report("http://a", open("secret.txt").read()))
if "again" in sys.argv:
    print(fetch("http://a", "tok-hunter9"), repr(fetch.last), fetch.explain("http://a", "tok-hunter8"))
"""


@pytest.fixture
def program(project):
    project.write("log.py", __import__("tests.programs", fromlist=["LOG"]).LOG)
    project.write("lib.py", LIB)
    project.write("main.py", MAIN)
    return project


def run(program, secret, *words):
    program.write("secret.txt", secret)
    return program.run("main.py", *words)


def held(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_nothing_of_it_is_kept_or_shown(program):
    ran = run(program, "pass-hunter2", "again")
    assert "run report('a', ***)" in ran.stderr.replace("'http://a'", "'a'")
    assert "fetch('http://a', ***, {'api_key': ***, 'n': 1}, ***)".replace("'http://a'", "'a'") in ran.stderr.replace("'http://a'", "'a'")
    shown = ran.stdout + ran.stderr
    for words in (["ls"], ["show", "fetch"], ["status"], ["explain", "report"], ["graph"], ["stats"], ["export"], ["ls", "--json"]):
        done = program.cachepy(*words, "--cache-dir", "cache")
        shown += done.stdout + done.stderr
    assert "report" in shown and "hunter" not in shown
    assert b"hunter" not in held(program / "cache") and b"report" in held(program / "cache")


def test_another_secret_is_another_call(program):
    run(program, "one-hunter")
    assert len(program.ran()) == 1
    run(program, "one-hunter")
    assert program.ran() == []
    run(program, "two-hunter")
    assert len(program.ran()) == 1


def test_what_differs_is_named_without_its_value(program):
    said = run(program, "one-hunter", "again").stdout
    assert "missing: no result of fetch(" in said and "argument token is different from that in fetch(" in said


def test_it_cannot_be_made_again_by_itself_and_that_is_said(program):
    run(program, "one-hunter")
    program.edit("lib.py", "len(url) + len(token)", "len(url) + len(token) + 1")
    done = program.cachepy("refresh", "--cache-dir", "cache", "--yes")
    assert "were not kept, for '" in done.stdout + done.stderr and "is or holds a secret by its name" in done.stdout + done.stderr
    assert done.returncode != 0
    program.ran()
    assert run(program, "one-hunter").stdout == "20\n"
    assert program.cachepy("status", "--cache-dir", "cache").returncode == 0


def test_a_file_that_such_an_argument_names_counts(program):
    program.write("creds.json", "{}")
    program.write("main.py", """
        from lib import cached
        @cached
        def size(credentials):
            return len(open(credentials).read())
        print(size("creds.json"))
    """)
    assert program.run("main.py").stdout == "2\n"
    program.write("creds.json", json.dumps([1]))
    assert program.run("main.py").stdout == "3\n"


SECRET = "password db_password PASSWD pwd passphrase secret client_secret secret_key api_key apiKey API_KEY access_key private_key token auth_token accessToken apikey credentials auth secrets"
PLAIN = "key keys sort_key primary_key foreign_key tokens max_tokens token_count tokenizer author authority path secretary password2d_ keyboard name"


@pytest.mark.parametrize("name", SECRET.split())
def test_names_of_secrets(name):
    assert is_secret(name) and is_secret(f"{name}[0]") and has_secrets([("x", {name: "a"})])
    assert not has_secrets([(name, None), (name, False)])


@pytest.mark.parametrize("name", PLAIN.split())
def test_names_of_no_secrets(name):
    assert not is_secret(name)
