"""Checkpoints: tensors and JSON in one safetensors file that is replaced whole; nothing is unpickled.

Tensors are named ``group/name``. Moments of the optimiser are tensors beside the weights; the rest of its state is
JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from orbitsim.errors import InputError, OutputError
from orbitsim.neural.tensor_file import contents_hash, write_tensors

VERSION = 1
_KEY = "orbitsim_checkpoint"
_HASH_KEY = "sha256"  # of tensors and JSON; older checkpoints have none

Groups = Mapping[str, Mapping[str, Tensor]]


def write_checkpoint(path: Path, groups: Groups, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; a kill at any moment leaves the one before it or this one, whole.

    Parameters
    ----------
    path : Path
        File.
    groups : mapping of str to mapping of str to Tensor
        Tensors by group (no ``/`` in its name) and name.
    state : mapping
        JSON values.

    Raises
    ------
    OutputError
        When it cannot be written; what was there before is unchanged.
    """
    tensors = {
        f"{group}/{name}": tensor.detach().to("cpu", copy=True).contiguous()
        for group, named in groups.items()
        for name, tensor in named.items()
    }
    content = json.dumps({"version": VERSION, "state": dict(state)})
    try:
        write_tensors(path, tensors, {_KEY: content, _HASH_KEY: contents_hash(tensors, content)})
    except (OSError, SafetensorError) as fault:
        raise OutputError(f"{path}: cannot write the checkpoint: {fault}") from fault


def read_checkpoint(path: Path) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """Return groups and state of a checkpoint.

    Raises
    ------
    InputError
        When the file is missing, damaged (by as little as a bit) or something else.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get(_HASH_KEY) not in (None, contents_hash(tensors, metadata[_KEY])):
            raise InputError(
                f"{path}: expected the checkpoint that was written, but its contents do not match their checksum: it "
                "was damaged since; restore a copy of it, or train again in another folder"
            )
        content = json.loads(metadata[_KEY])
        if content["version"] != VERSION:
            raise InputError(f"{path}: expected a checkpoint of version {VERSION}, got {content['version']}")
        state: dict[str, Any] = content["state"]
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as fault:
        raise InputError(f"{path}: expected a whole checkpoint of a training run: {fault}") from fault
    groups: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = tensor
    return groups, state


def optimiser_state(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Return tensors by ``parameter number.name`` and the settings of the groups as JSON values."""
    state = optimiser.state_dict()
    tensors = {}
    for number, entries in state["state"].items():
        for name, value in entries.items():
            tensors[f"{number}.{name}"] = value if isinstance(value, Tensor) else torch.tensor(float(value))
    groups = [{k: list(v) if isinstance(v, tuple) else v for k, v in group.items()} for group in state["param_groups"]]
    return tensors, groups


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    """Give an optimiser the state that `optimiser_state` returned."""
    entries: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        entries.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({"state": entries, "param_groups": groups})
