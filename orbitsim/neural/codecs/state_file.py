"""Codecs on disk: tensors in safetensors, everything else in its JSON header; nothing is unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from orbitsim.errors import InputError, OutputError
from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.codecs.registry import make_codec

FILE_VERSION = 1
_KEY = "orbitsim_codec"


def save_codec(codec: Codec, path: str | Path, provenance: dict[str, Any] | None = None) -> None:
    """Write a codec: its state, its settings, its identity and where it comes from.

    Parameters
    ----------
    codec : Codec
        Codec to save.
    path : path
        File, by convention ending in ``.safetensors``; it appears under its name only when complete.
    provenance : dict, optional
        JSON values to keep beside it: data, model, cut, seed, command.
    """
    header = {
        "version": FILE_VERSION,
        "kind": codec.kind,
        "settings": codec.settings(),
        "codec_id": codec.codec_id,
        "provenance": provenance or {},
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in codec.state_dict().items()}
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")
    try:
        save_file(tensors, unfinished, metadata={_KEY: json.dumps(header, sort_keys=True)})
        unfinished.replace(path)
    except (OSError, SafetensorError) as fault:
        raise OutputError(f"{path}: cannot write the codec: {fault}") from fault


def load_codec(path: str | Path) -> Codec:
    """Return the codec of a file, in evaluation mode.

    Raises
    ------
    InputError
        If the file is missing, is not a codec's, or holds a state that is not the one it names.
    """
    header, tensors = _read(Path(path))
    try:
        codec = make_codec(header["kind"], **header["settings"])
        codec.load_state_dict(tensors)
    except InputError as fault:
        raise fault.located(path) from fault
    except (RuntimeError, TypeError) as fault:
        raise InputError(f"{path}: expected the state of a codec {header['kind']}: {fault}") from fault
    codec.eval()
    if codec.codec_id != header["codec_id"]:
        raise InputError(f"{path}: expected the codec {header['codec_id']}, as its header says, got {codec.codec_id}")
    return codec


def codec_provenance(path: str | Path) -> dict[str, Any]:
    """Return the header of a codec's file: version, kind, settings, identity, provenance."""
    return _read(Path(path))[0]


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors: dict[str, torch.Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(metadata[_KEY])
    except KeyError as fault:
        raise InputError(f"{path}: expected a codec, got a safetensors file without one") from fault
    except (OSError, SafetensorError, ValueError) as fault:
        raise InputError(f"{path}: expected a readable safetensors file with a codec: {fault}") from fault
    if not isinstance(header, dict) or header.get("version") != FILE_VERSION:
        raise InputError(f"{path}: expected a codec file of version {FILE_VERSION}")
    missing = {"kind", "settings", "codec_id"} - header.keys()
    if missing:
        raise InputError(f"{path}: expected {', '.join(sorted(missing))} in the codec's header")
    return header, tensors
