"""Where the figures come from: origin of costs, assumptions, versions, and what to cite."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orbitsim.report.blocks import Section, Table
from orbitsim.report.data import RunData, records
from orbitsim.report.wording import in_html, number
from orbitsim.results.wording import energy, share

_SHORTEST_WORK = 20  # letters of a text that names a work, not an author alone


def basis(run: RunData) -> Section:
    """Return the section on what the costs rest on."""
    summary = run.summary
    costs = [
        [
            name,
            ", ".join(item.get("origin") or []) or "-",
            str(item.get("method", "-")),
            str(item.get("basis", "-")),
            str(item.get("energy_origin") or "unknown"),
            str(item.get("replay") or "-"),
        ]
        for name, item in summary["costs"].items()
    ]
    items: list[Table | str] = [
        Table(
            "Compute times of every device, and what they rest on",
            ["device", "origin of times", "method", "basis", "origin of energy", "replay"],
            costs,
            frozenset(range(6)),
            "summary.json",
        )
    ]
    if "devices" in run.tables:
        rows = [
            [
                f"{row.scheme}, {row.device}",
                f"{row.n_executions:,}",
                number(row.compute_s),
                *(_part(value, row.compute_s) for value in (row.measured_s, row.modelled_s, row.published_s)),
                number(row.codec_s),
                "-" if not row.n_executions else "unknown" if row.energy_j != row.energy_j else energy(row.energy_j),
                str(row.energy_origin) if row.n_executions and isinstance(row.energy_origin, str) else "-",
            ]
            for row in records(run.tables["devices"])
        ]
        columns = ["scheme and device", "executions", "computing [s]", "measured", "modelled", "published", "codec [s]",
                   "energy", "origin of energy"]  # fmt: skip
        items.append(Table("Computing of every scheme and device", columns, rows, frozenset({8}), "devices.parquet"))
    codec = [[str(key), str(value)] for key, value in summary["codec"].items() if value not in (None, "")]
    if codec:
        items.append(Table("Codec of the activations", ["key", "value"], codec, frozenset({1}), "summary.json"))
    return Section(
        "basis",
        "What the figures rest on",
        "Measured: timed on that very device. Published: printed by others. Modelled: computed from either by a"
        " formula."
        " What the scenario sets without a source is an assumption, listed below.",
        items,
    )


def _part(value_s: float, total_s: float) -> str:
    return share(value_s / total_s) if total_s > 0.0 else "-"


def assumptions(run: RunData) -> Section:
    """Return the section with notes and the resolved scenario."""
    notes = [*run.warnings, *(str(note) for note in run.summary["notes"])]
    listed = "".join(f"<li>{in_html(note)}</li>" for note in notes)
    workload = [[str(key), _amount(value)] for key, value in run.summary["workload"].items()]
    rows = [[key, value] for key, value in flattened(run.scenario.model_dump(mode="json"))]
    heading = f"The resolved scenario, {len(rows)} keys"
    table = Table("The resolved scenario", ["key", "value"], rows, frozenset({1}), "scenario.json")
    return Section(
        "assumptions",
        "Assumptions",
        "Everything that the scenario sets, defaults included; units stand in the names.",
        [
            f'<ul class="notes">{listed}</ul>' if listed else "",
            Table("Size of the work of one task", ["key", "value"], workload, frozenset({1}), "summary.json"),
            f'<details class="card"><summary>{in_html(heading)}</summary>{table.html(most=2000)}</details>',
        ],
    )


def _amount(value: Any) -> str:
    return f"{value:,.10g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def flattened(data: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted keys and values of nested tables, in order."""
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from flattened(value, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(data, list) and any(isinstance(item, Mapping) for item in data):
        for index, item in enumerate(data):
            yield from flattened(item, f"{prefix}.{index}")
    elif isinstance(data, list):
        yield prefix, ", ".join(str(item) for item in data) or "none"
    else:
        yield prefix, "not set" if data is None or data == {} else str(data)


def origin(run: RunData) -> Section:
    """Return the section with provenance and citations."""
    provenance = run.summary["provenance"]
    rows = [
        [key.replace("_", " "), " ".join(map(str, value)) if isinstance(value, list) else str(value)]
        for key, value in provenance.items()
        if not isinstance(value, Mapping)
    ]
    for title, key in (("packages", "packages"), ("SHA-256 of", "inputs_sha256")):
        found = provenance.get(key)
        rows += [[f"{title} {name}", str(value)] for name, value in found.items()] if isinstance(found, Mapping) else []
    return Section(
        "provenance",
        "Provenance and what to cite",
        "",
        [
            Table("Provenance", ["what", "value"], rows, frozenset({1}), "summary.json"),
            citation_list(run.summary["cite"]),
        ],
    )


def citation_list(cite: Mapping[str, Any]) -> str:
    """Return the list of what to cite, text by address, as HTML; every work once, nothing for none."""
    lines = ""
    for work, parts, address in works(cite):
        beneath = "".join(f"<li>{in_html(part)}</li>" for part in parts)
        lines += f"<li>{in_html(work)}{_link(address)}{f'<ul>{beneath}</ul>' if beneath else ''}</li>"
    return f'<div class="card"><h3>What to cite</h3><ol class="cite">{lines}</ol></div>' if lines else ""


def works(cite: Mapping[str, Any]) -> list[tuple[str, list[str], str]]:
    """Return each cited work once: its text, the parts of it that are used (none to tell apart), and its address.

    Citations are of one work when they share an address and begin alike up to a comma, semicolon or colon: the one is
    the other with a table, file or condition added.
    """
    found: list[tuple[list[str], str]] = []
    for text, address in cite.items():
        where = str(address or "")
        group = next((texts for texts, other in found if where and where == other and _common([*texts, text])), None)
        if group is None:
            found.append(([text], where))
        else:
            group.append(text)
    listed = []
    for texts, where in found:
        work = _common(texts) if len(texts) > 1 else texts[0]
        parts = [part for text in texts if (part := text[len(work) :].lstrip(",;: "))]
        listed.append((work, list(dict.fromkeys(parts)), where))
    return listed


def _common(texts: Sequence[str]) -> str:
    """Return how texts begin alike, cut where a part of a citation ends; empty when that is too little for a work."""
    same = os.path.commonprefix(list(texts))  # noqa: RUF071 - letter by letter is what is wanted
    ends = [*(match.start() for match in re.finditer(r"[,;:]\s", same)), len(same)]
    whole = [end for end in ends if all(len(text) == end or text[end] in ",;:" for text in texts)]
    return same[: whole[-1]] if whole and whole[-1] >= _SHORTEST_WORK else ""


def _link(address: Any) -> str:
    """Return a link to an address or a DOI; only web addresses become links."""
    text = str(address or "")
    if not text:
        return ""
    target = f"https://doi.org/{text}" if text.startswith("10.") else text
    if not target.startswith(("https://", "http://")):
        return f" ({in_html(text)})"
    return f' <a href="{in_html(target)}" rel="noreferrer noopener">{in_html(text)}</a>'
