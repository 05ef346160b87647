"""What changes something shows it first and asks: the options and the question."""

from __future__ import annotations

import sys

import click

from cachepy.cli.console import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachepy.cli.console import Tell

yes_option = click.option("-y", "--yes", is_flag=True, help="Do it without asking.")
dry_run_option = click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done.")


def is_shown(tell: Tell, *, yes: bool, dry_run: bool) -> bool:
    """Whether what is to be done is listed: with --quiet only for who is asked."""
    return not tell.as_json and not (tell.quiet and (yes or dry_run))


def may(tell: Tell, question: str, yes: bool) -> bool:
    """Whether it may be done: told so, or asked; a usage error if this is not a terminal, or nothing may be written."""
    from cachepy.calls.state import refuse_if_quiet
    from cachepy.errors import UsageValueError

    try:
        refuse_if_quiet("this")
    except UsageValueError as error:
        raise WrongUse(f"nothing was changed: {error}") from None
    if yes:
        return True
    if not sys.stdin or not sys.stdin.isatty() or tell.as_json:
        raise WrongUse("nothing was changed: cachepy can ask only on a terminal; add --yes to do it, or --dry-run")
    if click.confirm(question, err=True):
        return True
    tell.say("nothing was changed")
    return False
