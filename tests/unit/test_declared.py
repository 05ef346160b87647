"""Declared variables of modules that the code names only by a string."""

from __future__ import annotations

import importlib
import sys
import warnings

import pytest

from cachepy import OpaqueGlobalWarning, Session, UsageError, cache_file, use_session

BODY = """
import importlib
from cachepy import cache_file

@cache_file({cache!r}, depends_on_vars=[{name!r}], warn_cheap=False)
def price(x):
    return importlib.import_module("ra" + "tes_of_test").EUR * x
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Each use is a program that begins: nothing is loaded, nothing is remembered."""

    def begin(rates, name="rates_of_test.EUR"):
        for module in ("rates_of_test", "prices_of_test"):
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        (tmp_path / "rates_of_test.py").write_text(rates)
        (tmp_path / "prices_of_test.py").write_text(BODY.format(cache=str(tmp_path / "cache"), name=name))
        return importlib.import_module("prices_of_test").price

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two edits within a second are of one age
    yield begin
    for module in ("rates_of_test", "prices_of_test"):
        sys.modules.pop(module, None)


def test_a_variable_of_a_module_that_is_not_loaded_counts(project):
    with use_session(Session()):
        assert project("EUR = 1")(3) == 3
    with use_session(Session()):
        price = project("EUR = 100")
        assert [str(reason) for reason in price.explain(3).reasons] == ["declared rates_of_test.EUR changed from 1 to 100"]
        assert price(3) == 300
    with use_session(Session()):
        assert project("EUR = 1").is_cached(3)


def test_a_variable_that_appears_counts(project):
    with use_session(Session()), pytest.warns(OpaqueGlobalWarning, match="no such variable"):
        with pytest.raises(AttributeError):
            project("USD = 1")(3)
    with use_session(Session()), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert project("EUR = 2")(3) == 6


@pytest.mark.parametrize("name", ["rates_of_test.EURO", "no_such_module_of_test.EUR", "EURO"])
def test_a_name_that_leads_nowhere_is_said_so(project, name):
    with use_session(Session()), pytest.warns(OpaqueGlobalWarning, match=rf"\['{name}'\], but there is no such variable"):
        assert project("EUR = 1", name)(3) == 3


def test_a_variable_of_the_own_module_by_its_full_name(tmp_path):
    with use_session(Session()):
        cf = cache_file(tmp_path, depends_on_vars=[f"{__name__}.BODY"], warn_cheap=False)

        @cf
        def f(x):
            return x

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert f(1) == 1


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ({"schema": "v3"}, {"schema": "v4"}, "declared schema changed from 'v3' to 'v4'"),
        ({"schema": "v3"}, {"scheme": "v3"}, "declared"),
        ({"schema": "v3", "n": 1}, {"schema": "v3"}, "declared n"),
        ({"limits": {"a": [1, 2]}}, {"limits": {"a": [1, 3]}}, "declared limits changed"),
        ({"n": 1}, {"n": 1.0}, "declared n changed"),
        ({"schema": "v3"}, ["schema"], "declared"),
        ({"of.a.module": 1}, {"of.a.module": 2}, "declared of.a.module changed"),
        ({"n": (1, {2})}, {"n": (1, {3})}, "declared n changed"),
    ],
)
@pytest.mark.filterwarnings("ignore::cachepy.OpaqueGlobalWarning")
def test_a_dict_counts_by_its_values(tmp_path, before, after, why):
    def make(variables):
        @cache_file(tmp_path, depends_on_vars=variables, warn_cheap=False)
        def f(x):
            return x

        return f

    for _ in range(2):
        with use_session(Session()):
            assert make(before)(1) == 1
            assert make(dict(before)).is_cached(1)
            verdict = make(after).explain(1)
            assert verdict.state == "stale"
            assert any(str(reason).startswith(why) for reason in verdict.reasons), list(map(str, verdict.reasons))


def test_an_object_in_the_dict_that_changes_in_place_counts(tmp_path):
    limits = {"a": [1]}
    with use_session(Session()):

        @cache_file(tmp_path, depends_on_vars={"limits": limits}, warn_cheap=False)
        def f(x):
            return x

        assert f(1) == 1
        assert f.is_cached(1)
        limits["a"].append(2)
        assert not f.is_cached(1)


LISTS = ["env_vars", "depends_on_files", "file_args", "ignore_args", "ignore_globals", "trusted_owners"]


@pytest.mark.parametrize("option", LISTS)
@pytest.mark.parametrize("value", [{"x": 1}, {}, "x", b"x"], ids=repr)
def test_what_is_no_list_is_an_error_that_says_so(option, value):
    with pytest.raises(UsageError, match=f"{option} must be a list of"):
        cache_file(**{option: value})


@pytest.mark.parametrize("option", ["env_vars", "depends_on_vars", "file_args", "ignore_args", "ignore_globals"])
@pytest.mark.parametrize("value", [[1], [""], [None], [b"x"], {1: 2}], ids=repr)
def test_what_is_no_name_is_an_error(option, value):
    with pytest.raises(UsageError, match=option):
        cache_file(**{option: value})


@pytest.mark.parametrize(
    "kind", [list, tuple, set, frozenset, iter, dict.fromkeys(["x"]).keys], ids=lambda kind: kind.__name__
)
def test_lists_of_all_kinds_count_alike(tmp_path, kind):
    items = kind(["x"]) if isinstance(kind, type) or kind is iter else kind()
    cached = cache_file(tmp_path, ignore_args=items, warn_cheap=False)
    for _ in range(2):  # an iterator gives its items once

        @cached
        def f(x, y):
            return y

        assert f.key(1, 2) == f.key(2, 2)
