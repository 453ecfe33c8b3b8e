"""Cut a module at its list of blocks, whatever its family: run its own code up to the list, and from the list on.

A module's `forward` is not rewritten. The embedding is the module itself with a first block that stops it; the head is
the module itself with a first block that puts in the tensor, and with costless stand-ins for what ran before. Which
submodule runs before, in or after the blocks is seen in one run on the meta device.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from orbitsim.errors import InputError

_LISTS = (nn.ModuleList, nn.Sequential)
_NAMES_OF_HIDDEN = ("hidden_states", "x", "input")


def find_block_list(root: nn.Module) -> str:
    """Return the path of the longest list of modules of one class; of two equally long ones the outer, then the first.

    Raises
    ------
    InputError
        When there is none of at least two, or when it lies inside another list (a hierarchical model).
    """
    found: list[tuple[int, int, str]] = []
    for path, module in root.named_modules():
        if isinstance(module, _LISTS) and len(module) > 1 and len({type(child) for child in module}) == 1:
            found.append((-len(module), path.count("."), path))
    if not found:
        raise InputError("expected a module with a list of at least two blocks of one class, found none")
    path = min(found, key=lambda entry: entry[:2])[2]
    names = path.split(".")
    outer = [".".join(names[:n]) for n in range(1, len(names))]
    inside = [name for name in outer if isinstance(root.get_submodule(name), nn.ModuleList)]
    if inside:
        raise InputError(
            f"expected one chain of blocks, found those of {inside[0]} in lists of their own (a hierarchical model)"
        )
    return path


class _ReachedError(Exception):
    """The first block was reached; carries its input. Never leaves this module."""

    def __init__(self, hidden: Tensor) -> None:
        super().__init__()
        self.hidden = hidden


class _AnswerYes(TorchDispatchMode):
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
        return args[self.hidden] if isinstance(self.hidden, int) else kwargs[self.hidden]

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
        with torch.no_grad(), _AnswerYes():
            root(example)
    except (TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError, IndexError) as error:
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
    for place, other in (*enumerate(args), *kwargs.items()):
        if other is value:
            return place
    return None


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
        return super()._apply(fn, recurse)

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
        return output[0] if isinstance(output, tuple) else output


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
