"""Times of every node of a torch.fx graph on a Jetson, as branes.ai's efficiency measurement writes them (JSON).

``subgraphs[].measured_latency`` is in milliseconds, timed with CUDA events and a synchronisation after every node. Each
subgraph thus pays for its launch and for the wait, so that their sum is above the time of a normal forward pass.
Operations and bytes are computed by the tool; the peak that it compares them with is not that of the board.
"""

from __future__ import annotations

import math
import re
from typing import Any

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_json import number_at, parse_json, shown

_NAME = "subgraph-json"
_MS = 1e-3
_TOLERANCE = 1e-6

_KEYS = re.compile(r'"subgraphs"\s*:\s*\[')
_LATENCY = re.compile(r'"measured_latency"\s*:')
_PRECISIONS = {"FP32": "fp32", "TF32": "tf32", "FP16": "fp16", "BF16": "bf16", "INT8": "int8"}


def _matches(source: Source) -> bool:
    head = source.head
    return head.lstrip().startswith("{") and bool(_KEYS.search(head) and _LATENCY.search(head))


def _read(source: Source) -> Imported:
    document = parse_json(source)
    if not isinstance(document, dict):
        raise source.fault(f"expected an object, found {shown(document)}", byte=0)
    subgraphs = document.get("subgraphs")
    if not isinstance(subgraphs, list) or not subgraphs:
        raise source.fault(f"expected a list of subgraphs, found {shown(subgraphs)}", key="subgraphs")
    parts = tuple(_timing(source, subgraph, f"subgraphs[{index}]") for index, subgraph in enumerate(subgraphs))
    _compare_summary(source, document.get("model_summary"), parts)
    precision = _text(source, document, "precision")
    batch_size = document.get("batch_size")
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or not 1 <= batch_size < 2**31:
        raise source.fault(f"expected a whole number of at least 1, found {shown(batch_size)}", key="batch_size")
    mode = _text(source, document, "thermal_profile", "")
    recording = Recording(
        parts=parts,
        device=_text(source, document, "hardware_id", "").removesuffix(f"_{mode.lower()}") or None,
        power_mode=mode or None,
        model=_text(source, document, "model"),
        precision=_PRECISIONS.get(precision.upper(), precision.lower()),
        batch_size=batch_size,
        how_timed="cuda-events, synchronised after every node",
    )
    facts: dict[str, Any] = {"n_subgraphs": len(parts), "sum_of_means_s": math.fsum(part.mean_s for part in parts)}
    for key in ("tool_version", "measurement_date", "schema_version"):
        if isinstance(document.get(key), str):
            facts[key] = document[key]
    notes = (
        "each node was synchronised: the sum of the parts is an upper bound on a normal forward pass",
        "operations are computed, not measured; theoretical_peak_flops and efficiency (a wrong peak) are ignored",
    )
    return Imported(_NAME, (recording,), facts=facts, notes=notes)


def _timing(source: Source, subgraph: Any, key: str) -> Timing:
    if not isinstance(subgraph, dict):
        raise source.fault(f"expected an object, found {shown(subgraph)}", key=key)
    names, latency = subgraph.get("node_names"), subgraph.get("measured_latency")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise source.fault(f"expected names of nodes, found {shown(names)}", key=f"{key}.node_names")
    if not isinstance(latency, dict):
        raise source.fault(f"expected an object, found {shown(latency)}", key=f"{key}.measured_latency")
    at = f"{key}.measured_latency"
    stats = {name: number_at(source, latency.get(name), f"{at}.{name}") for name in ("mean", "std", "min", "max")}
    mean, slack = stats["mean"], _TOLERANCE * stats["max"]
    if not stats["min"] - slack <= mean <= stats["max"] + slack:
        raise source.fault(f"expected a mean between min and max, found {mean:g} ms", key=f"{at}.mean")
    if "ci_lower" in latency and "ci_upper" in latency:
        low, high = latency["ci_lower"], latency["ci_upper"]
        if not all(isinstance(end, int | float) for end in (low, high)) or not (
            low <= mean + slack and high >= mean - slack
        ):
            raise source.fault("expected a confidence interval that holds the mean", key=f"{at}.ci_lower")
    n_samples = latency.get("samples")
    if not isinstance(n_samples, int) or isinstance(n_samples, bool) or not 1 <= n_samples < 2**31:
        raise source.fault(f"expected a count of samples, found {shown(n_samples)}", key=f"{at}.samples")
    return Timing(
        name=" + ".join(names),
        mean_s=max(mean, stats["min"]) * _MS,
        std_s=stats["std"] * _MS,
        min_s=stats["min"] * _MS,
        max_s=stats["max"] * _MS,
        n_samples=n_samples,
        flop=number_at(source, subgraph["flops"], f"{key}.flops") if subgraph.get("flops") is not None else None,
    )


def _compare_summary(source: Source, summary: Any, parts: tuple[Timing, ...]) -> None:
    """Raise InputError if the file's own count and total of its subgraphs are others than those read."""
    if not isinstance(summary, dict):
        return
    count, total = summary.get("num_subgraphs"), summary.get("total_latency_ms")
    if count is not None and count != len(parts):
        message = f"expected {shown(count)} subgraphs by the file's own summary, found {len(parts)}"
        raise source.fault(message, key="model_summary.num_subgraphs")
    if total is not None:
        stated = number_at(source, total, "model_summary.total_latency_ms")
        found = math.fsum(part.mean_s for part in parts) / _MS
        if not math.isclose(stated, found, rel_tol=_TOLERANCE):
            message = f"the subgraphs sum up to {found:.6g} ms, but the file's own total is {stated:.6g} ms"
            raise source.fault(message, key="model_summary.total_latency_ms")


def _text(source: Source, document: dict[str, Any], key: str, default: str | None = None) -> str:
    value = document.get(key, default)
    if not isinstance(value, str) or (default is None and not value):
        raise source.fault(f"expected text, found {shown(value)}", key=key)
    return value


FORMAT = Format(_NAME, "times of torch.fx subgraphs (branes.ai JSON)", _matches, _read)
