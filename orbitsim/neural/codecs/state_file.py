"""Codecs on disk: tensors in safetensors, everything else in its JSON header; nothing is unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from orbitsim.errors import InputError, OutputError
from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.codecs.registry import make_codec
from orbitsim.neural.tensor_file import contents_hash, write_tensors

FILE_VERSION = 1
_KEY = "orbitsim_codec"
_HASH_KEY = "sha256"  # of tensors and header; older files have none


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
    path, content = Path(path), json.dumps(header, sort_keys=True)
    try:
        write_tensors(path, tensors, {_KEY: content, _HASH_KEY: contents_hash(tensors, content)})
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
    if any(torch.isnan(tensor).any() for tensor in tensors.values() if tensor.is_floating_point()):
        raise InputError(f"{path}: expected numbers in the state of a codec {header['kind']}, found some that are none")
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
        content = metadata[_KEY]
        header = json.loads(content)
    except KeyError as fault:
        raise InputError(f"{path}: expected a codec, got a safetensors file without one") from fault
    except (OSError, SafetensorError, ValueError) as fault:
        raise InputError(f"{path}: expected a readable safetensors file with a codec: {fault}") from fault
    if metadata.get(_HASH_KEY) not in (None, contents_hash(tensors, content)):
        raise InputError(
            f"{path}: expected the codec that was written, but the contents do not match their checksum: it was "
            "damaged since; restore a copy of it, or train or calibrate again"
        )
    if not isinstance(header, dict) or header.get("version") != FILE_VERSION:
        raise InputError(f"{path}: expected a codec file of version {FILE_VERSION}")
    missing = {"kind", "settings", "codec_id"} - header.keys()
    if missing:
        raise InputError(f"{path}: expected {', '.join(sorted(missing))} in the codec's header")
    return header, tensors
