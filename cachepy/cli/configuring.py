"""The command that shows what holds, and where it came from: config."""

from __future__ import annotations

import os

import click

from cachepy.cli import words
from cachepy.cli.console import Tell, WrongUse
from cachepy.cli.options import command
from cachepy.errors import UsageError, UsageValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HIDDEN = "(hidden)"


@command("config", "cachepy config\ncachepy config --all\ncachepy config --json", "file options environment")
@click.option("--all", "show_all", is_flag=True, help="Also the options that have their default.")
def config(tell: Tell, cache_dir: str | None, *, show_all: bool) -> int:
    """Show which options hold here, and where each came from.

    Environment variables are stronger than the file that load_config() finds from this folder upwards, and what a
    decorator says itself is stronger than both. Keys are not shown.
    """
    from cachepy.calls.config import found_config

    try:
        file, given = found_config()
        options = _options(file, given, cache_dir)
    except (UsageError, UsageValueError) as error:
        raise WrongUse(str(error)) from error
    variables = {n: _shown_variable(n, v) for n, v in sorted(os.environ.items()) if n.partition("_")[0] == "CACHEPY"}
    if tell.as_json:
        tell.document(file=file, options=options, environment=variables)
    elif not tell.is_silent:
        _tell_options(tell, options, variables, show_all=show_all)
        if file is None:
            tell.say("there is no cachepy.toml, cachepy.yaml or [tool.cachepy] here or above")
    return 0


def _options(file: str | None, given: dict[str, Any], cache_dir: str | None) -> list[dict[str, Any]]:
    """Each option with its value and its source; errors as the decorator raises them."""
    from cachepy.calls.config import OF_ENVIRONMENT
    from cachepy.calls.options import NAMES, Options, cache_default_dir
    from cachepy.store.trust import Trust

    Trust.of_environment()  # complains
    defaults, checked = Options().given(), Options(**given)
    found = []
    for name in NAMES:
        variable = OF_ENVIRONMENT.get(name, "")
        value, source = defaults[name], "default"
        if name in given:
            value, source = given[name], f"file {file}"
        elif os.environ.get(variable):
            value, source = os.environ[variable], f"environment variable {variable}"
        if name == "cache_dir":
            value = checked.place() if name in given else cache_default_dir()
            if cache_dir is not None:
                value, source = os.path.abspath(cache_dir), "--cache-dir"
        if name == "trusted_owners" and isinstance(value, str):
            value = [each.strip() for each in value.split(",") if each.strip()]
        found.append({"option": name, "value": _shown(name, value), "source": source})
    return found


def _shown(name: str, value: Any) -> Any:
    """As JSON can say it, without keys: of one in a file the name of that."""
    if name == "signing_key" and value is not None:
        return value if isinstance(value, str) and value[:1] == "@" else _HIDDEN
    return sorted(value) if isinstance(value, (tuple, frozenset)) else value


def _shown_variable(name: str, value: str) -> str:
    return str(_shown("signing_key", value)) if "KEY" in name else value


def _tell_options(
    tell: Tell, options: list[dict[str, Any]], variables: dict[str, str], *, show_all: bool
) -> None:  # fmt: skip
    shown = [each for each in options if show_all or each["source"] != "default" or each["option"] == "cache_dir"]
    rows = [(each["option"], _text(each["value"]), _near(each["source"])) for each in shown]
    told = {each["source"].rpartition(" ")[2] for each in shown}
    rows += [(name, value, "environment") for name, value in variables.items() if name not in told]
    tell.table(("option", "value", "from"), rows, fixed="option")


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _near(source: str) -> str:
    path = source.removeprefix("file ")
    return f"file {words.near(path)}" if path != source else source
