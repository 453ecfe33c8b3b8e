"""What codecs keep over how much they compress: loss of accuracy and feature error over the ratio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orbitsim.errors import InputError, Problem
from orbitsim.report.figures.style import FORMATS, logarithmic, new_figure, require_matplotlib, save, style
from orbitsim.report.palette import COLORS, sequence_name
from orbitsim.results.files import check_place, whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

_MARKERS = "Dos^vPX<>"
_LINEAR_POINTS = 2.0  # of loss, up to which the axis is linear: most codecs worth having lie there


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
            below.plot(ratio, [r["token_error"] for r in mine], **look)
        above.axhline(0.0, color=COLORS["axis"].light, linewidth=0.8, zorder=0)
        above.set_title(name)
        above.set_yscale("symlog", linthresh=_LINEAR_POINTS)
        if any(r["token_error"] > 0 for r in methods):  # a codec that loses nothing has no place on this axis
            below.set_yscale("log", nonpositive="mask")
        logarithmic(below)
        below.set_xlabel("ratio to fp32, all cuts together")
    _plain_ticks(axes[0], axes[len(names)], methods)
    axes[0].set_ylabel("paired loss [points], 95 %")
    axes[len(names)].set_ylabel("error of the final features\n[of their variance]")
    handles = {label: h for one in axes for h, label in zip(*one.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=min(len(handles), 4))
    return figure


def _family(record: Record) -> str:
    """Return the method without its setting, for settings of one method make one line; trained codecs by name."""
    return str(record["method"]) if record["kind"] == "trained" else str(record["kind"])


def _plain_ticks(above: Any, below: Any, methods: Sequence[Record]) -> None:
    """Put plain numbers where readers look for them: axes of these kinds come with powers of ten alone."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    plain = FuncFormatter(lambda value, _: f"{value:g}")
    above.yaxis.set_major_locator(FixedLocator([-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50, 100]))
    low, high = (each(r["ratio_fp32"] for r in methods) for each in (min, max))
    steps = (1, 1.5, 2, 3, 4, 6, 8) if high < 6 * low else (1, 2, 5)
    below.xaxis.set_major_locator(FixedLocator([s * 10**p for p in range(4) for s in steps]))
    # Half a step more than the data on either side, so that a single ratio is not left without a number.
    below.set_xlim(0.85 * low, 1.18 * high)
    if below.get_yscale() == "log":
        below.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    for axis in (above.yaxis, below.xaxis, below.yaxis):
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(plain)


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
