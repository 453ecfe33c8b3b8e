"""The tables of a reproduction as Markdown: statements beside ours, assumptions, and what each of them does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orbitsim.results.wording import share


def write_table(path: Path, document: Mapping[str, Any], figures: str = "figures") -> None:
    """Write the document of a reproduction.

    Parameters
    ----------
    path : Path
        The Markdown file.
    document : mapping
        What ``results.json`` holds.
    figures : str
        Where the figures lie, relative to the file.
    """
    path.write_text("\n".join(_lines(document, figures)) + "\n", encoding="utf-8")


def _lines(document: Mapping[str, Any], figures: str) -> Iterable[str]:
    made = document["provenance"]
    yield "# The published figures beside ours"
    yield ""
    if document["small"]:
        yield "**A reduced run (`--small`): it shows that everything works; its figures mean nothing.**"
        yield ""
    yield (
        f"Made by orbitsim {made['version']} with `orbitsim reproduce {' '.join(document['experiments'])}`. What is "
        "compared: "
        "arXiv:2604.04654v1, *Communication-Efficient Collaborative LLM Inference over LEO Satellite Networks*. No "
        "parameter is tuned: each comes from the paper or from a cited figure, and what the paper leaves open is "
        "listed "
        "with its effect."
    )
    yield ""
    yield (
        "*Idealised*: the paper's simplification (the downlink of the last satellite always open, every task alone), "
        "one "
        "task simulated and the same in closed form. *Real contacts*: a simulated day with 144 tasks and a station "
        "that is "
        "seen above 50 deg of elevation; delays are means over all tasks, those never delivered counted up to the "
        "end of "
        "the day (a lower bound), so that schemes that deliver different tasks can be compared."
    )
    yield ""
    yield (
        "Made again with `orbitsim reproduce all --out runs/reproduction --workers 2`; an interrupted run goes on with "
        "`--resume`. The figures on accuracy are left out, with a note, unless `--data FOLDER` (once or more) names "
        "images. All of it took 5 minutes of processor time where `--cache DIR` held the trained models; to train them "
        "takes about an hour more. `python docs/make_reproduction.py runs/reproduction` writes this page from the "
        "finished folder."
    )
    yield ""
    for note in document["notes"]:
        yield f"- {_cell(note)}"
    yield ""
    yield "## At a glance"
    yield ""
    yield from _table(("", "statement", "where", "agrees"), _glance(document["experiments"]))
    for name, result in document["experiments"].items():
        yield from _experiment(name, result, figures)


def _glance(experiments: Mapping[str, Any]) -> Iterable[Sequence[str]]:
    for name, result in experiments.items():
        for statement, finding in zip(result["statements"], result["findings"], strict=True):
            yield (f"[{name}](#{_anchor(name, result)})", statement["claim"], statement["where"], finding["agrees"])


def _anchor(name: str, result: Mapping[str, Any]) -> str:
    """Return the anchor that Markdown gives the heading of an experiment."""
    heading = f"{name}: {result['title']}".lower()
    return "".join(c if c.isalnum() or c in "-_" else "-" if c == " " else "" for c in heading)


def _experiment(name: str, result: Mapping[str, Any], figures: str) -> Iterable[str]:
    yield ""
    yield f"## {name}: {result['title']}"
    for stem in result["figures"]:
        yield ""
        yield f"![{_cell(result['title'])}]({figures}/{stem}.png)"
    if result.get("caption"):
        yield ""
        yield _cell(result["caption"])
    findings = list(zip(result["statements"], result["findings"], strict=True))
    conditions = list(dict.fromkeys(key for _, finding in findings for key in finding["ours"]))
    yield ""
    yield from _table(
        ("the paper states", *(f"ours, {condition}" for condition in conditions), "agrees"),
        (
            (
                f"{statement['claim']} ({statement['where']})",
                *(finding["ours"].get(condition, "") for condition in conditions),
                finding["agrees"],
            )
            for statement, finding in findings
        ),
    )
    for heading, agreeing in (("Why not, statement by statement:", False), ("On statements that agree:", True)):
        reasons = [
            (statement["name"], finding["reason"])
            for statement, finding in findings
            if finding["reason"] and (finding["agrees"] == "yes") is agreeing
        ]
        if reasons:
            yield ""
            yield heading
            yield ""
            for statement_name, reason in reasons:
                yield f"- *{_cell(statement_name)}*: {_cell(reason)}"
    if result["settings"]:
        yield ""
        yield "How it is set up:"
        yield ""
        for line in result["settings"]:
            yield f"- `{line}`" if line.startswith(("leo", "orbitsim")) else f"- {line}"
    yield from _basis(result["data"])
    if result["assumptions"]:
        yield ""
        yield "What had to be assumed:"
        yield ""
        yield from _table(
            ("", "taken", "because"),
            ((each["name"], each["taken"], each["because"]) for each in result["assumptions"]),
        )
    if result["effects"]:
        yield ""
        yield "What each assumption does (idealised twin unless stated):"
        yield ""
        yield from _table(
            ("assumption", "taken instead", "measure", "as assumed", "instead", ""),
            (
                (
                    each["assumption"],
                    each["variant"],
                    each["measure"],
                    _figure(each["base"]),
                    _figure(each["value"]),
                    each["note"],
                )
                for each in result["effects"]
            ),
        )


def _basis(data: Mapping[str, Any]) -> Iterable[str]:
    """Say what the figures rest on: measured, modelled or published times, and how well closed form and run agree."""
    lines = []
    for scheme, item in data.get("basis", {}).items():
        origin, method = (_shares(item[key]) for key in ("origin_s", "method_s"))
        lines.append(f"{scheme}: compute times {origin} ({method})")
    if "codec" in data:
        lines.append(f"codec: {data['codec']['table']}, {data['codec']['origin']}")
    if "largest_difference" in data:
        lines.append(
            f"closed form and simulation of the idealised twin differ by at most {data['largest_difference']:.0e} "
            "(relative, propagation aside)"
        )
    if lines:
        yield ""
        yield "What the figures rest on:"
        yield ""
        for line in lines:
            yield f"- {_cell(line)}"


def _shares(seconds_by: Mapping[str, float]) -> str:
    total_s = sum(seconds_by.values())
    return ", ".join(f"{share(part / total_s)} {name}" for name, part in seconds_by.items() if part > 0.0)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(_cell(text) for text in row) + " |"


def _cell(text: str) -> str:
    """Return a text that cannot break a table, nor be read as HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
