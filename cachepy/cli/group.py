"""The group of all commands, and what they share: options, exit codes, warnings on stderr.

Also loaded by Dask as ``dask cachepy``, so errors are handled in here and not only in `main`.
"""

from __future__ import annotations

import click

from cachepy import __version__
from cachepy.cli.accepting import accept
from cachepy.cli.ask import explain, plan, status
from cachepy.cli.configuring import config
from cachepy.cli.diffing import diff
from cachepy.cli.exit_codes import guarded
from cachepy.cli.listing import ls, show, stats
from cachepy.cli.maintenance import repair, verify
from cachepy.cli.mistakes import plainly, similar
from cachepy.cli.pruning import prune
from cachepy.cli.record import log
from cachepy.cli.refreshing import refresh
from cachepy.cli.sharing import merge, pull, push
from cachepy.cli.view import export, graph
from cachepy.cli.watching import watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_FLAGS, _NAMED = ("-q", "--quiet", "--json"), ("--cache-dir", "-C")  # before the name of a command too


class _Group(click.Group):
    """Commands in the order of their use; every error has its exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*args, **options)
        except click.UsageError as error:
            raise plainly(error, self) from error
        except BrokenPipeError:  # --help writes already here
            raise click.exceptions.Exit(guarded(_unread)) from None

    def invoke(self, ctx: click.Context) -> Any:
        run = super().invoke

        def called() -> int:
            _prepare()
            try:
                run(ctx)
            except click.UsageError as error:
                raise plainly(error, self) from error
            return 0

        raise click.exceptions.Exit(guarded(called))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What every command takes may stand before its name too."""
        at = 0
        while at < len(args) and args[at].partition("=")[0] in (*_FLAGS, *_NAMED):
            at += 2 if args[at] in _NAMED else 1
        ordered = [args[at], *args[:at], *args[at + 1 :]] if at < len(args) else []
        return super().parse_args(ctx, ordered)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            hint = similar(args[0], self.commands, most=2) or f"; there are {', '.join(self.commands)}"
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


def _unread() -> int:
    raise BrokenPipeError


def _prepare() -> None:
    """A warning is one line: where in cachepy it was raised says nothing. No letter of a name stops the output."""
    import sys
    import warnings

    from cachepy.cli.console import complain

    if getattr(sys.stdout, "errors", "") == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    warnings.showwarning = lambda message, *_rest, **_more: complain(f"warning: {message}")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="cachepy %(version)s")
def cachepy() -> None:
    """Look at a cache directory of cachepy: what is stale, why, and what would run.

    The directory is --cache-dir, else CACHEPY_DIR. Else it is looked for from this folder upwards, as git does:
    .cachepy, or the only cache directory in a folder. -C DIR does it as if started in another folder.

    Asking runs nothing and changes nothing. Only refresh, accept, prune, repair, push, pull and merge change
    something: they show what first, and ask. Every command takes --json.

    \b
    Exit codes:
      0    fresh, or done
      1    stale, missing or not run yet (status, explain, plan, refresh),
           results differ (diff), or problems found (verify)
      2    wrong usage, or there is no cache
      3    unknown: not all could be checked (status, explain, plan, refresh),
           or any other error
      130  interrupted; 141: the output was closed, as by head

    \b
    In a job script, name the directory:
      cachepy status -q --cache-dir .cachepy || sbatch job.sh

    \b
    Completion of commands, options, functions and calls:
      bash: eval "$(_CACHEPY_COMPLETE=bash_source cachepy)"
      zsh:  eval "$(_CACHEPY_COMPLETE=zsh_source cachepy)"
      fish: _CACHEPY_COMPLETE=fish_source cachepy | source
    """  # noqa: D301 - \b is how click keeps lines as they are


_COMMANDS = (
    status, explain, diff, plan, refresh, accept, graph, log, ls, show, stats, prune, verify, repair, export, watch,
    push, pull, merge, config,
)  # fmt: skip
for _each in _COMMANDS:
    cachepy.add_command(_each)
