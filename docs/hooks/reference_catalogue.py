"""The page of the catalogue: every number of a device or model with its basis, confidence and source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markdown_table import plain, table

from orbitsim import catalog
from orbitsim.catalog.entries import Citation, Device, Figure, ModelEntry
from orbitsim.workload.models import model_graph

HEAD = """# Catalogue

Devices and models that a scenario may name, made from the files that travel with orbitsim. Each figure was *measured*
by its source on the real device, *published* as a specification, or *derived* by the arithmetic in its note; a
compute time that is computed from any of these is **modelled** in every result. Names of figures end in their units.

"""


def catalogue_page() -> str:
    """Return the page."""
    known = catalog.shipped_catalogue()
    parts = [HEAD, "## Models\n", _models(known.models), "### Published figures of models\n"]
    parts.append(_figures((name, path, figure) for name, one in known.models.items() for path, figure in _found(one)))
    parts.append("## Devices\n")
    for name, device in known.devices.items():
        in_traces = f"In traces: device `{device.board}`, power mode `{device.power_mode}`."
        parts.append(f"### {name}\n\n{plain(device.title)}. {in_traces}\n")
        parts.append(_figures(("", path, figure) for path, figure in _found(device)))
    parts.append("## Sources\n")
    parts.append(
        table(("key", "source"), [(f"`{key}`{{ #{key} }}", _source(one)) for key, one in known.sources.items()])
    )
    return "\n".join(parts)


def _models(models: Mapping[str, ModelEntry]) -> str:
    rows = []
    for name, entry in models.items():
        graph = model_graph(entry)
        sizes = (graph.n_layers, graph.width, graph.n_tokens)
        rows.append(
            (
                f"`{name}`",
                plain(entry.title),
                *map(str, sizes),
                f"{graph.n_unique_parameters / 1e6:,.2f}",
                f"{graph.total_flop / 1e9:.1f}",
            )
        )
    return table(
        ("model", "what it is", "layers", "width", "tokens", "parameters [10⁶], computed", "GFLOP a tile, computed"),
        rows,
    )


def _found(entry: Device | ModelEntry) -> Iterator[tuple[str, Figure]]:
    for field in type(entry).model_fields:
        yield from _within(field, getattr(entry, field))


def _within(path: str, value: Any) -> Iterator[tuple[str, Figure]]:
    if isinstance(value, Figure):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _within(f"{path}.{key}", inner)


def _figures(figures: Any) -> str:
    rows = []
    for owner, path, figure in figures:
        sources = ", ".join(f"[{key}](#{key})" for key in figure.cite)
        name = f"`{owner}` `{path}`" if owner else f"`{path}`"
        rows.append((name, f"{figure.value:.6g}", figure.basis, figure.confidence, sources, plain(figure.note)))
    return table(("figure", "value", "basis", "confidence", "source", "note"), rows)


def _source(citation: Citation) -> str:
    text = plain(citation.text)
    if citation.doi:
        return f"{text} [doi:{citation.doi}](https://doi.org/{citation.doi})"
    return f"{text} [{citation.url}]({citation.url})" if citation.url else text
