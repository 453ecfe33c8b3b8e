"""Write docs/reproduction.md and its pictures from the folder of a finished reproduction; nothing is measured again.

Usage: ``orbitsim reproduce all --out runs/reproduction``, then ``python docs/make_reproduction.py runs/reproduction``.
Several folders are joined, in the order of the registry: an experiment in a later one replaces that of an earlier one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from orbitsim.errors import OrbitsimError
from orbitsim.reproduce.document import write_table
from orbitsim.reproduce.figures import draw_figures
from orbitsim.reproduce.redo import judged_again, read_results
from orbitsim.reproduce.registry import EXPERIMENTS

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "images" / "reproduction"


def main(folders: list[Path]) -> None:
    """Join the results of the folders, judge and draw them, and put page and pictures into place."""
    documents = [read_results(folder) for folder in folders]
    joined = documents[0] | {
        "experiments": {
            name: item
            for name in EXPERIMENTS
            for item in [next((d["experiments"][name] for d in reversed(documents) if name in d["experiments"]), None)]
            if item is not None
        },
        "notes": [note for document in documents for note in document["notes"]],
    }
    document, drawable = judged_again(joined)
    with tempfile.TemporaryDirectory() as scratch:
        PICTURES.mkdir(parents=True, exist_ok=True)
        for experiment, data in drawable:
            for path in draw_figures(experiment, data, Path(scratch)):
                if path.suffix == ".png":
                    shutil.copyfile(path, PICTURES / path.name)
        drawn = {experiment.name for experiment, _ in drawable}
        for folder, found in zip(folders, documents, strict=True):
            for name, item in found["experiments"].items():
                for stem in item["figures"] if name not in drawn else ():
                    shutil.copyfile(folder / "figures" / f"{stem}.png", PICTURES / f"{stem}.png")
        page = Path(scratch) / "reproduction.md"
        write_table(page, document, figures="images/reproduction")
        shutil.copyfile(page, DOCS / "reproduction.md")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        main([Path(argument) for argument in sys.argv[1:]])
    except OrbitsimError as error:
        sys.exit(f"error: {error}")
