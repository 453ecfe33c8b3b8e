"""What Tables IV and V share: accuracy without a codec, with the trained mask and with Top-k, by model size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orbitsim.neural.reproduce.accuracy_rows import Comparison, compared, difference, measure_rows
from orbitsim.neural.reproduce.drawing import COLOURS, MARKERS, PAPER_COLOUR, legend_below, panels
from orbitsim.neural.reproduce.image_sets import image_sets, like_resisc45
from orbitsim.neural.reproduce.plan import CUTS, EPOCHS, IMAGES, MODELS, PAPER, TITLES, TOP_K, plan_of
from orbitsim.types.experiment import Agreement, Bench, Data, Experiment, Finding, Statement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("identity", "gumbel", "topk")
SIZES = ("ViT-Tiny", "ViT-Base", "ViT-Large")
ONE_POINT = 1.0
_KEYS = {"identity": "baseline_percent", "gumbel": "mask_percent", "topk": "topk_percent"}


@dataclass(frozen=True)
class PublishedTable:
    """A table of the paper.

    Attributes
    ----------
    name, number : str
        On the command line, and in the paper.
    data : str
        Its data set.
    accuracy : mapping of str to tuple of float
        By size: baseline, mask and Top-k. [%]
    most_loss : str
        What the text says Top-k loses most.
    """

    name: str
    number: str
    data: str
    accuracy: Mapping[str, tuple[float, float, float]]
    most_loss: str

    def loss_points(self, size: str, method: str) -> float:
        """Return what a method loses against the baseline, in points."""
        row = self.accuracy[size]
        return row[0] - row[COLUMNS.index(method)]


def accuracy_table(table: PublishedTable) -> Experiment:
    """Return the experiment of a table."""
    where = f"Table {table.number}, Section VI-B3"
    published = {
        f"{size.lower()}_{_KEYS[method]}": row[column]
        for size, row in table.accuracy.items()
        for column, method in enumerate(COLUMNS)
    }
    statements = (
        Statement("one point", where, "the mask stays within 1 % of the baseline at every model size", published),
        Statement("beats Top-k", where, "the mask is significantly more accurate than Top-k in all settings"),
        Statement("smallest suffers", where, f"Top-k loses most on the smallest model: {table.most_loss}"),
    )
    return Experiment(
        name=table.name,
        title=f"Table {table.number}: accuracy with and without codecs over model sizes ({table.data} in the paper)",
        source=PAPER,
        statements=statements,
        assumptions=(IMAGES, MODELS, CUTS, TOP_K, EPOCHS),
        settings=(
            f"orbitsim reproduce {table.name} --data FOLDER --cache DIR",
            "each size trained from random weights, then with each codec at four cuts (20 % kept, 8 bits), 3 seeds",
        ),
        measure=lambda bench: _measure(bench, table),
        judge=lambda data: _judge(data, statements),
        draw=lambda data: {table.name: _draw(data, table)},
        extra="neural",
    )


def _measure(bench: Bench, table: PublishedTable) -> dict[str, Any]:
    plan = plan_of(bench.small)
    sets = like_resisc45(image_sets(bench, plan.most_images), wanted=table.name == "table5")
    rows = measure_rows(bench, plan, sets, plan.models, COLUMNS)
    return {"rows": rows, "records": [comparison.record() for comparison in compared(rows)]}


def _judge(data: Data, statements: Sequence[Statement]) -> list[Finding]:
    found = compared(data["rows"])
    masks = [c for c in found if c.method == "gumbel"]
    tops = [c for c in found if c.method == "topk"]
    pairs = [(c, difference(data["rows"], c.data, c.model, "gumbel", "topk").loss) for c in masks]
    one, better, smallest = (statement.name for statement in statements)
    within = [_points(c) <= ONE_POINT for c in masks]
    ahead = [gain.low > 0.0 for _, gain in pairs]
    suffers = [_smallest_suffers([c for c in tops if c.data == name]) for name in _names(found)]
    return [
        Finding(
            one,
            {name: "; ".join(_loss_words(c) for c in masks if c.data == name) for name in _names(found)},
            _share(within),
            "" if all(within) else _ratios(masks),
        ),
        Finding(
            better,
            {
                name: "; ".join(
                    f"{c.model} {100 * gain.estimate:+.2f} ({100 * gain.low:+.2f} to {100 * gain.high:+.2f}) points"
                    for c, gain in pairs
                    if c.data == name
                )
                for name in _names(found)
            },
            _share(ahead),
            "" if all(ahead) else "mask less Top-k, both trained as long; intervals 95 %, paired over held-out images",
        ),
        Finding(
            smallest,
            {name: "; ".join(_loss_words(c) for c in tops if c.data == name) for name in _names(found)},
            _share(suffers),
            ""
            if all(suffers)
            else "by the means; the intervals of the sizes overlap, so their order cannot be told"
            if any(_overlap([c for c in tops if c.data == name]) for name in _names(found))
            else "another size loses more",
        ),
    ]


def _points(comparison: Comparison) -> float:
    assert comparison.loss is not None  # noqa: S101 (only the baseline has none)
    return 100.0 * comparison.loss.loss.estimate


def _loss_words(comparison: Comparison) -> str:
    assert comparison.loss is not None  # noqa: S101 (only the baseline has none)
    loss = comparison.loss.loss
    return f"{comparison.model} loses {100 * loss.estimate:.2f} ({100 * loss.low:.2f} to {100 * loss.high:.2f}) points"


def _ratios(masks: Sequence[Comparison]) -> str:
    ratios = [c.ratio_fp32 for c in masks if c.ratio_fp32 is not None]
    return (
        f"four cuts at once at {min(ratios):.1f} to {max(ratios):.1f}x in real bytes, on models of at most "
        "96 channels trained from random weights"
    )


def _smallest_suffers(tops: Sequence[Comparison]) -> bool:
    losses = [_points(c) for c in tops]
    return all(losses[0] > each for each in losses[1:])


def _overlap(tops: Sequence[Comparison]) -> bool:
    """Return whether the interval of the smallest model meets that of another."""
    losses = [c.loss.loss for c in tops if c.loss is not None]
    return any(losses[0].low <= each.high and each.low <= losses[0].high for each in losses[1:])


def _names(found: Sequence[Comparison]) -> list[str]:
    return list(dict.fromkeys(c.data for c in found))


def _share(checks: Sequence[bool]) -> Agreement:
    return "yes" if all(checks) else "partly" if any(checks) else "no"


def _draw(data: Data, table: PublishedTable) -> Figure:
    found = compared(data["rows"])
    names = _names(found)
    figure, axes = panels([t for name in names for t in (f"{name}: accuracy", f"{name}: loss")], share_y=False)
    for number, name in enumerate(names):
        levels, losses = axes[2 * number], axes[2 * number + 1]
        models = list(dict.fromkeys(c.model for c in found if c.data == name))
        for column, method in enumerate(COLUMNS):
            chosen = [c for c in found if (c.data, c.method) == (name, method)]
            x = [i + 0.2 * (column - 1) for i in range(len(models))]
            style = {"color": COLOURS[method], "fmt": MARKERS[method], "capsize": 2.5, "label": TITLES[method]}
            levels.errorbar(
                x, *_bars([(c.accuracy.estimate, c.accuracy.low, c.accuracy.high) for c in chosen]), **style
            )
            paired = [c.loss.loss for c in chosen if c.loss is not None]
            if paired:
                losses.errorbar(x, *_bars([(p.estimate, p.low, p.high) for p in paired]), **style)
                stated = [table.loss_points(size, method) for size in SIZES[: len(models)]]
                fill = PAPER_COLOUR if method == "gumbel" else "white"
                label = f"the paper, {TITLES[method]} ({table.data})"
                losses.plot(x, stated, "*", color=PAPER_COLOUR, markerfacecolor=fill, label=label)
        losses.axhline(0.0, color="#aaaaaa", linewidth=0.8)
        losses.axhline(ONE_POINT, color="#aaaaaa", linewidth=0.8, linestyle=":")
        for one in (levels, losses):
            one.set_xticks(range(len(models)), models)
            one.set_xlim(-0.5, len(models) - 0.5)
        levels.set_ylabel("held-out accuracy [%], 95 %")
        losses.set_ylabel("loss against no codec [points], 95 %")
    legend_below(figure, *axes[:2])
    return figure


def _bars(values: Sequence[tuple[float, float, float]]) -> tuple[list[float], list[list[float]]]:
    """Return centres and distances to both ends, in percent, as matplotlib's error bars take them."""
    return (
        [100.0 * v for v, _, _ in values],
        [[100.0 * (v - low) for v, low, _ in values], [100.0 * (high - v) for v, _, high in values]],
    )
