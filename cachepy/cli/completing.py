"""What a shell can complete besides options: names of functions, digits of calls, folders.

Says nothing and raises nothing: what cannot be read completes to nothing.
"""

from __future__ import annotations

from collections import Counter

from click.shell_completion import CompletionItem

from cachepy.values import humanize

TYPE_CHECKING = False
if TYPE_CHECKING:
    import click

    from cachepy.cli.opening import Opened

_MOST = 100  # calls that are offered
_HEX = frozenset("0123456789abcdef")


def calls(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Functions by their names, with the number of their calls; calls by their digits, with their labels."""
    import warnings

    from cachepy.cli.opening import opened

    try:
        with warnings.catch_warnings(), opened(ctx.params.get("cache_dir"), lambda _: None) as cache:
            warnings.simplefilter("ignore")
            return _functions(cache, incomplete) + _calls(cache, incomplete)
    except Exception:  # whatever it is, a shell is no place to tell it
        return []


def _functions(cache: Opened, start: str) -> list[CompletionItem]:
    numbers = Counter(call.rpartition(":")[0] for call in cache.ids)
    return [
        CompletionItem(name, help=humanize.count(number, "call"))
        for name, number in sorted(numbers.items())
        if name.startswith(start)
    ]


def _calls(cache: Opened, start: str) -> list[CompletionItem]:
    """By the start of a digest, or of an id with its function; bash takes a colon for the end of a word."""
    from cachepy.cli.tables import short_ids
    from cachepy.cli.words import clean

    before, colon, digits = start.rpartition(":")
    if not (colon or (digits and _HEX.issuperset(digits))):
        return []
    meant = [call for call in cache.ids if call.startswith(start) or (not colon and _digest(call).startswith(digits))]
    names = short_ids(sorted(meant)[:_MOST], cache.ids)
    return [
        CompletionItem(f"{before}{colon}{name}" if colon else name, help=clean(cache.label(call)))
        for call, name in names.items()
    ]


def _digest(call: str) -> str:
    return call.rpartition(":")[2]


def folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Left to the shell."""
    return [CompletionItem(incomplete, type="dir")]


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Left to the shell."""
    return [CompletionItem(incomplete, type="file")]
