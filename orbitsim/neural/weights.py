"""Random weights that depend on the seed and the name of each module only, not on which part is built, or when."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import torch
from torch import nn

from orbitsim.errors import InputError

Initialise = Callable[[nn.Module], None]


def materialise(
    part: nn.Module,
    canonical: Callable[[str], str],
    initialise: Initialise,
    seed: int,
    device: torch.device | str = "cpu",
) -> None:
    """Give a module on the meta device memory and random weights, in place.

    Parameters
    ----------
    part : Module
        Module on the meta device.
    canonical : callable
        Name within `part` to the name within the whole model.
    initialise : callable
        Sets the parameters and buffers that a module owns itself, from torch's global generator.
    seed : int
        Seed of the whole model.
    device : torch.device or str
        Where the memory is taken.
    """
    device = torch.device(device)
    part.to_empty(device=device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        for name, module in part.named_modules():
            if module._parameters or module._buffers:  # noqa: SLF001  its own, not its submodules'
                torch.manual_seed(_seed_of(seed, canonical(name)))
                _initialise_own(module, initialise)


def _initialise_own(module: nn.Module, initialise: Initialise) -> None:
    """Initialise what a module owns; a parameter that its model's initialisation leaves out becomes normal."""
    own = [p for p in module.parameters(recurse=False) if p.numel() and p.is_floating_point()]
    for parameter in own:
        parameter.view(-1)[0] = torch.nan  # overwritten by any initialisation
    for buffer in module.buffers(recurse=False):
        buffer.zero_()
    initialise(module)
    for parameter in own:
        if parameter.view(-1)[0].isnan():
            nn.init.normal_(parameter, std=0.02)


def _seed_of(seed: int, name: str) -> int:
    return zlib.crc32(f"{seed}/{name}".encode())


def initialise_plain(module: nn.Module) -> None:
    """Initialise a module that need not be of `transformers`: its own way, or normal with a deviation of 0.02.

    Raises
    ------
    InputError
        When it owns buffers, whose values only its constructor knows.
    """
    reset = getattr(module, "reset_parameters", None)
    if callable(reset):
        reset()
        return
    if any(buffer is not None for buffer in module.buffers(recurse=False)):
        raise InputError(
            f"the buffers of {type(module).__name__} are not known before it is built; profile the model built whole"
        )
    for parameter in module.parameters(recurse=False):
        nn.init.normal_(parameter, std=0.02)


def copy_tied(part: nn.Module, names: Mapping[str, torch.Tensor]) -> None:
    """Set the parameters of a part that the whole model ties to parameters outside of it."""
    with torch.no_grad():
        for name, values in names.items():
            part.get_parameter(name).copy_(values)
