"""What ``trtexec --exportProfile`` and ``--exportLayerInfo`` write: the time of every layer, and what each layer is.

The two files belong together: the first has the times, the second the shapes and number formats. Layers are what
TensorRT made of the network. Where it fused a region into one ``ForeignNode`` or Myelin node, blocks inside it cannot
be told apart; the notes say how much of the time that concerns.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_json import number_at, parse_json, shown
from orbitsim.workload.importers.trtexec_times import printed_half_digit

_PROFILE_HEAD = re.compile(r'\s*\[\s*\{\s*"count"\s*:')
_LAYERS_HEAD = re.compile(r'\s*\{\s*"Layers"\s*:\s*\[')
_FUSED = re.compile(r"^\{?(?:ForeignNode\[|__mye|__myl)|^\{.*ForeignNode\[")
_BITS = {"FP32": 32, "Float": 32, "Int32": 32, "INT32": 32, "FP16": 16, "Half": 16, "BF16": 16, "BFloat16": 16}
_BITS |= {"Int8": 8, "INT8": 8, "FP8": 8, "Bool": 8, "UInt8": 8, "Int64": 64, "INT64": 64, "INT4": 4, "Int4": 4}
_PRECISION = {"FP32": "fp32", "Float": "fp32", "FP16": "fp16", "Half": "fp16", "BF16": "bf16", "BFloat16": "bf16"}
_PRECISION |= {"Int8": "int8", "INT8": "int8", "FP8": "fp8", "INT4": "int4", "Int4": "int4"}

_MOST_ELEMENTS = 2**50


def matches(source: Source) -> bool:
    """Whether a source begins as trtexec's profile (a list led by ``count``) or layer info (``Layers``)."""
    return bool(_PROFILE_HEAD.match(source.head) or _LAYERS_HEAD.match(source.head))


def read(source: Source) -> Imported:
    """Read either file.

    Returns
    -------
    Imported
        Of a profile, one recording with a part for each layer, layers that took no time included. Of layer
        information, no recording: `join_layer_info` adds it to that of the profile.

    Raises
    ------
    InputError
        With the byte of broken JSON, or the layer whose figures are missing or contradict each other.
    """
    document = parse_json(source)
    if isinstance(document, list):
        return _profile(source, document)
    if isinstance(document, dict) and isinstance(document.get("Layers"), list):
        return _layer_info(source, document)
    raise source.fault('expected a list of layers, or an object with a list "Layers"')


def join_layer_info(profile: Imported, layer_info: Imported) -> Imported:
    """Return a profile with what its layer information knows of each layer.

    Parameters
    ----------
    profile, layer_info : Imported
        Of `read`: a profile, and the layer information that was exported with it.

    Returns
    -------
    Imported
        The profile, its parts with `output_bytes` (and `weights_bytes` where TensorRT lists them), its precision if
        all outputs share one, its batch size if all inputs of the network share a first dimension; facts and notes of
        both. Unchanged but for a note where the layers do not belong together.
    """
    layers: Mapping[str, Mapping[str, Any]] = layer_info.facts.get("layers", {})
    names = [part.name for recording in profile.recordings for part in recording.parts]
    unknown = [name for name in names if name not in layers]
    if not names or len(unknown) > len(names) // 10:
        note = f"layer information not used: it knows {len(names) - len(unknown)} of the profile's {len(names)} layers"
        return replace(profile, notes=(*profile.notes, note))
    recordings = tuple(
        replace(
            recording,
            parts=tuple(_described(part, layers.get(part.name, {})) for part in recording.parts),
            precision=recording.precision or layer_info.facts.get("precision"),
            batch_size=recording.batch_size or layer_info.facts.get("batch_size"),
        )
        for recording in profile.recordings
    )
    notes = (*profile.notes, *(note for note in layer_info.notes if note not in profile.notes))
    return replace(profile, recordings=recordings, facts={**layer_info.facts, **profile.facts}, notes=notes)


def fused_note(parts: Sequence[Timing]) -> tuple[str, ...]:
    """Return what to say of layers that TensorRT fused beyond recognition, if there are any."""
    fused = [part.mean_s for part in parts if _FUSED.search(part.name)]
    if not fused:
        return ()
    share = sum(fused) / sum(part.mean_s for part in parts)
    text = f"{len(fused)} of {len(parts)} layers are regions that TensorRT fused ({share:.1%} of the time)"
    return (f"{text}; blocks inside them cannot be told apart",)


def _profile(source: Source, rows: list[Any]) -> Imported:
    if not rows or not isinstance(rows[0], dict) or type(rows[0].get("count")) is not int:
        raise source.fault("expected the number of iterations, {count: 1 or more}, first", key="[0]")
    count = rows[0]["count"]
    if not 1 <= count < 2**53:
        raise source.fault(f"expected the number of iterations to be 1 or more, found {shown(count)}", key="[0].count")
    if len(rows) == 1:
        raise source.fault("there is no layer after the number of iterations")
    parts = tuple(_layer(source, index, row, count) for index, row in enumerate(rows[1:], start=1))
    total_ms = math.fsum(float(row["timeMs"]) for row in rows[1:])
    if total_ms <= 0:
        raise source.fault("no layer took any time")
    for index, row in enumerate(rows[1:], start=1):
        share = row.get("percentage")
        if share is not None and abs(float(share) - 100.0 * float(row["timeMs"]) / total_ms) > 0.01:
            found = f"{100.0 * float(row['timeMs']) / total_ms:.4g} % of all layers' time, but percentage says {share}"
            raise source.fault(f"timeMs is {found}: a layer was lost or changed", key=f"[{index}]")
    _require_whole(source, [row.get("percentage") for row in rows[1:]])
    facts = {"n_iterations": count, "n_layers": len(parts), "layer_mean_sum_s": math.fsum(p.mean_s for p in parts)}
    notes = (
        "layers were timed one by one with TensorRT's profiler on: their sum is above the time of an undisturbed run",
        *fused_note(parts),
    )
    return Imported(
        FORMAT.name, (Recording(parts=parts, how_timed="trtexec-layer-profiler"),), facts=facts, notes=notes
    )


def _require_whole(source: Source, shares: Sequence[Any]) -> None:
    """Raise InputError if percentages of all layers do not add up to 100, within what six digits can tell.

    Errors of rounding are even from minus to plus half a digit: their sum stays within 4 of the roots of their squares
    (7 standard deviations), and never leaves their sum. TensorRT adds up in single precision.
    """
    if not shares or any(share is None for share in shares):
        return
    halves = [printed_half_digit(float(share)) for share in shares]
    allowed = min(math.fsum(halves), 4.0 * math.hypot(*halves)) + 1e-5
    total = math.fsum(map(float, shares))
    if abs(total - 100.0) > allowed:
        what = "layers are missing" if total < 100.0 else "layers of another file, or some twice"
        message = f"percentages of {len(shares)} layers add up to {total:.8g}, not 100 (within {allowed:.1g}): {what}"
        raise source.fault(message, key=f"[1] to [{len(shares)}]")


def _layer(source: Source, index: int, row: Any, count: int) -> Timing:
    where = f"[{index}]"
    if not isinstance(row, dict) or not isinstance(row.get("name"), str) or not row["name"]:
        raise source.fault(f"expected a layer with a name, found {shown(row)}", key=where)
    total = number_at(source, row.get("timeMs"), f"{where}.timeMs")
    mean = number_at(source, row.get("averageMs"), f"{where}.averageMs")
    median = number_at(source, row["medianMs"], f"{where}.medianMs") if "medianMs" in row else None
    if "percentage" in row:
        number_at(source, row["percentage"], f"{where}.percentage")
    allowed = printed_half_digit(mean) * count + printed_half_digit(total) + 1e-6 * total
    if abs(mean * count - total) > allowed:
        message = f"averageMs x count is {mean * count:.6g}, but timeMs says {total:.6g}"
        raise source.fault(message, key=where)
    p50_s = None if median is None else median / 1000.0
    return Timing(name=row["name"], mean_s=mean / 1000.0, p50_s=p50_s, n_samples=count)


def _layer_info(source: Source, document: Mapping[str, Any]) -> Imported:
    layers: dict[str, dict[str, Any]] = {}
    for index, entry in enumerate(document["Layers"]):
        where = f"Layers[{index}]"
        name = entry.get("Name") if isinstance(entry, dict) else entry
        if not isinstance(name, str) or not name:
            raise source.fault(f"expected a layer's name or an object with a Name, found {shown(entry)}", key=where)
        described = _description(source, entry, where) if isinstance(entry, dict) else {}
        layers[name] = described if name not in layers else {}
    if not layers:
        raise source.fault("there is no layer in it", key="Layers")
    bindings = document.get("Bindings", [])
    if not isinstance(bindings, list) or not all(isinstance(binding, str) for binding in bindings):
        raise source.fault("expected a list of tensor names", key="Bindings")
    facts: dict[str, Any] = {"layers": layers, "bindings": bindings, "n_described_layers": len(layers)}
    notes = []
    if not any(layers.values()):
        notes.append("layer information has names only (it is complete with --profilingVerbosity=detailed)")
    precisions = {layer["precision"] for layer in layers.values() if layer.get("precision")}
    if len(precisions) == 1:
        facts["precision"] = precisions.pop()
    elif precisions:
        notes.append(f"layers differ in precision: {', '.join(sorted(precisions))}")
    first = {
        dims[0]
        for layer in layers.values()
        for tensor, dims in layer.get("inputs", {}).items()
        if tensor in bindings and dims and dims[0] > 0
    }
    if len(first) == 1:
        facts["batch_size"] = first.pop()
    return Imported(FORMAT.name, facts=facts, notes=tuple(notes))


def _description(source: Source, entry: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return what is worth keeping of a layer: type, shapes, bytes of outputs and weights, precision of outputs."""
    outputs = list(_tensors(source, entry.get("Outputs", []), f"{where}.Outputs"))
    inputs = list(_tensors(source, entry.get("Inputs", []), f"{where}.Inputs"))
    description: dict[str, Any] = {
        "type": str(entry.get("LayerType", "")),
        "inputs": {name: dims for name, dims, _ in inputs},
        "outputs": {name: dims for name, dims, _ in outputs},
    }
    bits = [_bits(text) for _, _, text in outputs]
    if outputs and all(bits) and all(dim >= 0 for _, dims, _ in outputs for dim in dims):
        sizes = zip(outputs, bits, strict=True)
        description["output_bytes"] = sum(-(-math.prod(dims) * (b or 0) // 8) for (_, dims, _), b in sizes)
    formats = {precision for _, _, text in outputs if (precision := _named(text, _PRECISION))}
    if len(formats) == 1:
        description["precision"] = formats.pop()
    weights = [_weights_bytes(entry.get(key)) for key in ("Weights", "Bias")]
    if any(weights):
        description["weights_bytes"] = sum(size or 0 for size in weights)
    return description


def _tensors(source: Source, tensors: Any, where: str) -> Iterable[tuple[str, list[int], str]]:
    if not isinstance(tensors, list):
        raise source.fault(f"expected a list of tensors, found {shown(tensors)}", key=where)
    for index, tensor in enumerate(tensors):
        dims = tensor.get("Dimensions") if isinstance(tensor, dict) else None
        if not isinstance(dims, list) or not all(type(dim) is int and dim >= -1 for dim in dims):
            raise source.fault("expected a tensor with whole Dimensions", key=f"{where}[{index}]")
        if math.prod(map(abs, dims)) >= _MOST_ELEMENTS:
            raise source.fault("expected a tensor that fits a memory", key=f"{where}[{index}]")
        yield str(tensor.get("Name", index)), dims, str(tensor.get("Format/Datatype", ""))


def _named(text: str, names: Mapping[str, Any]) -> Any:
    """Entry of `names` that a description of a tensor's format has as a word, or None."""
    return next((names[word] for word in re.split(r"[^A-Za-z0-9]+", text) if word in names), None)


def _bits(text: str) -> int | None:
    bits = _named(text, _BITS)
    return int(bits) if bits is not None else None


def _weights_bytes(weights: Any) -> int | None:
    if (
        not isinstance(weights, dict)
        or type(weights.get("Count")) is not int
        or not 0 <= weights["Count"] < _MOST_ELEMENTS
    ):
        return None
    bits = _bits(str(weights.get("Type", "")))
    return -(-weights["Count"] * bits // 8) if bits else None


def _described(part: Timing, layer: Mapping[str, Any]) -> Timing:
    return replace(
        part,
        output_bytes=part.output_bytes if part.output_bytes is not None else layer.get("output_bytes"),
        weights_bytes=part.weights_bytes if part.weights_bytes is not None else layer.get("weights_bytes"),
    )


FORMAT = Format("trtexec-profile", "trtexec --exportProfile and --exportLayerInfo (JSON)", matches, read)
