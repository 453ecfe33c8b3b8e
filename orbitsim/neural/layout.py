"""How a module calls its list of blocks, seen in one run on the meta device: no values, no time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from orbitsim.errors import InputError

_LISTS = (nn.ModuleList, nn.Sequential)


def find_block_list(root: nn.Module) -> str:
    """Return the path of the longest list of modules of one class; of several equally long ones the outermost.

    Raises
    ------
    InputError
        When there is none of at least two, when it lies inside another list (a hierarchical model), or when several
        are equally long and equally far out.
    """
    found: list[tuple[int, int, str]] = []
    for path, module in root.named_modules():
        if isinstance(module, _LISTS) and len(module) > 1 and len({type(child) for child in module}) == 1:
            found.append((-len(module), path.count("."), path))
    if not found:
        raise InputError("expected a module with a list of at least two blocks of one class, found none")
    first = min(found, key=lambda entry: entry[:2])
    path = first[2]
    names = path.split(".")
    outer = [".".join(names[:n]) for n in range(1, len(names))]
    inside = [name for name in outer if isinstance(root.get_submodule(name), nn.ModuleList)]
    if inside:
        raise InputError(
            f"expected one chain of blocks, found those of {inside[0]} in lists of their own (a hierarchical model)"
        )
    equal = [other for *rank, other in found if rank == list(first[:2])]
    if len(equal) > 1:
        is_wrapped = [name for name, _ in root.named_children()] == ["model"]  # around a module of the user's own
        paths = ", ".join(other.removeprefix("model.") if is_wrapped else other for other in equal)
        raise InputError(
            f"expected one longest list of blocks, found {len(equal)} of {-first[0]} blocks each "
            f"({paths}); choose one with --blocks"
        )
    return path


class _AnswerYes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers what a tensor without values cannot: whether all positions follow one another, and the like, with yes."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:  # noqa: SLF001  an operator's name
            return True if args[0].dtype == torch.bool else args[0].new_ones((), device="cpu").item()
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Layout:
    """How a module calls its blocks.

    Attributes
    ----------
    path : str
        Path of the list of blocks.
    n_blocks : int
        Blocks in it.
    hidden : int or str
        Place or keyword of the tensor that passes through, among a block's arguments.
    n_returned : int
        Values that a block returns; 0 for a bare tensor.
    before, after : frozenset of str
        Paths of the submodules that run only before, and only after, the blocks.
    """

    path: str
    n_blocks: int
    hidden: int | str
    n_returned: int
    before: frozenset[str]
    after: frozenset[str]

    def hidden_of(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
        """Return the tensor that passes through, out of a block's arguments."""
        hidden: Tensor = args[self.hidden] if isinstance(self.hidden, int) else kwargs[self.hidden]
        return hidden

    def returned(self, hidden: Tensor) -> Any:
        """Return a tensor the way a block does."""
        return (hidden, *[None] * (self.n_returned - 1)) if self.n_returned else hidden


def lay_out(root: nn.Module, path: str, example: Tensor) -> Layout:
    """Run a module once (on the meta device, for nothing) and return how it calls its blocks.

    Raises
    ------
    InputError
        When the blocks are not called once each, in order, each with the output of the one before.
    """
    blocks = list(root.get_submodule(path).children())
    calls: list[tuple[int, tuple[Any, ...], dict[str, Any], Any]] = []
    ran: dict[str, set[int]] = {}
    phase = 0

    def note(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            ran.setdefault(name, set()).add(phase)

        return hook

    def enter(*_: Any) -> None:
        nonlocal phase
        phase = 1

    def leave(number: int) -> Callable[..., None]:
        def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            nonlocal phase
            calls.append((number, args, kwargs, output))
            phase = 2 if len(calls) == len(blocks) else 1

        return hook

    handles = [blocks[0].register_forward_pre_hook(enter)]
    handles += [m.register_forward_pre_hook(note(name)) for name, m in root.named_modules()]
    handles += [block.register_forward_hook(leave(i), with_kwargs=True) for i, block in enumerate(blocks)]
    try:
        with torch.no_grad(), _AnswerYes():  # type: ignore[no-untyped-call]
            root(example)
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        shape = tuple(example.shape[1:])
        raise InputError(f"expected a model that runs on one tensor of samples of shape {shape}: {error}") from error
    finally:
        for handle in handles:
            handle.remove()
    if [call[0] for call in calls] != list(range(len(blocks))):
        raise InputError(f"expected the {len(blocks)} blocks of {path} to run once each, in order")
    outputs = [call[3][0] if isinstance(call[3], tuple) else call[3] for call in calls]
    places = {_place_of(value, args, kwargs) for value, (_, args, kwargs, _) in zip(outputs, calls[1:], strict=False)}
    if len(places) != 1 or None in places or not all(isinstance(value, Tensor) for value in outputs):
        raise InputError(f"expected each block of {path} to take the tensor that the one before returns")
    hidden = places.pop()
    if hidden is None:
        raise AssertionError("a place was found above")
    before, after = _exclusive(root, path, ran)
    n_returned = len(calls[0][3]) if isinstance(calls[0][3], tuple) else 0
    return Layout(path, len(blocks), hidden, n_returned, before, after)


def _place_of(value: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> int | str | None:
    for place, other in enumerate(args):
        if other is value:
            return place
    return next((name for name, other in kwargs.items() if other is value), None)


def _exclusive(root: nn.Module, path: str, ran: Mapping[str, set[int]]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the topmost submodules that run only before, and only after, the blocks (or never, and have weights)."""
    before, after = set(), set()

    def visit(module: nn.Module, name: str) -> None:
        for child_name, child in module.named_children():
            full = f"{name}.{child_name}" if name else child_name
            if full == path:
                continue
            inner = [n for n, _ in child.named_modules(prefix=full)]
            phases = set().union(*(ran.get(n, set()) for n in inner))
            if phases == {0}:
                before.add(full)
            elif phases == {2}:
                after.add(full)
            elif not phases and any(True for _ in child.parameters()):
                before.add(full)
                after.add(full)
            else:
                visit(child, full)

    visit(root, "")
    return frozenset(before), frozenset(after)
