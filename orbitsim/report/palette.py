"""Colours of every figure, interactive and static: told apart with any colour vision, on white and on dark paper.

The hues are those of Okabe and Ito [1]_; each comes in a variant for either paper with the same order of lightness,
and what a colour says is said a second time by a line style, a marker or a label.

References
----------
.. [1] M. Okabe and K. Ito, "Color Universal Design: how to make figures and presentations that are friendly to
   colorblind people" (2008), https://jfly.uni-koeln.de/color/.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple


class Color(NamedTuple):
    """A colour on white and on dark paper, as ``#rrggbb``."""

    light: str
    dark: str


class SchemeStyle(NamedTuple):
    """How a scheme is drawn everywhere.

    Attributes
    ----------
    name : str
        Key of `COLORS`.
    color : Color
        Colour of its line or bar.
    line : str
        Line style in matplotlib's notation.
    dash : str
        The same in Plotly's.
    marker : str
        Marker in matplotlib's notation.
    symbol : str
        The same in Plotly's.
    """

    name: str
    color: Color
    line: str
    dash: str
    marker: str
    symbol: str


COLORS = MappingProxyType(
    {
        "blue": Color("#0072b2", "#4ba3dd"),
        "vermilion": Color("#d55e00", "#f5824a"),
        "green": Color("#009e73", "#2fc497"),
        "purple": Color("#b9608f", "#de94bd"),
        "orange": Color("#e69f00", "#f0b43c"),
        "sky": Color("#56b4e9", "#8ccdf5"),
        "yellow": Color("#c8b400", "#f0e442"),
        "grey": Color("#7a828c", "#9aa3ad"),
        "pale": Color("#c9ced4", "#454c55"),
        "paper": Color("#ffffff", "#171b21"),
        "ink": Color("#1b2129", "#e8ebef"),
        "muted": Color("#5b6570", "#a3adb8"),
        "grid": Color("#e4e7eb", "#2c333c"),
        "axis": Color("#9aa3ad", "#5b6570"),
        "land": Color("#e6e8e3", "#2b323a"),
        "coast": Color("#b9beb4", "#4a535e"),
        "sea": Color("#f7f9fb", "#1b2027"),
    }
)
"""Hues and surfaces by name."""

HEAT = (
    Color("#f7f9fb", "#1b2027"),
    Color("#c9dff0", "#15344d"),
    Color("#7fb6dc", "#1a5680"),
    Color("#2f86c0", "#2f86c0"),
    Color("#0b5a94", "#7fbde6"),
    Color("#08304f", "#dcefff"),
)
"""Stops of the sequential scale from nothing to most, evenly spaced: away from the paper, in lightness alone."""

_LINES = (("-", "solid"), ("--", "dash"), ("-.", "dashdot"), (":", "dot"))
_MARKERS = (("o", "circle"), ("s", "square"), ("^", "triangle-up"), ("D", "diamond"), ("v", "triangle-down"))

_SCHEMES = {
    "collaborative": ("blue", 0, 0),
    "hybrid": ("vermilion", 1, 1),
    "ground-only": ("green", 2, 2),
    "single-satellite": ("purple", 3, 3),
    "collaborative-uniform": ("orange", 1, 4),
    "collaborative-proportional": ("sky", 2, 0),
}
SCHEMES_WITH_STYLES = tuple(_SCHEMES)
"""Schemes that have a style of their own."""

_OTHER = ("yellow", "grey", "orange", "sky", "purple", "green", "vermilion", "blue")

SEQUENCE = ("blue", "orange", "green", "purple", "sky", "vermilion", "yellow", "grey")
"""Names for what has no colour of its own: runs, nodes, links, in this order."""

PARTS = MappingProxyType(
    {
        "contact_wait_s": ("waiting for a contact", "pale"),
        "queue_s": ("queueing", "orange"),
        "compute_s": ("computing", "blue"),
        "codec_s": ("encoding and decoding", "purple"),
        "isl_s": ("sending over crosslinks", "sky"),
        "downlink_s": ("sending over the downlink", "green"),
        "propagation_s": ("propagation", "vermilion"),
    }
)
"""Of every part of a delay: its words and the name of its colour."""

SERVICES = MappingProxyType({"compute": "blue", "isl": "sky", "downlink": "green"})
"""Of every service of a place the name of its colour; the same as of the part of the delay."""

CONTACTS = MappingProxyType({"station": "green", "target": "orange"})
"""Of every kind of site the name of its colour."""


def scheme_style(name: str, index: int = 0) -> SchemeStyle:
    """Return how a scheme is drawn.

    Parameters
    ----------
    name : str
        Name of the scheme.
    index : int
        Its position among the schemes of the figure: picks the style of a scheme that has none of its own.
    """
    color, line, marker = _SCHEMES.get(name, (_OTHER[index % len(_OTHER)], index % len(_LINES), index % len(_MARKERS)))
    return SchemeStyle(color, COLORS[color], *_LINES[line], *_MARKERS[marker])


def sequence_name(index: int) -> str:
    """Return the name of the colour of the index-th of things that have none of their own."""
    return SEQUENCE[index % len(SEQUENCE)]
