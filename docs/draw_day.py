"""Draw the README's picture from a run folder: tasks delivered over the day, scheme by scheme, and the contacts.

Usage: ``python docs/draw_day.py runs/main/leo12-vitg docs/images/day.png`` (needs the extra ``report``).
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

mpl.use("Agg")
from matplotlib import pyplot as plt

# Okabe and Ito's colours, told apart with any colour vision; line styles say the same without colour.
STYLES = {
    "collaborative": ("#0072B2", "-"),
    "hybrid": ("#D55E00", "--"),
    "ground-only": ("#009E73", "-."),
    "single-satellite": ("#CC79A7", ":"),
}


def main(run: Path, picture: Path) -> None:
    """Draw the picture of a run."""
    tasks = pd.read_parquet(run / "tasks.parquet")
    contacts = pd.read_parquet(run / "contacts.parquet")
    contacts = contacts[contacts["kind"] == "station"]
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(8.4, 4.2), sharex=True, height_ratios=(4, 1), layout="constrained", dpi=160
    )
    started = np.sort(tasks.drop_duplicates("task")["start_s"].to_numpy()) / 3600
    above.step(started, np.arange(1, len(started) + 1), where="post", color="0.6", label="tasks started")
    for scheme, rows in tasks[tasks["status"] == "delivered"].groupby("scheme", observed=True, sort=False):
        ends = np.sort(rows["end_s"].to_numpy()) / 3600
        color, line = STYLES.get(str(scheme), ("black", "-"))
        label = f"{scheme}: {len(ends)} delivered, mean wait and work {rows['delay_s'].mean() / 3600:.1f} h"
        above.step(np.append(0, ends), np.arange(len(ends) + 1), where="post", color=color, linestyle=line, label=label)
    above.set_ylabel("tasks")
    above.set_title("A day of twelve satellites and one ground station (leo12-vitg)", loc="left")
    above.legend(loc="upper left", frameon=False, fontsize=8)
    for row in contacts.itertuples():
        below.axvspan(row.start_s / 3600, row.end_s / 3600, color="#56B4E9")
    below.set_yticks([])
    below.set_ylabel("contacts")
    below.set_xlabel("time since the start of the scenario [h]")
    below.set_xlim(0, 24)
    below.set_xticks(range(0, 25, 3))
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
