"""From a module and the way it is called to its parts, with all weights or one part at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from orbitsim.errors import InputError
from orbitsim.neural.dissection import BlockPart, EmbeddingPart, HeadPart, Passages, without_values
from orbitsim.neural.layout import lay_out
from orbitsim.neural.parts import ModelKind, ModelParts
from orbitsim.neural.weights import Initialise, copy_tied, materialise


def cut(
    root: nn.Module,
    path: str,
    *,
    name: str,
    kind: ModelKind,
    output: str,
    input_shape: tuple[int, ...],
    n_vocabulary: int | None = None,
    seed: int = 1,
    initialise: Initialise,
    tied: Mapping[str, str] | None = None,
) -> ModelParts:
    """Cut a module that takes one tensor and returns one at its list of blocks.

    Parameters
    ----------
    root : Module
        The whole model, in evaluation mode: with weights, or on the meta device to be built one part at a time.
    path : str
        Path of the list of blocks in it.
    name, kind, output, input_shape, n_vocabulary
        As in `ModelParts`.
    seed : int
        Seed of random weights of parts that are built.
    initialise : callable
        Sets the weights of one module (`orbitsim.neural.weights`).
    tied : mapping of str to str, optional
        Parameters that are others: name of the parameter to the name of the one it equals.

    Raises
    ------
    InputError
        When the blocks are not a chain.
    """
    is_laid_out = any(p.is_meta for p in root.parameters())
    hollow = without_values(root).to(torch.bfloat16)  # the type for which every operator has a meta version
    shape = (2, *input_shape)
    tokens = torch.zeros(shape, dtype=torch.long, device="meta")
    values = torch.zeros(shape, dtype=_dtype_of(hollow), device="meta")
    layout = lay_out(hollow, path, values if n_vocabulary is None else tokens)

    def example(hidden: Tensor) -> Tensor:
        """Return an input of zeros that leads to tensors of this batch and number of tokens; takes no memory."""
        if n_vocabulary is not None:
            return hidden.new_zeros((), dtype=torch.long).expand(hidden.shape[:2])
        return hidden.new_zeros(()).expand(hidden.shape[0], *input_shape)

    def fill(hidden: Tensor) -> None:
        x = example(hidden)
        # Not remembered: the part would stay in memory for as long as the model does.
        part = embedding if not is_laid_out else build(0, hidden.device, hidden.dtype)
        with torch.no_grad():
            part(x if n_vocabulary is not None else x.to(_dtype_of(part)))

    passages = Passages(layout, fill)
    embedding = EmbeddingPart(root, layout, passages)
    blocks = tuple(BlockPart(b, i, passages) for i, b in enumerate(root.get_submodule(path).children()))
    head = HeadPart(root, layout, passages, example)
    chain: tuple[nn.Module, ...] = (embedding, *blocks, head)

    def canonical(number: int) -> Callable[[str], str]:
        before = f"{path}.{number - 1}" if 0 < number < len(chain) - 1 else ""
        return lambda local: _joined(before, local.partition(".")[2])

    def build(number: int, device: torch.device, dtype: torch.dtype) -> nn.Module:
        part = copy.deepcopy(chain[number])
        if not is_laid_out:
            return part.to(device=device, dtype=dtype)
        materialise(part, canonical(number), initialise, seed, device)
        copy_tied(part, _values_of_tied(root, part, canonical(number), tied or {}, initialise, seed, device))
        return part.to(dtype)

    return ModelParts(
        name=name,
        kind=kind,
        embedding=embedding,
        blocks=blocks,
        head=head,
        output=output,
        input_shape=input_shape,
        n_vocabulary=n_vocabulary,
        whole=None if is_laid_out else root,
        build=build,
    )


def _joined(before: str, name: str) -> str:
    return ".".join(word for word in (before, name) if word)


def _dtype_of(module: nn.Module) -> torch.dtype:
    dtypes = [p.dtype for p in module.parameters() if p.dtype.is_floating_point]
    if not dtypes:
        return torch.float32
    return dtypes[0]


def _values_of_tied(
    root: nn.Module,
    part: nn.Module,
    canonical: Callable[[str], str],
    tied: Mapping[str, str],
    initialise: Initialise,
    seed: int,
    device: torch.device,
) -> dict[str, Tensor]:
    """Return the values of the parameters of a part that are others, by their name in the part."""
    local = {canonical(name): name for name, _ in part.named_parameters()}
    values: dict[str, Tensor] = {}
    for target, source in tied.items():
        if target not in local or source in local:
            continue
        owner_name, _, parameter_name = source.rpartition(".")
        owner = copy.deepcopy(root.get_submodule(owner_name))
        materialise(owner, partial(_joined, owner_name), initialise, seed, device)
        values[local[target]] = owner.get_parameter(parameter_name)
    return values


def check_path(root: nn.Module, path: str) -> None:
    """Raise an `InputError` unless `path` leads to a list of blocks in a module."""
    try:
        module = root.get_submodule(path)
    except AttributeError as error:
        raise InputError(f"expected the path of a list of blocks, got {path!r}: {error}") from error
    if not isinstance(module, nn.ModuleList | nn.Sequential) or not len(module):
        raise InputError(f"expected {path!r} to be a ModuleList or Sequential, it is a {type(module).__name__}")
