"""How the regime map is drawn: the winner's hue, its margin as depth and as a number, the crossings as lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orbitsim.report.figures.style import INK, MUTED
from orbitsim.report.palette import COLORS, HEAT, scheme_style
from orbitsim.reproduce.figures import new_figure
from orbitsim.reproduce.ranking import TIE, fastest, outcome
from orbitsim.reproduce.setting import SCHEMES
from orbitsim.types.experiment import Data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DEEP = 4.0
_TITLES = {"idealised": "idealised: downlink always open", "real": "real contacts, 50 deg of elevation"}
_NONE = COLORS["pale"].light
_ONBOARD = COLORS["sky"].light
_BOTH = "collaborative and single-satellite within 1 %"

_REAL_ROWS = "240p, 480p, 1080p and 4K and "


def map_figure(data: Data, keys: Sequence[str] | None = None) -> Figure:
    """Draw the fastest of the paper's three schemes in every cell, idealised and with real contacts.

    Parameters
    ----------
    data : mapping
        Of the experiment ``map``.
    keys : sequence of str, optional
        Panels to draw; omitted: all.
    """
    from matplotlib.patches import Patch

    keys = list(data["idealised"]["panels"]) if keys is None else keys
    heights = [len(data["idealised"]["panels"][key]["rows"]) + 1.0 for key in keys]
    figure, panels = new_figure(
        len(keys), 2, size=(10.4, 0.36 * sum(heights) + 1.5), squeeze=False, height_ratios=heights, sharex="col"
    )
    occurring: list[list[str]] = []
    for row, key in enumerate(keys):
        for axes, twin in zip(panels[row], ("idealised", "real"), strict=True):
            occurring.append(_panel(axes, data[twin], key))
            heading = f"{_TITLES[twin]}\n" if row == 0 else ""
            axes.set_title(heading + _words(key))
            if row == len(keys) - 1:
                axes.set_xlabel("rate from satellite to ground [bit/s]")
    found = list(dict.fromkeys(name for axes_found in occurring for name in axes_found))
    handles = [Patch(color=color, label=label) for color, label in _legend(found)]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, fontsize=8.5)
    figure.supxlabel(
        "Numbers: how many times as long the next scheme outside a tie takes. Real contacts: the mean over all tasks "
        "of a day, those never delivered counted up to its end;\neach cell is a simulated day, so only "
        f"{_REAL_ROWS if any(key != 'models' for key in keys) else ''}two rates a decade are shown; "
        "the idealised twin is a closed form.",
        fontsize=8.0,
        color=MUTED,
    )
    return figure


def _legend(found: Sequence[str]) -> list[tuple[str, str]]:
    """Return colour and label of the outcomes that occur, the schemes first; those of one colour share a label."""
    labels: dict[str, list[str]] = {}
    for name in (*(s for s in SCHEMES if s in found), *(n for n in found if n not in SCHEMES)):
        labels.setdefault(_hue(name), []).append(f"{name} is fastest" if name in SCHEMES else name)
    return [(color, " or ".join(each)) for color, each in labels.items()]


def _hue(name: str) -> str:
    """Return the colour of an outcome of `orbitsim.reproduce.ranking.outcome`."""
    if name in SCHEMES:
        return scheme_style(name).color.light
    return _ONBOARD if name == _BOTH else _NONE


def _words(key: str) -> str:
    return "by model, 1080p" if key == "models" else f"by resolution, {key.rsplit(maxsplit=1)[-1]}"


def _edges(rates_bps: Sequence[float]) -> list[float]:
    """Return the borders of the cells on the logarithmic axis."""
    logs = [math.log10(rate) for rate in rates_bps]
    half = 0.5 * (logs[-1] - logs[0]) / max(len(logs) - 1, 1)
    return [10 ** (logs[0] - half), *(10 ** (log + half) for log in logs)]


def _panel(axes: Axes, twin: Mapping[str, Any], key: str) -> list[str]:
    """Draw one panel and return the outcomes that occur in it."""
    panel, rates = twin["panels"][key], twin["rates_bps"]
    edges = [min(max(edge, rates[0]), rates[-1]) for edge in _edges(rates)]
    every = max(1, round((len(rates) - 1) / 12))
    found = []
    for row in range(len(panel["rows"])):
        for column in range(len(rates)):
            every_s = {scheme: panel["delay_s"][scheme][row][column] for scheme in SCHEMES}
            delays = {scheme: delay_s for scheme, delay_s in every_s.items() if delay_s is not None}
            name, color, margin = _cell(delays)
            found.append(name)
            axes.fill_between(
                edges[column : column + 2], row - 0.5, row + 0.5, facecolor=color, edgecolor="none", linewidth=0.0
            )
            if column % every == every // 2 and TIE <= margin < math.inf:
                text = f"{margin:.3g}" if margin < 9.95 else f"{margin:,.0f}"
                middle = math.sqrt(edges[column] * edges[column + 1])
                axes.text(middle, row, text, ha="center", va="center", fontsize=8.0, color=_ink(color), clip_on=True)
    for row in range(1, len(panel["rows"])):
        axes.axhline(row - 0.5, color="#ffffff", linewidth=1.0)
    axes.set_xscale("log")
    axes.set_xlim(rates[0], rates[-1])
    axes.set_ylim(-0.5, len(panel["rows"]) - 0.5)
    axes.set_yticks(range(len(panel["rows"])), panel["rows"])
    axes.grid(False)
    return found


def _cell(delays: Mapping[str, float]) -> tuple[str, tuple[float, float, float], float]:
    """Return who is the fastest in a cell, its colour and the margin that it stands for.

    Parameters
    ----------
    delays : mapping of str to float
        Delay of the schemes that run. [s]
    """
    name = outcome(delays)
    if name not in (*SCHEMES, _BOTH):
        return name, _rgb(_NONE), 1.0
    first = fastest(delays)
    margin = min((s for scheme, s in delays.items() if scheme not in first), default=math.inf) / delays[first[0]]
    return name, _shade(_hue(name), margin), margin


def _ink(color: tuple[float, float, float]) -> str:
    """Return dark text or white, whichever stands out more (relative luminance of WCAG 2.2)."""
    dark, ground = _luminance(_rgb(INK)), _luminance(color)
    return INK if (ground + 0.05) / (dark + 0.05) >= 1.05 / (ground + 0.05) else "#ffffff"


def _luminance(color: tuple[float, float, float]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[i : i + 2], 16) / 255.0 for i in (1, 3, 5))
    return red, green, blue


def _depth(margin: float) -> float:
    """Return how deep a margin is drawn: a quarter at the least, full from four times on."""
    return 0.35 + 0.65 * min(math.log(max(margin, 1.0)) / math.log(_DEEP), 1.0)


def _shade(color: str, margin: float) -> tuple[float, float, float]:
    """Mix a colour with paper by the margin."""
    depth = _depth(margin)
    red, green, blue = (1.0 - depth * (1.0 - part) for part in _rgb(color))
    return red, green, blue


def hybrid_figure(data: Data) -> Figure:
    """Draw how many times as long the fastest of the three takes beside the hybrid of all, idealised."""
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    scale = LinearSegmentedColormap.from_list("depth", [stop.light for stop in HEAT[:5]])
    keys = list(data["idealised"]["panels"])
    heights = [len(data["idealised"]["panels"][key]["rows"]) + 1.0 for key in keys]
    figure, panels = new_figure(
        len(keys), 1, size=(6.6, 0.36 * sum(heights) + 1.2), squeeze=False, height_ratios=heights, sharex="col"
    )
    rates = data["idealised"]["rates_bps"]
    edges = _edges(rates)
    mesh: Any = None
    drawn = []
    for axes, key in zip(panels[:, 0], keys, strict=True):
        panel = data["idealised"]["panels"][key]
        gains = []
        for row in range(len(panel["rows"])):
            best = [
                min(s for scheme in SCHEMES if (s := panel["delay_s"][scheme][row][column]) is not None)
                for column in range(len(rates))
            ]
            gains.append([b / h for b, h in zip(best, panel["delay_s"]["hybrid"][row], strict=True)])
        borders = [row - 0.5 for row in range(len(panel["rows"]) + 1)]
        mesh = axes.pcolormesh(edges, borders, gains, cmap=scale, rasterized=True)
        drawn.append((mesh, max(max(row) for row in gains)))
        axes.set_xscale("log")
        axes.set_yticks(range(len(panel["rows"])), panel["rows"])
        axes.set_title(_words(key))
        axes.grid(False)
    panels[-1, 0].set_xlabel("rate from satellite to ground [bit/s]")
    highest = max(1.25, *(most for _, most in drawn))
    norm = LogNorm(1.0, highest)
    for each, _ in drawn:
        each.set_norm(norm)
    ticks = [tick for tick in (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0) if tick <= highest]
    bar = figure.colorbar(mesh, ax=list(panels[:, 0]), ticks=ticks)
    bar.ax.set_yticklabels([f"{tick:g}" for tick in ticks])
    bar.ax.minorticks_off()
    bar.set_label("fastest of the three over hybrid (idealised)")
    return figure
