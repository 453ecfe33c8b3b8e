"""Put the tables of `orbitsim codec table --out DIR` into docs/codecs.md: python docs/insert_codec_results.py DIR."""

import csv
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("codecs.md")
BEGIN, END = "<!-- results: begin -->\n", "<!-- results: end -->"


def stages_table(path: Path) -> str:
    """Return the stages of compression at every cut, as in Fig. 8 of the main paper."""
    lines = ["| data set | method | cut after block | sparsified | + quantised | + entropy coded | mini-batches |"]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            ratios = " | ".join(f"{float(row[name]):.2f}x" for name in ("sparsified", "quantised", "coded"))
            span = f"{float(row['batch_least']):.2f} to {float(row['batch_most']):.2f}"
            lines.append(f"| {row['data']} | {row['method']} | {row['cut']} | {ratios} | {span} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Replace what stands between the marks of the page."""
    folder = Path(sys.argv[1])
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    methods = (folder / "methods.md").read_text(encoding="utf-8")
    stages = stages_table(folder / "cuts.csv")
    PAGE.write_text(f"{before}{BEGIN}{methods}\n{stages}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
