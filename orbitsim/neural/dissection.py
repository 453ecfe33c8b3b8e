"""Cut a module at its list of blocks, whatever its family: run its own code up to the list, and from the list on.

A module's `forward` is not rewritten. The embedding is the module itself with a first block that stops it; the head is
the module itself with a first block that puts in the tensor, and with costless stand-ins for what ran before. Which
submodule runs before, in or after the blocks is known from `orbitsim.neural.layout`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from orbitsim.errors import InputError
from orbitsim.neural.layout import Layout


class _ReachedError(Exception):
    """The first block was reached; carries its input. Never leaves this module."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden


@dataclass
class Passage:
    """What a module hands to its blocks, and what ran before them returned, for one shape of input."""

    block_arguments: list[tuple[tuple[Any, ...], dict[str, Any]]]
    returned_before: dict[str, Any]


@dataclass
class Passages:
    """The passages seen so far, by shape, type and device of the tensor that passes through.

    Attributes
    ----------
    layout : Layout
        How the module calls its blocks.
    fill : callable
        Called when a passage is missing: runs an embedding part on an input that leads to the tensor given.
    """

    layout: Layout
    fill: Callable[[Tensor], None] = field(repr=False)
    seen: dict[tuple[Any, ...], Passage] = field(default_factory=dict, repr=False)

    def __deepcopy__(self, _: Any) -> Passages:
        return self

    @staticmethod
    def key(hidden: Tensor) -> tuple[Any, ...]:
        """Return what a passage depends on: batch and tokens, type of values, device, and autocast's."""
        kind = hidden.device.type
        if kind != "meta" and torch.is_autocast_enabled(kind):  # which then sets the type of values as it goes
            return (*hidden.shape[:2], "autocast", torch.get_autocast_dtype(kind), hidden.device)
        return (*hidden.shape[:2], "weights", hidden.dtype, hidden.device)

    def of(self, hidden: Tensor) -> Passage:
        """Return the passage that belongs to a tensor on its way through the blocks."""
        key = self.key(hidden)
        if key not in self.seen:
            self.fill(hidden)
        if key not in self.seen:
            raise RuntimeError(
                f"no input of the model leads to a tensor of shape {tuple(hidden.shape)}, {hidden.dtype}"
            )
        return self.seen[key]


class _Stop(nn.Module):
    """In place of the first block: ends the run."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        raise _ReachedError(self.layout.hidden_of(args, kwargs))


class _Note(nn.Module):
    """In place of a block: notes its arguments."""

    def __init__(self, layout: Layout, notes: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
        super().__init__()
        self.layout, self.notes = layout, notes

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.notes.append((args, kwargs))
        hidden = self.layout.hidden_of(args, kwargs)
        if len(self.notes) == self.layout.n_blocks:
            raise _ReachedError(hidden)
        return self.layout.returned(hidden)


class _PutIn(nn.Module):
    """In place of the first block: returns the tensor that the head is to work on."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        self.hidden: Tensor | None = None

    def forward(self, *_: Any, **__: Any) -> Any:
        if self.hidden is None:
            raise AssertionError("the head part puts a tensor in before it runs")
        return self.layout.returned(self.hidden)


class _StandIn(nn.Module):
    """In place of a submodule that runs before the blocks: returns what has the shape of its output, for nothing."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        # attributes are asked of it, its weights are neither counted nor kept
        object.__setattr__(self, "original", without_values(original))
        self.returns: Any = None

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(object.__getattribute__(self, "original"), name)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> _StandIn:
        self.original.to(fn(torch.empty(0)).dtype)  # models look up the type of weights that they stand beside
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def forward(self, *_: Any, **__: Any) -> Any:
        return self.returns


def _with_replaced(module: nn.Module, replacements: Mapping[str, nn.Module], prefix: str = "") -> nn.Module:
    """Return a module that shares all but the replaced submodules with the one given."""
    new = copy.copy(module)
    new._modules = {}  # noqa: SLF001  the only way to share parameters and not the list of submodules
    for name, child in module.named_children():
        full = f"{prefix}{name}"
        if full in replacements:
            new._modules[name] = replacements[full]  # noqa: SLF001
        elif any(path.startswith(f"{full}.") for path in replacements):
            new._modules[name] = _with_replaced(child, replacements, f"{full}.")  # noqa: SLF001
        else:
            new._modules[name] = child  # noqa: SLF001
    for name, value in module._modules.items():  # noqa: SLF001  submodules that are None have no place among children
        if value is None:
            new._modules[name] = None  # noqa: SLF001
    return new


class EmbeddingPart(nn.Module):
    """All that a module does before its first block; remembers what it hands to the blocks."""

    def __init__(self, root: nn.Module, layout: Layout, passages: Passages) -> None:
        super().__init__()
        self.passages = passages
        list_type = type(root.get_submodule(layout.path))
        absent = {path: nn.Identity() for path in layout.after}
        self.skeleton = _with_replaced(root, {**absent, layout.path: list_like(list_type, [_Stop(layout)])})

    def forward(self, x: Tensor) -> Tensor:
        """Return the input of the first block."""
        hidden = self._run(self.skeleton, x)
        if Passages.key(hidden) not in self.passages.seen:
            self._remember(x)
        return hidden

    @staticmethod
    def _run(skeleton: nn.Module, x: Tensor) -> Tensor:
        try:
            skeleton(x)
        except _ReachedError as reached:
            return reached.hidden
        raise AssertionError("a module laid out before runs its blocks")

    def _remember(self, x: Tensor) -> None:
        layout = self.passages.layout
        notes: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        stops = self.skeleton.get_submodule(layout.path)
        noting = list_like(type(stops), [_Note(layout, notes) for _ in range(layout.n_blocks)])
        skeleton = _with_replaced(self.skeleton, {layout.path: noting})
        returned: dict[str, Any] = {}

        def keep(path: str) -> Callable[..., None]:
            def hook(_: nn.Module, __: Any, output: Any) -> None:
                returned[path] = pytree.tree_map(_shape_only, output)

            return hook

        handles = [skeleton.get_submodule(p).register_forward_hook(keep(p)) for p in layout.before - layout.after]
        try:
            with torch.inference_mode(mode=False), torch.no_grad():
                hidden = self._run(skeleton, x.clone())
        except (AttributeError, TypeError, IndexError, KeyError) as error:
            model = type(self.skeleton).__name__
            message = (
                f"expected a model that only calls its blocks, one after another; {model} looks into them: {error}"
            )
            raise InputError(message) from error
        finally:
            for handle in handles:
                handle.remove()
        self.passages.seen[Passages.key(hidden)] = Passage(notes, returned)


def without_values(module: nn.Module) -> nn.Module:
    """Return a copy of a module on the meta device, made without copying its values."""
    memo: dict[int, Any] = {id(p): nn.Parameter(p.detach().to("meta"), p.requires_grad) for p in module.parameters()}
    memo |= {id(b): b.to("meta") for b in module.buffers()}
    return copy.deepcopy(module, memo)


def list_like(kind: type[nn.Module], modules: list[nn.Module]) -> nn.Module:
    """Return a list of modules of the kind that a module's own list is."""
    return nn.Sequential(*modules) if issubclass(kind, nn.Sequential) else nn.ModuleList(modules)


def _shape_only(value: Any) -> Any:
    return value.new_zeros(()).expand(value.shape) if isinstance(value, Tensor) else value


class BlockPart(nn.Module):
    """One block with the arguments that its model gives it."""

    def __init__(self, block: nn.Module, number: int, passages: Passages) -> None:
        super().__init__()
        self.block, self.number, self.passages = block, number, passages

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the output of the block."""
        args, kwargs = self.passages.of(hidden).block_arguments[self.number]
        place = self.passages.layout.hidden
        if isinstance(place, int):
            output = self.block(*args[:place], hidden, *args[place + 1 :], **kwargs)
        else:
            output = self.block(*args, **{**kwargs, place: hidden})
        left: Tensor = output[0] if isinstance(output, tuple) else output
        return left


class HeadPart(nn.Module):
    """All that a module does after its last block."""

    def __init__(
        self, root: nn.Module, layout: Layout, passages: Passages, example: Callable[[Tensor], Tensor]
    ) -> None:
        super().__init__()
        self.passages, self.example = passages, example
        self.stand_ins = {path: _StandIn(root.get_submodule(path)) for path in sorted(layout.before)}
        list_type = type(root.get_submodule(layout.path))
        self.put_in = _PutIn(layout)
        self.skeleton = _with_replaced(root, {**self.stand_ins, layout.path: list_like(list_type, [self.put_in])})

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the output of the model."""
        returned = self.passages.of(hidden).returned_before
        for path, stand_in in self.stand_ins.items():
            stand_in.returns = returned.get(path)
        self.put_in.hidden = hidden
        try:
            output: Tensor = self.skeleton(self.example(hidden))
        finally:
            self.put_in.hidden = None
        return output
