"""The edge: read a planning problem from a JSON file, or name every fault of a malformed one at once."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from orbitsim.errors import InputError
from orbitsim.errors import Problem as Fault
from orbitsim.plan.problem import MOST_BATCHES, Problem

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]


class Table(BaseModel):
    """A table of the file: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class InputTable(Table):
    """One mini-batch of raw tiles on its way to node 0."""

    bytes: NotNegative
    """Raw tiles of one mini-batch [B]."""
    rate_bps: Positive | None
    """Rate of the way to node 0; null where the sensor itself computes [bit/s]."""


class NodeTable(Table):
    """A node of the route."""

    name: str | None = None
    """Name for messages."""
    compute_s: list[NotNegative] = Field(min_length=1)
    """Time of each layer on this node [s]."""
    memory_bytes: NotNegative
    """Bound on the memory of this node's layers [B]."""
    memory_overhead_bytes: NotNegative = 0.0
    """Memory taken once, if the node computes [B]."""
    encode_s_per_byte: NotNegative = 0.0
    """Codec time per uncompressed byte sent [s/B]."""
    decode_s_per_byte: NotNegative = 0.0
    """Codec time per uncompressed byte received [s/B]."""
    power_w: NotNegative | None = None
    """Power while computing; null: not known [W]."""


class LayersTable(Table):
    """The model's layers."""

    memory_bytes: list[NotNegative] = Field(min_length=1)
    """Memory of each layer [B]."""
    activation_bytes: list[NotNegative] = Field(min_length=1)
    """Uncompressed bytes leaving each layer; the last entry is the result [B]."""


class HopTable(Table):
    """The hop that leaves the node of the same index."""

    rate_bps: Positive
    """Rate [bit/s]."""
    delay_s: NotNegative = 0.0
    """Propagation delay [s]."""


class CodecTable(Table):
    """Settings of the activation codec."""

    ratio: list[Ratio] = Field(min_length=1)
    """Bytes kept, relative to fp32."""
    accuracy: list[Number] | None = None
    """Accuracy at each ratio, for the rule ``per-hop``."""
    loss: list[NotNegative] | None = None
    """Loss of accuracy at each ratio, for the rule ``cumulative``."""
    rule: Literal["per-hop", "cumulative"] = "per-hop"
    """Whether every hop keeps the floor, or the losses of all encoded hops keep a budget."""
    max_loss: NotNegative | None = None
    """The same as the key of that name at the top."""


class ProblemTable(Table):
    """A planning problem."""

    delay_model: Literal["exact", "paper", "sequential", "serial"] = "exact"
    """How computing and sending overlap."""
    n_batches: int = Field(ge=1, le=MOST_BATCHES)
    """Mini-batches in the task."""
    relay: bool = False
    """Whether a node may take no layer."""
    max_compute_nodes: Annotated[int, Field(ge=1)] | None = None
    """Bound on the number of computing nodes."""
    min_accuracy: Number | None = None
    """Floor of the rule ``per-hop``; null: none."""
    max_loss: NotNegative | None = None
    """Budget of the rule ``cumulative``."""
    input: InputTable
    """Raw tiles."""
    nodes: list[NodeTable] = Field(min_length=1)
    """Nodes in route order."""
    layers: LayersTable
    """The model."""
    hops: list[HopTable]
    """As many as nodes, or one fewer."""
    codec: CodecTable
    """The codec."""


def read_problem(path: str | Path) -> Problem:
    """Read a planning problem from a JSON file.

    Parameters
    ----------
    path : str or Path
        The file; its keys are those of `ProblemTable`.

    Returns
    -------
    Problem
        The problem.

    Raises
    ------
    InputError
        If the file is missing, unreadable or malformed; names the file and every faulty key.
    """
    path = Path(path)
    repeated: list[str] = []

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        repeated.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(pairs)

    try:
        data = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=table)
    except OSError as error:
        raise InputError(Fault("", f"cannot be read: {error.strerror}", str(path))) from error
    except UnicodeDecodeError as error:
        raise InputError(Fault("", f"is not UTF-8 text: {error.reason} at byte {error.start}", str(path))) from error
    except json.JSONDecodeError as error:
        message = f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise InputError(Fault("", message, str(path))) from error
    except (RecursionError, ValueError) as error:
        raise InputError(Fault("", f"is not JSON that can be read: {error}", str(path))) from error
    if repeated:
        raise InputError(Fault(key, "given more than once in one table", str(path)) for key in repeated)
    try:
        return parse_problem(data)
    except InputError as error:
        raise error.located(path) from None


def parse_problem(data: Any) -> Problem:
    """Build a problem from the contents of a problem file.

    Parameters
    ----------
    data : Any
        What `json.load` returns for a problem file.

    Returns
    -------
    Problem
        The problem.

    Raises
    ------
    InputError
        If keys are missing, unknown or faulty, or lists have the wrong length; names every one.
    """
    if not isinstance(data, Mapping):
        raise InputError(Fault("", f"expected a table (a JSON object), found {type(data).__name__}"))
    faults: list[Fault] = []
    table = None
    try:
        table = ProblemTable.model_validate(data)
    except ValidationError as error:
        faults += [_fault(details) for details in error.errors(include_url=False)]
    faults += [fault for fault in _across_keys(data) if all(fault.key != known.key for known in faults)]
    if faults or table is None:
        raise InputError(faults)
    max_loss = table.max_loss if table.max_loss is not None else table.codec.max_loss
    names = tuple(node.name if node.name is not None else f"node {k}" for k, node in enumerate(table.nodes))
    return Problem(
        compute_s=np.array([node.compute_s for node in table.nodes]),
        activation_bytes=np.array(table.layers.activation_bytes),
        layer_memory_bytes=np.array(table.layers.memory_bytes),
        memory_bytes=np.array([node.memory_bytes for node in table.nodes]),
        rate_bps=np.array([hop.rate_bps for hop in table.hops], dtype=np.float64),
        input_bytes=table.input.bytes,
        n_batches=table.n_batches,
        input_rate_bps=table.input.rate_bps if table.input.rate_bps is not None else np.inf,
        delay_s=np.array([hop.delay_s for hop in table.hops], dtype=np.float64),
        codec_ratio=np.array(table.codec.ratio),
        codec_accuracy=np.array(table.codec.accuracy if table.codec.accuracy is not None else np.nan),
        min_accuracy=table.min_accuracy if table.min_accuracy is not None else -np.inf,
        codec_loss=np.array(table.codec.loss if table.codec.loss is not None else np.nan),
        max_loss=max_loss if max_loss is not None else np.inf,
        rule=table.codec.rule,
        relay=table.relay,
        max_compute_nodes=table.max_compute_nodes,
        delay_model=table.delay_model,
        memory_overhead_bytes=np.array([node.memory_overhead_bytes for node in table.nodes]),
        encode_s_per_byte=np.array([node.encode_s_per_byte for node in table.nodes]),
        decode_s_per_byte=np.array([node.decode_s_per_byte for node in table.nodes]),
        power_w=np.array([np.nan if node.power_w is None else node.power_w for node in table.nodes]),
        node_names=names,
    )


def _fault(details: ErrorDetails) -> Fault:
    key = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        known = _keys_beside(details["loc"])
        close = difflib.get_close_matches(str(details["loc"][-1]), known, n=1, cutoff=0.6)
        return Fault(key, f"unknown key; did you mean {close[0]!r}?" if close else "unknown key")
    if details["type"] == "missing":
        return Fault(key, "missing")
    message = details["msg"].replace("Input should be", "expected")
    if details["type"] == "model_type":
        message = "expected a table (a JSON object)"
    found = json.dumps(details["input"], default=str)
    return Fault(key, f"{message}, found {found if len(found) <= 60 else found[:57] + '...'}")


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the table at a location knows."""
    table: type[BaseModel] = ProblemTable
    for part in location[:-1]:
        if isinstance(part, str) and part in table.model_fields:
            annotation = table.model_fields[part].annotation
            inner = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
            table = next((kind for kind in inner if issubclass(kind, BaseModel)), table)
    return list(table.model_fields)


def _across_keys(data: Mapping[str, Any]) -> list[Fault]:
    """Check lengths and keys that need each other on the raw tables, whatever else is wrong with them."""
    faults: list[Fault] = []
    nodes, hops = data.get("nodes"), data.get("hops")
    layers, codec = _table(data, "layers"), _table(data, "codec")
    if isinstance(nodes, list) and nodes and isinstance(hops, list) and len(hops) not in (len(nodes), len(nodes) - 1):
        faults.append(Fault("hops", f"expected {len(nodes)} entries (as nodes) or one fewer, found {len(hops)}"))
    sized = {
        "layers.activation_bytes": layers.get("activation_bytes"),
        "layers.memory_bytes": layers.get("memory_bytes"),
    }
    if isinstance(nodes, list):
        sized |= {
            f"nodes.{k}.compute_s": node.get("compute_s") for k, node in enumerate(nodes) if isinstance(node, Mapping)
        }
    faults += _uneven(sized, "one per layer")
    faults += _uneven({f"codec.{key}": codec.get(key) for key in ("ratio", "accuracy", "loss")}, "one per ratio")
    if codec.get("rule") == "cumulative":
        if codec.get("loss") is None:
            faults.append(Fault("codec.loss", "missing: the rule 'cumulative' needs the loss at each ratio"))
        budgets = [table["max_loss"] for table in (data, codec) if table.get("max_loss") is not None]
        if not budgets:
            faults.append(Fault("max_loss", "missing: the rule 'cumulative' needs a budget"))
        elif budgets[0] != budgets[-1]:
            faults.append(Fault("codec.max_loss", f"expected the same as max_loss = {budgets[0]}, found {budgets[-1]}"))
    elif data.get("min_accuracy") is not None and codec and codec.get("accuracy") is None:
        faults.append(Fault("codec.accuracy", "missing: min_accuracy needs the accuracy at each ratio"))
    return faults


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = data.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _uneven(lists: Mapping[str, Any], what: str) -> list[Fault]:
    lengths = {key: len(values) for key, values in lists.items() if isinstance(values, list)}
    if not lengths:
        return []
    first, expected = next(iter(lengths.items()))
    return [
        Fault(key, f"expected {expected} values ({what}, as in {first}), found {length}")
        for key, length in lengths.items()
        if length != expected
    ]
