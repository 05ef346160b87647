"""Declared variables of modules that the code names only by a string."""

from __future__ import annotations

import importlib
import sys
import warnings

import pytest

from cachepy import OpaqueGlobalWarning, Session, cache_file, use_session

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
