"""The colours of a drawing, on light and on dark ground.

Text has a contrast of at least 4.5 to its ground, edges and lines of at least 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cachepy.views import captions as say


@dataclass(frozen=True)
class Look:
    """One kind of box.  ``bar``: its part in the shares of a group; ``hatch``: how that is told without colour."""

    fill: str
    edge: str
    ink: str  # of the name
    soft: str  # of all other text
    bar: str
    dashed: bool = False
    fold: float = 0.0
    radius: float = 6.0
    width: float = 1.0
    hatch: str = ""


@dataclass(frozen=True)
class Theme:
    """``lead``: lines that only lead to the next row."""

    paper: str
    ink: str
    soft: str
    line: str
    flow: str
    lead: str
    looks: Mapping[str, Look]


_AMBER = Look("#FBBC04", "#A87900", "#212529", "#453600", "#FBBC04")
_FILE = Look("#E8F0FE", "#5B7FC7", "#1D3557", "#4C5E82", "#E8F0FE", fold=8.0, radius=2.0)
_DARK_AMBER = replace(_AMBER, edge="#FFDD80")
_DARK_FILE = Look("#1B2B44", "#7FA3E0", "#DCE8FC", "#A9C0E6", "#3F5F96", fold=8.0, radius=2.0)

THEMES = {
    "light": Theme(
        paper="#FFFFFF", ink="#212529", soft="#5C656E", line="#6B7683", flow="#3A4654", lead="#8A94A0",
        looks={
            say.FRESH: Look("#1D3557", "#1D3557", "#FFFFFF", "#CBD6E6", "#1D3557"),
            say.STALE: _AMBER,
            say.AFTER: _AMBER,
            say.MISSING: Look("#F1F3F5", "#5B646D", "#343A40", "#565D64", "#F1F3F5", True, width=1.6, hatch="////"),
            say.UNKNOWN: Look("#EFE7FB", "#7B5EA7", "#3B2A5A", "#5B4880", "#EFE7FB", True, radius=14.0, hatch="...."),
            say.FILE: _FILE,
            say.PILE: _FILE,
            say.CHANGED: replace(_FILE, fill="#FBBC04", edge="#A87900", ink="#212529", soft="#453600", width=1.6),
        },
    ),
    "dark": Theme(
        paper="#12181F", ink="#E9EEF4", soft="#A9B5C2", line="#8592A0", flow="#C3CEDA", lead="#687482",
        looks={
            say.FRESH: Look("#1D3557", "#6E93C6", "#FFFFFF", "#CBD6E6", "#1D3557"),
            say.STALE: _DARK_AMBER,
            say.AFTER: _DARK_AMBER,
            say.MISSING: Look("#2A323B", "#AEB8C2", "#E9EEF4", "#B9C3CD", "#AEB8C2", True, width=1.6, hatch="////"),
            say.UNKNOWN: Look("#33264D", "#B497E7", "#E9DFFB", "#CDBBEF", "#B497E7", True, radius=14.0, hatch="...."),
            say.FILE: _DARK_FILE,
            say.PILE: _DARK_FILE,
            say.CHANGED: replace(_DARK_FILE, fill="#FBBC04", edge="#FFDD80", ink="#212529", soft="#453600", width=1.6),
        },
    ),
}  # fmt: skip
