"""Pages as files: `web_pages`, and when an address of the web is no more than a text."""

from __future__ import annotations

import urllib.request

import fsspec
import pytest

from cachepy import ChangedInputWarning, cache_file
from tests.observed import again, folder, ran, runs
from tests.web import Web

__all__ = ["folder"]
pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def web():
    with Web() as made:
        yield made


def fetch(url):
    ran()
    with urllib.request.urlopen(url) as answer:
        return answer.read()


def test_a_page_counts_by_its_version(web):
    assert again(fetch, lambda: setattr(web, "content", b"2"), web.url, unseen="ok") == 1
    del web.asked[:]
    cache_file("cache", warn_cheap=False, unseen="ok")(fetch)(web.url)
    assert web.asked == ["HEAD"]


def test_a_server_that_knows_no_head_is_asked_otherwise_if_somebody_says_that_it_is_a_file(web):
    web.heads = 405
    assert again(fetch, lambda: setattr(web, "content", b"2"), web.url, unseen="ok") == 0
    assert again(fetch, lambda: setattr(web, "content", b"3"), web.url, unseen="ok", file_args=["url"]) == 1


def test_a_page_without_a_version_is_a_text_unless_somebody_says_that_it_is_a_file(web):
    web.tag = False
    assert again(fetch, lambda: setattr(web, "content", b"2"), web.url, unseen="ok") == 0
    assert again(fetch, lambda: setattr(web, "content", b"3"), web.url, unseen="ok", file_args=["url"]) == 1


def test_a_page_that_is_read_by_fsspec_counts_by_its_content(web):
    web.tag = False
    fn = lambda: (ran(), _read("".join([web.url[:3], web.url[3:]])))
    assert again(fn, lambda: setattr(web, "content", b"2"), ignore_globals=["web"], unseen="ok") == 1


@pytest.mark.parametrize("status", [401, 403, 418])
def test_a_page_that_is_closed_to_us_is_a_text(web, status):
    web.status = status
    cached = cache_file("cache", warn_cheap=False)(lambda url: (ran(), 1))
    cached(web.url)
    cached(web.url)
    assert runs() == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_not_there_is_absent(web, status):
    web.status = status
    fn = lambda url: (ran(), 1)
    assert again(fn, lambda: setattr(web, "status", 200), web.url) == 1


def test_a_page_that_fails_is_not_absent(web):
    cached = cache_file("cache", warn_cheap=False, unseen="ok")(fetch)
    assert cached(web.url) == b"1"
    web.status = 500
    assert str(cached.explain(web.url)).startswith(f"stale: file {web.url} could not be checked: HTTPError: HTTP Error 500")


def test_a_host_that_is_not_there_is_a_text_for_who_does_not_ask_it(folder, recwarn):
    cached = cache_file("cache", warn_cheap=False)(lambda url: (ran(), 1))
    cached("http://127.0.0.1:9/x")
    cached("http://127.0.0.1:9/x")
    assert runs() == 1
    assert not [each for each in recwarn if each.category is ChangedInputWarning]


def test_a_host_that_is_not_there_for_us_but_asked_by_the_body_is_no_text(web):
    cached = cache_file("cache", warn_cheap=False, unseen="ok")(lambda url: fetch(web.url))
    with pytest.warns(ChangedInputWarning, match="could not be asked for"):
        cached("http://127.0.0.1:9/x")


def _read(url):
    with fsspec.open(url) as file:
        return file.read()
