"""Make published-orin-agx-vit.parquet: times of ViT blocks on a Jetson AGX Orin, as branes-ai/graphs measured them.

    git clone https://github.com/branes-ai/graphs && git -C graphs checkout b6c5e829
    python traces/publish_orin_agx.py graphs/calibration_data/jetson_orin_agx_*/measurements/fp*/vit_[bl]_16_b1.json

The figures are read and added up by block with the importers of `orbitsim trace import`; this adds the citation, and a
confidence that differs between profiles.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from orbitsim.types.profile import BlockTiming
from orbitsim.workload.importers.assemble import Options, assemble, import_provenance
from orbitsim.workload.importers.facts import Facts
from orbitsim.workload.importers.registry import open_source, read_source
from orbitsim.workload.importers.rows import Marks
from orbitsim.workload.traces import write_trace

OUT = Path(__file__).with_name("published-orin-agx-vit.parquet")
CITATION = (
    "branes-ai/graphs (MIT, (c) 2025 branes.ai) at commit b6c5e829c33a1e62c1d4c98dfcb16c034bec8994,"
    " calibration_data/jetson_orin_agx_{mode}/measurements/{precision}/{model}_b1.json"
)
THEIR_NAMES = {"vit-b": "vit_b_16", "vit-l": "vit_l_16"}
MODES = ("15W", "30W", "50W", "MAXN")
# Slower in 50W than in 30W, which only a clock that had not ramped up, or the host, explains.
DOUBTED = {("50W", "vit-b", "fp16")}


def main() -> None:
    """Read the files and write the trace."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON of one model, power mode and precision")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()

    sources = [open_source(path) for path in arguments.files]
    read = [(source, read_source(source)) for source in sources]
    options = Options(facts=Facts(device="jetson-agx-orin"), marks=Marks(origin="published", citation="to be cited"))
    assembled = assemble(read, options)
    rows = sorted((_cited(row) for row in assembled.rows), key=_order)
    provenance = import_provenance(read, assembled, [Path(sys.argv[0]).name, "FILE..."])
    provenance["licence"] = "MIT, Copyright (c) 2025 branes.ai"
    write_trace(rows, arguments.out, provenance)
    print(f"{arguments.out}: {len(rows)} rows of {len(read)} files")


def _cited(row: BlockTiming) -> BlockTiming:
    doubted = (row.power_mode, row.model, row.precision) in DOUBTED
    citation = CITATION.format(mode=row.power_mode.lower(), precision=row.precision, model=THEIR_NAMES[row.model])
    return replace(row, citation=citation, confidence="low" if doubted else "medium")


def _order(row: BlockTiming) -> tuple[int, str, str]:
    """Order of profiles; the rows of one stay as they are."""
    return (MODES.index(row.power_mode), row.precision, row.model)


if __name__ == "__main__":
    main()
