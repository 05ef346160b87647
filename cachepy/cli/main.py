"""The program ``cachepy``: `main` runs a command and leaves the process with its exit code.

The commands are imported inside `main`, so that even an error there is no 1.
"""

from __future__ import annotations

import os
import sys

from cachepy.cli.exit_codes import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code.

    Examples
    --------
    >>> main(["--version"])
    Traceback (most recent call last):
    SystemExit: 0
    """
    sys.exit(guarded(lambda: _run(arguments)))


def _run(arguments: Sequence[str] | None) -> int:
    from cachepy.cli.group import cachepy

    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(cachepy.main(given, prog_name="cachepy", standalone_mode=False) or 0)
    except SystemExit as end:
        if "_CACHEPY_COMPLETE" not in os.environ:
            raise
        return int(end.code or 0)  # the shell asked how a line goes on: click answers, and ends the program itself
