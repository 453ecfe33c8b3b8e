"""Put results into docs/codecs.md: python docs/insert_codec_results.py DIR [DIR...].

DIRs of `orbitsim codec table --out DIR` give a picture and the tables of methods, one for each model, kept as CSV with
a JSON file beside it that says where they come from; one of `orbitsim reproduce ... --out DIR` the figures and tables
of the paper, whose results are also kept in traces/codec/results (what was measured image by image is left out) and
whose pictures go to docs/images.
"""

import csv
import json
import shutil
import sys
import tempfile
from pathlib import Path

from orbitsim.neural.evaluation.table import marked_method
from orbitsim.report.figures.codec_trade_off import write_codec_trade_off
from orbitsim.reproduce.figures import draw_figures
from orbitsim.reproduce.redo import judged_again, read_results

DOCS = Path(__file__).parent
PAGE = DOCS / "codecs.md"
IMAGES = DOCS / "images"
KEPT = DOCS.parent / "traces" / "codec" / "results"
EXPERIMENTS = ("fig8", "fig9", "fig10", "table4", "table5")


def stages_table(path: Path) -> str:
    """Return the stages of compression, as in Fig. 8 of the main paper: methods in lines, cuts in columns."""
    cells: dict[tuple[str, str, str], dict[int, str]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            stages = (f"{float(row[name]):.3g}" for name in ("sparsified", "quantised", "coded"))
            group = (row["data"], marked_method(row), row["kind"])
            cells.setdefault(group, {})[int(row["cut"])] = " / ".join(stages) + "x"
    cuts = sorted({cut for line in cells.values() for cut in line})
    lines = ["| data set | method | " + " | ".join(f"after block {cut}" for cut in cuts) + " |"]
    lines.append("| --- " * (2 + len(cuts)) + "|")
    for (data, method, _), line in cells.items():
        lines.append(f"| {data} | {method} | " + " | ".join(line.get(cut, "") for cut in cuts) + " |")
    return "\n".join(lines) + "\n"


def keep(name: str, result: dict, document: dict) -> None:
    """Keep an experiment's results: its records as CSV, everything but single images as JSON."""
    KEPT.mkdir(parents=True, exist_ok=True)
    data = {key: value for key, value in result["data"].items() if key != "rows"}
    seeds = sorted({row["seed"] for row in result["data"]["rows"]})
    about = {"name": name, **{k: v for k, v in result.items() if k != "data"}, "seeds": seeds, **data}
    about["provenance"] = without_folders(document["provenance"])
    (KEPT / f"{name}.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with (KEPT / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(data["records"][0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(data["records"])


def without_folders(value: object) -> object:
    """Return plain data in which absolute paths are names: whose machine it was tells nobody anything."""
    if isinstance(value, dict):
        return {key: without_folders(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_folders(each) for each in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


def section(name: str, result: dict) -> str:
    """Return an experiment's statements beside ours, its picture, and where its numbers are."""
    lines = [f"### {result['title']}", ""]
    lines += [f"![{result['title']}](images/codec-{stem}.png)" for stem in result["figures"]]
    lines += ["", "| the paper states | ours | agrees |", "| --- | --- | --- |"]
    for statement, finding in zip(result["statements"], result["findings"], strict=True):
        ours = "<br>".join(f"{words} ({condition})" for condition, words in finding["ours"].items())
        reason = f": {finding['reason']}" if finding["reason"] else ""
        lines.append(f"| {statement['claim']} | {ours} | {finding['agrees']}{reason} |")
    lines += ["", f"Numbers: `traces/codec/results/{name}.csv`; assumptions and seeds: `{name}.json` there.", ""]
    return "\n".join(lines)


def methods_section(folder: Path) -> str:
    """Return picture and table of the methods of a model, and its stages; keep both tables as CSV."""
    if not (folder / "about.json").is_file():
        sys.exit(f"{folder}: about.json is missing; `orbitsim codec table --stored-only` writes it")
    with (folder / "methods.csv").open(newline="", encoding="utf-8") as file:
        models = sorted({row["model"] for row in csv.DictReader(file)})
    KEPT.mkdir(parents=True, exist_ok=True)
    stem = f"table-{models[0]}"
    for name in ("methods", "cuts"):
        shutil.copyfile(folder / f"{name}.csv", KEPT / f"{stem}-{name}.csv")
    kept = [f"{stem}-{name}.csv" for name in ("methods", "cuts")]
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    text = json.dumps({"files": kept, **about}, indent=1, ensure_ascii=False)
    (KEPT / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    heading = f"### {' and '.join(f'`{model}`' for model in models)}, four codecs at once"
    methods = (folder / "methods.md").read_text(encoding="utf-8")
    files = f"Numbers: `traces/codec/results/{stem}-methods.csv`, and by cut `{stem}-cuts.csv`; seeds, versions, dates "
    files += f"and trainings: `{stem}.json` there."
    stages = stages_table(folder / "cuts.csv")
    words = "Bytes after each stage (sparsified / quantised / entropy coded), as ratios to fp32, cut by cut; how far\n"
    words += "mini-batches are apart is in the CSV:"
    records = json.loads((folder / "tables.json").read_text(encoding="utf-8"))["methods"]
    picture = f"codec-trade-off-{models[0]}.png"
    write_codec_trade_off(records, IMAGES / picture)
    shown = f"![Loss and feature error over the ratio, {models[0]}](images/{picture})"
    return f"{heading}\n\n{shown}\n\n{methods}\n{files}\n\n{words}\n\n{stages}"


def replaced(text: str, mark: str, content: str) -> str:
    """Return a page with what stands between two marks replaced."""
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->"
    before, found, rest = text.partition(begin)
    _, also_found, after = rest.partition(end)
    if not (found and also_found):
        sys.exit(f"{PAGE}: the marks of {mark!r} are missing")
    return f"{before}{begin}{content}{end}{after}"


def with_reproduction(text: str, folder: Path) -> str:
    """Return the page with the experiments of a reproduction, and keep their results and pictures."""
    document, drawable = judged_again(read_results(folder))
    if document["small"]:
        sys.exit(f"{folder}: a reduced run, whose figures are not for print")
    for name in EXPERIMENTS:
        if name in document["experiments"]:
            keep(name, document["experiments"][name], document)
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for experiment, data in drawable:
            for path in draw_figures(experiment, data, Path(scratch)):
                if experiment.name in EXPERIMENTS and path.suffix == ".png":
                    shutil.copyfile(path, IMAGES / f"codec-{path.name}")
    kept = {name: KEPT / f"{name}.json" for name in EXPERIMENTS if (KEPT / f"{name}.json").is_file()}
    parts = [section(name, json.loads(path.read_text(encoding="utf-8"))) for name, path in kept.items()]
    return replaced(text, "figures", "\n".join(parts))


def main() -> None:
    """Replace what stands between the marks of the page."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    text = PAGE.read_text(encoding="utf-8")
    tables = []
    for folder in map(Path, sys.argv[1:]):
        if (folder / "results.json").is_file():
            text = with_reproduction(text, folder)
        else:
            tables.append(methods_section(folder))
    if tables:
        text = replaced(text, "results", "\n".join(tables))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
