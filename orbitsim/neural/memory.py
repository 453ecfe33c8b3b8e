"""The highest memory that a part needs while it runs: weights, input, and every tensor alive at once inside."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


class _LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the storages that operators make, from their making to their release."""

    def __init__(self, known: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.known = known  # storages that were there before
        self.live: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in pytree.tree_leaves(result):
            if isinstance(value, Tensor) and value.layout == torch.strided:
                storage = value.untyped_storage()
                reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                if reference.cdata not in self.known:
                    self.live[reference.cdata] = (reference, storage.nbytes())
        gone = [key for key, (reference, _) in self.live.items() if reference.expired()]  # type: ignore[no-untyped-call]
        for key in gone:
            del self.live[key]
        self.peak_bytes = max(self.peak_bytes, sum(size for _, size in self.live.values()))
        return result


def weights_bytes(part: nn.Module) -> int:
    """Return the size of a part's parameters, each counted once [B]."""
    return sum(p.numel() * p.element_size() for p in part.parameters())


def peak_memory_bytes(part: nn.Module, x: Tensor) -> tuple[int, Tensor]:
    """Return the peak memory of one part on one input, and its output.

    Parameters
    ----------
    part : Module
        The part, on the device of `x`.
    x : Tensor
        Its input.

    Returns
    -------
    peak_bytes : int
        Parameters and buffers, the input, and the most that was alive beside them. [B]
    output : Tensor
        What the part returned.

    Notes
    -----
    On CUDA the allocator's own peak is read, which holds what kernels allocate through it. On the CPU, whose allocator
    counts nothing, tensors are followed from operator to operator; what a kernel takes for itself is not seen.
    """
    own = weights_bytes(part) + sum(b.numel() * b.element_size() for b in part.buffers())
    given = x.numel() * x.element_size()
    if x.device.type == "cuda":
        torch.cuda.synchronize(x.device)
        torch.cuda.reset_peak_memory_stats(x.device)
        before = torch.cuda.memory_allocated(x.device)
        output = part(x)
        torch.cuda.synchronize(x.device)
        return own + given + torch.cuda.max_memory_allocated(x.device) - before, output
    tensors = (x, *part.parameters(), *part.buffers())
    known = {StorageWeakRef(t.untyped_storage()).cdata for t in tensors}  # type: ignore[no-untyped-call]
    with _LiveTensors(known) as live:
        output = part(x)
    return own + given + live.peak_bytes, output


def how_measured(device: torch.device) -> str:
    """Return in words how `peak_memory_bytes` is measured on a device."""
    if device.type == "cuda":
        return "weights, input, and the peak of torch's CUDA allocator while the part ran"
    return "weights, input, and the most bytes of tensors alive between operators; memory inside kernels is not seen"
