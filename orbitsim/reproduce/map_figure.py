"""How the regime map is drawn: the winner's hue, its margin as depth and as a number, the crossings as lines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orbitsim.report.palette import COLORS, HEAT, scheme_style
from orbitsim.reproduce.figures import INK, MUTED, new_figure
from orbitsim.reproduce.setting import SCHEMES
from orbitsim.types.experiment import Data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TIE = 1.01
_DEEP = 4.0
_TITLES = {"idealised": "idealised: downlink always open", "real": "real contacts, 50 deg of elevation"}
_NONE = COLORS["pale"].light
_ONBOARD = COLORS["sky"].light


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
    for row, key in enumerate(keys):
        for axes, twin in zip(panels[row], ("idealised", "real"), strict=True):
            _panel(axes, data[twin], key)
            heading = f"{_TITLES[twin]}\n" if row == 0 else ""
            axes.set_title(heading + _words(key))
            if row == len(keys) - 1:
                axes.set_xlabel("rate from satellite to ground [bit/s]")
    handles = [Patch(color=scheme_style(scheme).color.light, label=f"{scheme} is fastest") for scheme in SCHEMES]
    handles.append(Patch(color=_ONBOARD, label="collaborative and single-satellite within 1 %"))
    handles.append(Patch(color=_NONE, label="all within 1 %"))
    figure.legend(handles=handles, loc="outside upper center", ncols=5, fontsize=7.5)
    figure.supxlabel(
        "Numbers: how many times as long the next scheme takes. With real contacts the mean over all tasks of a day, "
        "those "
        "never delivered counted up to its end.",
        fontsize=7.5,
        color=MUTED,
    )
    return figure


def _words(key: str) -> str:
    return "by model, 1080p" if key == "models" else f"by resolution, {key.rsplit(maxsplit=1)[-1]}"


def _edges(rates_bps: Sequence[float]) -> list[float]:
    """Return the borders of the cells on the logarithmic axis."""
    logs = [math.log10(rate) for rate in rates_bps]
    half = 0.5 * (logs[-1] - logs[0]) / max(len(logs) - 1, 1)
    return [10 ** (logs[0] - half), *(10 ** (log + half) for log in logs)]


def _panel(axes: Axes, twin: Mapping[str, Any], key: str) -> None:
    panel, rates = twin["panels"][key], twin["rates_bps"]
    edges = _edges(rates)
    every = max(1, round((len(rates) - 1) / 12))
    for row in range(len(panel["rows"])):
        for column in range(len(rates)):
            order = sorted(
                (panel["delay_s"][scheme][row][column], scheme)
                for scheme in SCHEMES
                if panel["delay_s"][scheme][row][column] is not None
            )
            color, margin = _cell(order)
            axes.fill_between(
                edges[column : column + 2], row - 0.5, row + 0.5, facecolor=color, edgecolor="none", linewidth=0.0
            )
            if column % every == every // 2 and _TIE <= margin < math.inf:
                text = f"{margin:.3g}" if margin < 9.95 else f"{margin:,.0f}"
                ink = "#ffffff" if _depth(margin) > 0.62 and not _is_tie(order) else INK
                axes.text(rates[column], row, text, ha="center", va="center", fontsize=6.5, color=ink, clip_on=True)
    for row in range(1, len(panel["rows"])):
        axes.axhline(row - 0.5, color="#ffffff", linewidth=1.0)
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(-0.5, len(panel["rows"]) - 0.5)
    axes.set_yticks(range(len(panel["rows"])), panel["rows"])
    axes.grid(False)


def _cell(order: Sequence[tuple[float, str]]) -> tuple[tuple[float, float, float] | str, float]:
    """Return the colour of a cell and the margin that it stands for.

    Parameters
    ----------
    order : sequence of (float, str)
        Delay and name of the schemes that run, the fastest first. [s]
    """
    if not order:
        return _NONE, 1.0
    margins = [delay_s / order[0][0] for delay_s, _ in order[1:]] or [math.inf]
    if margins[0] >= _TIE:
        return _shade(scheme_style(order[0][1]).color.light, margins[0]), margins[0]
    if len(margins) > 1 and margins[1] >= _TIE and "ground-only" not in {order[0][1], order[1][1]}:
        return _shade(_ONBOARD, margins[1]), margins[1]
    return _NONE, 1.0


def _is_tie(order: Sequence[tuple[float, str]]) -> bool:
    """Return whether the two fastest schemes are within a percent."""
    return len(order) > 1 and order[1][0] < _TIE * order[0][0]


def _depth(margin: float) -> float:
    """Return how deep a margin is drawn: a quarter at the least, full from four times on."""
    return 0.35 + 0.65 * min(math.log(max(margin, 1.0)) / math.log(_DEEP), 1.0)


def _shade(color: str, margin: float) -> tuple[float, float, float]:
    """Mix a colour with paper by the margin."""
    depth = _depth(margin)
    parts = [int(color[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
    red, green, blue = (1.0 - depth * (1.0 - part) for part in parts)
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
