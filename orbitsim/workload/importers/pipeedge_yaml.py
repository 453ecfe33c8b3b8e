"""Layer times of PipeEdge's profiler (YAML): profiler_results.yml of one run, or device_types.yml of many.

A layer of PipeEdge is a quarter of a transformer block (Hu et al., "PipeEdge: Pipeline Parallelism for Large-Scale
Model Inference on Heterogeneous Edge Devices", DSD 2022). It is timed on its own with the host's clock, the way of its
data to the device and back included. Read by an own walk over YAML events: nothing is constructed, aliases and tags are
refused.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import yaml

from orbitsim.errors import InputError
from orbitsim.workload.importers.base import Format, Imported, Recording, Source, Timing
from orbitsim.workload.importers.strict_csv import brief, number_in, require_ended

_NAME = "pipeedge-yaml"
_LAYERS_PER_BLOCK = 4
_MAX_BYTES = 8 * 2**20
_MAX_DEPTH = 20

_RESULTS = re.compile(r"^profile_data:", re.MULTILINE)
_DEVICES = re.compile(r"^ +model_profiles:", re.MULTILINE)
_MODELS = re.compile(r"^ +parameters_out:", re.MULTILINE)
_PRECISIONS = {
    "torch.float32": ("fp32", 4),
    "torch.float16": ("fp16", 2),
    "torch.bfloat16": ("bf16", 2),
    "torch.float64": ("fp64", 8),
}
_TOKEN_IDS = ("torch.int64", "torch.int32")  # the profiler states its input's type; of token ids nothing follows


@dataclass(slots=True)
class _Node:
    """A YAML value (text, list or mapping) with the line on which it begins."""

    line: int
    value: str | list[_Node] | dict[str, _Node]
    quoted: bool = False
    key: str | None = None  # of a mapping: the key that waits for its value


class _Document:
    """Access to nodes by type; every fault names the line."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.root = self._parse()

    def fault(self, node: _Node, message: str, key: str = "") -> InputError:
        return self.source.fault(message, line=node.line, key=key)

    def mapping(self, node: _Node, key: str) -> dict[str, _Node]:
        if isinstance(node.value, dict):
            return node.value
        raise self.fault(node, "expected a mapping", key)

    def items(self, node: _Node, key: str) -> list[_Node]:
        if isinstance(node.value, list):
            return node.value
        raise self.fault(node, "expected a list", key)

    def member(self, node: _Node, name: str, key: str = "") -> _Node:
        members = self.mapping(node, key)
        if name not in members:
            raise self.fault(node, f"{name} is missing", key)
        return members[name]

    def text(self, node: _Node, key: str) -> str:
        if isinstance(node.value, str) and node.value:
            return node.value
        raise self.fault(node, "expected text", key)

    def number(self, node: _Node, key: str, *, signed: bool = False) -> float:
        text = node.value if isinstance(node.value, str) and not node.quoted else ""
        return number_in(self.source, text, line=node.line, key=key, signed=signed)

    def count(self, node: _Node, key: str) -> int:
        value = self.number(node, key)
        if value != int(value) or not 1 <= value < 2**31:
            raise self.fault(node, f"expected a whole number of at least 1, found {value:g}", key)
        return int(value)

    def _parse(self) -> _Node:
        if len(self.source.content) > _MAX_BYTES:
            raise self.source.fault(f"expected a profile of at most {_MAX_BYTES // 2**20} MiB", byte=_MAX_BYTES)
        try:
            return self._build()
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
            problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
            line = mark.line + 1 if mark is not None else self.source.text.count("\n") + 1
            raise self.source.fault(f"expected YAML ({problem})", line=line) from error
        except (ValueError, RecursionError) as error:  # an escape beyond Unicode, a key that nests
            raise self.source.fault(f"expected YAML ({error})", line=1) from error

    def _build(self) -> _Node:
        roots: list[_Node] = []
        open_nodes: list[_Node] = []
        for event in yaml.parse(self.source.text, Loader=yaml.SafeLoader):
            mark = event.start_mark
            line = mark.line + 1 if mark is not None else 1
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
                raise self.source.fault("anchors and aliases are refused: PipeEdge writes none", line=line)
            if getattr(event, "tag", None) is not None:
                raise self.source.fault("tags are refused: PipeEdge writes none", line=line)
            if isinstance(event, yaml.ScalarEvent):
                self._place(_Node(line, event.value, quoted=event.style is not None), open_nodes, roots)
            elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
                value: Any = [] if isinstance(event, yaml.SequenceStartEvent) else {}
                node = _Node(line, value)
                self._place(node, open_nodes, roots)
                open_nodes.append(node)
                if len(open_nodes) > _MAX_DEPTH:
                    raise self.source.fault("lists and mappings are nested too deeply", line=line)
            elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
                open_nodes.pop()
        if len(roots) != 1:
            raise self.source.fault(f"expected one YAML document, found {len(roots)}", line=1)
        return roots[0]

    def _place(self, node: _Node, open_nodes: list[_Node], roots: list[_Node]) -> None:
        if not open_nodes:
            roots.append(node)
            return
        parent = open_nodes[-1]
        if isinstance(parent.value, list):
            parent.value.append(node)
        elif isinstance(parent.value, dict):
            if parent.key is None:
                if not isinstance(node.value, str):
                    raise self.fault(node, "expected a key, found a list or a mapping")
                if node.value in parent.value:
                    raise self.fault(node, f"key {brief(node.value)} stands twice")
                parent.key = node.value
            else:
                parent.value[parent.key] = node
                parent.key = None


def _matches(source: Source) -> bool:
    head = source.head
    return not head.lstrip().startswith(("{", "[")) and any(
        pattern.search(head) for pattern in (_RESULTS, _DEVICES, _MODELS)
    )


def _read(source: Source) -> Imported:
    require_ended(source)
    document = _Document(source)
    root = document.mapping(document.root, "")
    if "profile_data" in root:
        recordings, facts = _results(document)
    else:
        recordings, facts = _device_types(document, root)
    notes = [
        f"a layer is a part of a transformer block ({_LAYERS_PER_BLOCK} layers make one block in PipeEdge's models)",
        "layers were timed one by one with the host's clock, with moving data to the device and back",
    ]
    if any(recording.precision is None for recording in recordings):
        notes.append("the type that is stated is that of token ids; the precision of the model is not stated")
    return Imported(_NAME, recordings, facts=facts, notes=tuple(notes))


def _results(document: _Document) -> tuple[tuple[Recording, ...], dict[str, Any]]:
    root = document.root
    batch_size = document.count(document.member(root, "batch_size"), "batch_size")
    precision, bytes_each = _precision(document, document.member(root, "dtype"))
    n_layers = document.count(document.member(root, "layers"), "layers")
    data = document.member(root, "profile_data")
    layers = document.items(data, "profile_data")
    if len(layers) != n_layers:
        message = f"expected {n_layers} layers as the file states, found {len(layers)}: cut, or not yet profiled whole"
        raise document.fault(layers[-1] if layers else data, message, "profile_data")
    parts, memory_mb = [], []
    for number, layer in enumerate(layers, start=1):
        key = f"profile_data[{number - 1}]"
        stated = document.count(document.member(layer, "layer", key), f"{key}.layer")
        if stated != number:
            raise document.fault(layer, f"expected layer {number}, found layer {stated}", f"{key}.layer")
        time_s = document.number(document.member(layer, "time", key), f"{key}.time")
        n_values = _n_values(document, document.member(layer, "shape_out", key), f"{key}.shape_out")
        output_bytes = n_values * batch_size * bytes_each if bytes_each is not None else None
        parts.append(Timing(f"layer {number}", time_s, output_bytes=output_bytes))
        memory_mb.append(document.number(document.member(layer, "memory", key), f"{key}.memory", signed=True))
    model = document.text(document.member(root, "model_name"), "model_name")
    recording = Recording(
        tuple(parts), model=model, precision=precision, batch_size=batch_size, how_timed="pipeedge-profiler"
    )
    return (recording,), {"n_layers": n_layers, "memory_mb": memory_mb}


def _device_types(document: _Document, root: dict[str, _Node]) -> tuple[tuple[Recording, ...], dict[str, Any]]:
    recordings: list[Recording] = []
    devices: list[dict[str, Any]] = []
    for device, entry in root.items():
        if "model_profiles" not in document.mapping(entry, device):
            message = (
                "no layer times here: models.yml states sizes only; import profiler_results.yml or device_types.yml"
            )
            raise document.fault(entry, message, device)
        memory_mb = document.number(document.member(entry, "mem_MB", device), f"{device}.mem_MB")
        rate_mbps = document.number(document.member(entry, "bw_Mbps", device), f"{device}.bw_Mbps")
        devices.append({"device": device, "mem_MB": memory_mb, "bw_Mbps": rate_mbps})
        profiles = document.member(entry, "model_profiles", device)
        if isinstance(profiles.value, str) and profiles.value in {"", "null", "~"}:
            continue  # a device that was not profiled
        for model, runs in document.mapping(profiles, f"{device}.model_profiles").items():
            for index, run in enumerate(document.items(runs, f"{device}.{model}")):
                recordings.append(_profile(document, run, device, model, f"{device}.{model}[{index}]"))
    seen: set[tuple[Any, ...]] = set()
    for recording in recordings:
        same = (recording.device, recording.model, recording.precision, recording.batch_size)
        if same in seen:
            message = f"{recording.model} stands twice with batch size {recording.batch_size} and {recording.precision}"
            raise document.fault(document.root, message, str(recording.device))
        seen.add(same)
    if not recordings:
        raise document.fault(document.root, "expected layer times (time_s) of a device, found none")
    return tuple(recordings), {"devices": devices}


def _profile(document: _Document, run: _Node, device: str, model: str, key: str) -> Recording:
    times = document.member(run, "time_s", key)
    layers = document.items(times, f"{key}.time_s")
    if not layers:
        raise document.fault(times, "expected times of layers, found none", f"{key}.time_s")
    parts = tuple(
        Timing(f"layer {number}", document.number(layer, f"{key}.time_s[{number - 1}]"))
        for number, layer in enumerate(layers, start=1)
    )
    return Recording(
        parts,
        device=device,
        model=model,
        precision=_precision(document, document.member(run, "dtype", key))[0],
        batch_size=document.count(document.member(run, "batch_size", key), f"{key}.batch_size"),
        how_timed="pipeedge-profiler",
    )


def _precision(document: _Document, node: _Node) -> tuple[str | None, int | None]:
    """Return the name of a precision and the bytes of one value."""
    name = document.text(node, "dtype")
    if name in _TOKEN_IDS:
        return None, None
    if name not in _PRECISIONS:
        raise document.fault(node, f"expected a type such as torch.float32, found {brief(name)}", "dtype")
    return _PRECISIONS[name]


def _n_values(document: _Document, node: _Node, key: str) -> int:
    """Return the values of all tensors of one sample."""
    shapes = document.items(node, key)
    return sum(math.prod(document.count(size, key) for size in document.items(shape, key)) for shape in shapes)


FORMAT = Format(_NAME, "layer times of PipeEdge (profiler_results.yml, device_types.yml)", _matches, _read)
