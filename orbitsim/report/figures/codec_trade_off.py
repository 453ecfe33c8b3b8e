"""What codecs keep over how much they compress: loss of accuracy and feature error over the ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10, nan
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from orbitsim.errors import InputError, Problem
from orbitsim.report.figures.style import FORMATS, new_figure, require_matplotlib, save, style
from orbitsim.report.palette import COLORS, sequence_name
from orbitsim.results.files import check_place, whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

_MARKERS = "Dos^vPX<>"
_LINEAR_POINTS = 2.0  # of loss, up to which the axis is linear: most codecs worth having lie there
_LEAST_ERROR = 1e-7  # of the features' variance; below it is the rounding of a codec without loss
_TITLE_CHARACTERS = 84  # that stand side by side over all columns
_STEPS = (1.0, 2.0, 3.0, 5.0)


def codec_trade_off(methods: Sequence[Record]) -> Figure:
    """Draw what codecs keep over how much they compress.

    Parameters
    ----------
    methods : sequence of mapping
        Records of methods as `orbitsim codec table` writes them (``methods`` in ``tables.json``): ratio to fp32 of all
        cuts together, feature error, paired loss with its 95 % interval. Settings of one method are joined by a line.

    Returns
    -------
    matplotlib.figure.Figure
        A column for each data set: paired loss above, feature error below.
    """
    names = list(dict.fromkeys(str(r["data"]) for r in methods))
    families = list(dict.fromkeys(_family(r) for r in methods))
    figure, axes = new_figure(2, len(names), height_in=4.9, sharex=True, sharey="row")
    _scales(axes[0], axes[len(names)], methods)  # first, so that margins are those of the scale
    for column, name in enumerate(names):
        above, below = axes[column], axes[len(names) + column]
        for index, family in enumerate(families):
            mine = sorted(
                (r for r in methods if (r["data"], _family(r)) == (name, family)), key=lambda r: r["ratio_fp32"]
            )
            look: dict[str, Any] = {
                "color": COLORS[sequence_name(index)].light,
                "marker": _MARKERS[index % len(_MARKERS)],
                "markersize": 4.5,
                "label": family,
            }
            ratio = [r["ratio_fp32"] for r in mine]
            loss = [r["loss_points"] for r in mine]
            reach = [
                [r["loss_points"] - r["loss_low"] for r in mine],
                [r["loss_high"] - r["loss_points"] for r in mine],
            ]
            above.errorbar(ratio, loss, yerr=reach, capsize=2.0, elinewidth=0.8, **look)
            # A codec that loses nothing has no place on this axis; what is left then is rounding.
            below.plot(ratio, [e if (e := r["token_error"]) >= _LEAST_ERROR else nan for r in mine], **look)
        above.axhline(0.0, color=COLORS["axis"].light, linewidth=0.8, zorder=0)
        above.set_title(fill(name, _TITLE_CHARACTERS // len(names)))
        below.set_xlabel("ratio to fp32, all cuts together")
    axes[0].set_ylabel("paired loss [points], 95 %")
    axes[len(names)].set_ylabel("error of the final features\n[of their variance]")
    handles = {label: h for one in axes for h, label in zip(*one.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=min(len(handles), 4))
    return figure


def _family(record: Record) -> str:
    """Return the method without its setting, for settings of one method make one line; trained codecs by name."""
    name = str(record["method"] if record.get("kind", "trained") == "trained" else record["kind"])
    marked = f"{name} ({record['leak']})" if record.get("leak") else name
    return f" {marked}" if marked.startswith("_") else marked  # matplotlib leaves names with an underscore out


def _scales(above: Any, below: Any, methods: Sequence[Record]) -> None:
    """Choose scales and put plain numbers on them: axes of these kinds come with powers of ten alone, or with none."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    if max(r["loss_high"] for r in methods) > 2.0 * _LINEAR_POINTS:
        above.set_yscale("symlog", linthresh=_LINEAR_POINTS)
        above.yaxis.set_major_locator(FixedLocator([-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50, 100]))
    low, high = (each(r["ratio_fp32"] for r in methods) for each in (min, max))
    # Half a step more than the data on either side, so that a single ratio is not left without a number.
    ends = 0.85 * low, 1.18 * high
    below.set_xscale("log")
    below.set_xlim(*ends)
    below.xaxis.set_major_locator(FixedLocator(_numbers_between(*ends)))
    errors = [r["token_error"] for r in methods if r["token_error"] >= _LEAST_ERROR]
    if errors:
        below.set_yscale("log")
        below.set_ylim(min(errors) / 1.5, max(errors) * 1.5)
        decades = log10(max(errors) / min(errors))
        below.yaxis.set_major_locator(LogLocator(subs=(1.0,) if decades > 4 else (1.0, 3.0) if decades > 1 else _STEPS))
    for axis in (above.yaxis, below.xaxis, below.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(plain)


def _numbers_between(low: float, high: float) -> list[float]:
    """Return round numbers for a logarithmic axis: few where it is long, and never fewer than two."""
    powers = range(-3, 7)
    for steps in ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)):
        found = [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
        if len(found) >= 4:
            return found
    from matplotlib.ticker import MaxNLocator

    return [v for v in map(float, MaxNLocator(5).tick_values(low, high)) if low <= v <= high]


def check_figure(path: Path) -> None:
    """Raise unless a figure can be written under this name, so that nobody measures for hours before hearing of it.

    Raises
    ------
    InputError
        When matplotlib is not installed, the name ends in no format of figures, or its place cannot be written.
    """
    require_matplotlib()
    if path.suffix[1:] not in FORMATS:
        known = ", ".join(f".{each}" for each in FORMATS)
        raise InputError(Problem("--figure", f"expected a name that ends in one of {known}, got {path.name}"))
    check_place(path.parent, "--figure", path.name)
    if path.is_dir():
        raise InputError(Problem("--figure", "expected a file, found a folder", str(path)))


def write_codec_trade_off(methods: Sequence[Record], path: Path) -> None:
    """Draw `codec_trade_off` and save it; a figure that is there is replaced once the new one is whole.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with style():
        figure = codec_trade_off(methods)
        with whole_file(path, force=True) as work:
            save(figure, work, path.suffix)
