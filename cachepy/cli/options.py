"""What every command takes: the cache directory, --json and -q; and how a function becomes a command."""

from __future__ import annotations

import os
from functools import wraps
from textwrap import wrap

import click

from cachepy.cli import completing
from cachepy.cli.console import Tell, WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    _Type = click.ParamType[float]
else:
    _Type = click.ParamType  # before click 8.4 it takes no parameter

LIMIT = 20


class Typed(_Type):
    """A value that people type with a unit."""

    def __init__(self, name: str, parse: Callable[[str], float]) -> None:
        self.name = name
        self.parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


def command(name: str, example: str, keys: str) -> Callable[[Callable[..., int]], click.Command]:
    """A command from a function of a `Tell`, the cache directory and its own options, which returns the exit code.

    keys: of its JSON document, besides `schema` and `cache_dir`.
    """

    def made(run: Callable[..., int]) -> click.Command:
        @wraps(run)
        def called(cache_dir: str | None, as_json: bool, quiet: bool, **options: Any) -> None:
            raise click.exceptions.Exit(run(Tell(name, as_json=as_json, quiet=quiet), cache_dir, **options))

        for option in _COMMON:
            called = option(called)
        names = wrap(f"schema (cachepy.{name}/1), cache_dir, {', '.join(keys.split())}", 74)
        epilog = (
            "\b\nExample:\n"
            + _indented(example.splitlines())
            + "\n\n\b\nKeys of the JSON document:\n"
            + _indented(names)
        )
        return click.command(name, epilog=epilog, context_settings={"help_option_names": ["-h", "--help"]})(called)

    return made


def _indented(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _go(_context: click.Context, _param: click.Parameter, folders: tuple[str, ...]) -> None:
    """Into another folder, before anything else is looked at; each from the one before it."""
    for folder in folders:
        try:
            os.chdir(folder)
        except OSError as error:
            raise WrongUse(f"-C {folder}: {error.strerror}") from None


_COMMON = (
    click.option("-q", "--quiet", is_flag=True, help="No messages, and no output where the exit code answers."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document, complete and with a schema."),
    click.option(
        "--cache-dir", metavar="DIR", shell_complete=completing.folders,
        help="The cache.  [default: CACHEPY_DIR, else the nearest upwards]",
    ),
    click.option(
        "-C", "folders", metavar="DIR", multiple=True, callback=_go, is_eager=True, expose_value=False,
        shell_complete=completing.folders,
        help="Run as if started in this folder.",
    ),
)

_LOOKS = (
    click.option(
        "--import", "code", flag_value="import",
        help="Import modules whose source files do not tell enough, in another process; cached calls do not run.",
    ),
    click.option("--no-code", "code", flag_value="none", help="Do not look at code; it counts as unchanged."),
    click.option("code", "--by-source", flag_value="source", default="source", hidden=True),
)  # fmt: skip


def looks_at_code(run: Any) -> Any:
    """Adds the options that say how code is looked at: `code` is ``source``, ``import`` or ``none``."""
    for option in reversed(_LOOKS):
        run = option(run)
    return run


limit = click.option(
    "--limit", metavar="N", type=click.IntRange(0), default=LIMIT, show_default=True, help="List no more than N."
)
history = click.option("--history", "history", is_flag=True, help="Also show calls that their programs no longer make.")
everything = click.option("--all", "show_all", is_flag=True, help="List all.")
