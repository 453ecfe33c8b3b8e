"""How busy processors and links are, slot by slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orbitsim.report.charts.utilisation import SlotCounter
from orbitsim.report.data import RunData
from orbitsim.report.figures.style import bare, new_figure, time_axis, time_unit
from orbitsim.report.palette import HEAT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_PLACES = 16  # of a scheme: the busiest
_SCALES_PCT = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)  # ends of the scale; 100 where a place is busier
_FAINTEST = 0.01  # of the scale: what never reaches it could not be told from nothing


def utilisation(run: RunData, counter: SlotCounter | None) -> Figure | None:
    """Draw which share of each slot a place is in service, a panel for each scheme; nothing without mini-batches."""
    if counter is None or not counter.busy:
        return None
    from matplotlib.colors import LinearSegmentedColormap

    colors = LinearSegmentedColormap.from_list("from-nothing-to-most", [color.light for color in HEAT])
    most_pct = max(
        100.0 * float(busy.max()) / counter.slot_s for each in counter.busy.values() for busy in each.values()
    )
    top_pct = next((top for top in _SCALES_PCT if most_pct <= top), 100.0)
    least_s = _FAINTEST * top_pct / 100.0 * counter.slot_s
    chosen = {scheme: _busiest(counter.busy[scheme], least_s) for scheme in run.schemes if scheme in counter.busy}
    heights = [len(places) for places in chosen.values()]
    figure, panels = new_figure(
        len(chosen), 1, height_in=0.9 + 0.17 * sum(heights) + 0.35 * len(heights), sharex=True, height_ratios=heights
    )
    unit_s, _ = time_unit(run.span_s)
    edges = np.arange(counter.n_slots + 1) * counter.slot_s / unit_s
    for axes, (scheme, places) in zip(panels, chosen.items(), strict=True):
        share_pct = 100.0 * np.array([counter.busy[scheme][place] for place in places]) / counter.slot_s
        image = axes.pcolormesh(edges, np.arange(len(places) + 1) - 0.5, share_pct, cmap=colors, vmin=0.0, vmax=top_pct)
        image.set_rasterized(True)
        axes.set_yticks(range(len(places)), places, fontsize=7.0)
        axes.invert_yaxis()
        axes.grid(visible=False)
        bare(axes)
        n_more = len(counter.busy[scheme]) - len(places)
        axes.set_title(f"{scheme}" + (f" ({n_more} places that are less busy are left out)" if n_more else ""))
    time_axis(panels[-1], run.span_s)
    figure.colorbar(image, ax=panels, label=f"busy [% of each {counter.slot_s:g} s]", fraction=0.03, pad=0.01)
    figure.suptitle(f"{run.name}: processors and links in service", fontsize=9.5, x=0.01, ha="left")
    return figure


def _busiest(busy: dict[str, np.typing.NDArray[np.float64]], least_s: float) -> list[str]:
    """Return the busiest places that reach a busy time in some slot: processors first, then links, in order of name."""
    most = sorted(busy, key=lambda place: (-float(busy[place].sum()), place))[:_MOST_PLACES]
    kept = [place for place in most if float(busy[place].max()) >= least_s] or most[:1]
    return sorted(kept, key=lambda place: (">" in place, place))
