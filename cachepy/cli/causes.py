"""The causes of calls that are not fresh, with files as they are named from here."""

from __future__ import annotations

from cachepy.cli.words import near
from cachepy.staleness import causes as shared
from cachepy.staleness.causes import telling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cachepy.core.reasons import Reason
    from cachepy.staleness.causes import Cause

__all__ = ["causes", "folded", "sentence", "telling"]


def causes(found: Mapping[str, Iterable[Reason]]) -> list[Cause]:
    """The root causes of the calls, those that reach most calls first."""
    return shared.causes(found, near)


def folded(found: list[Cause], most: int | None) -> list[Cause]:
    """If they are too many to list: the files of one folder together."""
    return shared.folded(found, most, near)


def sentence(reason: Reason) -> str:
    """A reason in words, with its file as it is named from here."""
    return shared.sentence(reason, near)
