"""Wrong usage in one style, with what was meant if that can be guessed."""

from __future__ import annotations

import click

from cachepy.cli.console import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def plainly(error: click.UsageError, group: click.Group) -> click.UsageError:
    """The same mistake, said as all messages of the commands are."""
    if isinstance(error, (WrongUse, click.exceptions.NoArgsIsHelpError)):
        return error
    command = error.ctx.command_path if error.ctx is not None else "cachepy"
    text = _text(error, group)
    return WrongUse(f"{text}{'' if text.endswith('?') else ';'} `{command} --help` says more")


def similar(name: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> str:
    """A question after names that are similar; empty if there are none.

    >>> similar("laod", ["load", "clean"]), similar("load", [])
    ('; did you mean load?', '')
    """
    from difflib import get_close_matches

    near = get_close_matches(name, sorted(set(known)), n=most, cutoff=cutoff)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _text(error: click.UsageError, group: click.Group) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"there is no option {error.option_name} here{_option_meant(error, group)}"
    if isinstance(error, click.MissingParameter):
        param = error.param
        return f"{param.make_metavar(error.ctx) if param and error.ctx else 'an argument'} is missing"
    if isinstance(error, click.BadParameter) and error.param is not None:
        name = error.param.opts[0] if isinstance(error.param, click.Option) else str(error.param.name).upper()
        return f"{name}: {error.message.rstrip('.')}{_choice_meant(error)}"
    message = error.format_message().rstrip(".")
    return message[:1].lower() + message[1:]


def _option_meant(error: click.NoSuchOption, group: click.Group) -> str:
    """What it may be: an option of a similar name, or one of another command."""
    here = error.ctx.command if error.ctx is not None else group
    meant = similar(error.option_name, _options_of(here), most=2, cutoff=0.7)
    if meant:
        return meant
    others = [name for name, each in group.commands.items() if error.option_name in _options_of(each)]
    return f": it is one of {', '.join(others)}" if others else ""


def _options_of(command: click.Command) -> list[str]:
    params = (param for param in command.params if isinstance(param, click.Option) and not param.hidden)
    return [opt for param in params for opt in (*param.opts, *param.secondary_opts) if opt.startswith("--")]


def _choice_meant(error: click.BadParameter) -> str:
    choices: Iterable[object] = getattr(getattr(error.param, "type", None), "choices", ())
    given = error.message.partition("' is not one of")[0].strip("'")
    return similar(given, map(str, choices), most=1)
