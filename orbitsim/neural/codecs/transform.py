"""The transform codec: channels to principal components, tokens to frequencies, one step for all that is kept.

A calibrated mean of each token and channel is taken off; a linear transform (`fit_transform`: the principal components
under the metric of the output's gradient) turns channels into components; the grid of tokens is cut into blocks whose
cosine transform gathers what neighbours share; every coefficient is divided by one step and rounded, which for
independent Gaussian coefficients is reverse water-filling: those with less variance than the step allows become zeros
and cost nothing. Class and register tokens have no neighbours: they skip the cosine transform and have a step of their
own. Coefficients of like statistics form a class with one calibrated table.

The round trip is computed with exact products (`fixed_point`), so that a stream made in one batch, on one machine,
decodes to the same bits in another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orbitsim.errors import InputError
from orbitsim.neural.codecs.base import Codec, Shape, SizeParts, fixed_shape_fault, n_packed_bytes
from orbitsim.neural.codecs.component_models import (
    DROPPED,
    ComponentModels,
    read_escapes,
    write_escapes,
)
from orbitsim.neural.codecs.entropy import MAX_SYMBOLS, SymbolReader, SymbolWriter
from orbitsim.neural.codecs.exact_transform import ExactTransform
from orbitsim.neural.codecs.rates import laplace_bin_bits
from orbitsim.neural.codecs.setting_faults import SettingFaults
from orbitsim.neural.codecs.straight_through import straight_through
from orbitsim.neural.codecs.stream import PayloadReader
from orbitsim.neural.codecs.token_grid import TokenGrid, cosine_matrix, token_grid

_PART_VALUES = 1 << 18  # 2 MB of float64


class TransformCodec(Codec):
    """Linear transform of channels, cosine transform of tokens, rounding, entropy coding by classes of components.

    Parameters
    ----------
    n_channels : int
        Channels of an activation.
    grid : dict or TokenGrid
        The order of its tokens: n_prefix, height, width, block_height, block_width.
    n_components : int, optional
        Components kept of the channels, by default all.
    n_classes : int
        Classes of components, each with its own table.
    n_levels : int
        Largest magnitude of a symbol within the tables; larger ones are written apart, at four bytes each.
    """

    kind = "transform"
    number = 6

    def __init__(
        self,
        *,
        n_channels: int,
        grid: dict[str, int] | TokenGrid,
        n_components: int | None = None,
        n_classes: int = 32,
        n_levels: int = 255,
    ) -> None:
        super().__init__()
        self.grid = grid if isinstance(grid, TokenGrid) else token_grid(grid)
        n_components = n_channels if n_components is None else n_components
        faults = SettingFaults(f"codec {self.kind}")
        if faults.whole("n_channels", n_channels, 1):
            faults.whole("n_components", n_components, 1, n_channels)
        faults.whole("n_classes", n_classes, 1)
        faults.whole("n_levels", n_levels, 1, MAX_SYMBOLS // 2 - 1)  # both signs, zero and the escape
        faults.raise_any()
        self.n_channels, self.n_components = n_channels, n_components
        self.n_classes, self.n_levels = n_classes, n_levels
        n_grid = self.grid.block_size * n_components
        self.centre = nn.Parameter(torch.zeros(self.grid.n_tokens, n_channels))
        self.analysis = nn.Parameter(torch.eye(n_components, n_channels))
        self.synthesis = nn.Parameter(torch.eye(n_channels, n_components))
        self.step = nn.Parameter(torch.ones(()))
        self.log_scale = nn.Parameter(torch.zeros(n_grid + n_components))  # of the rate: grid, then prefix; in steps
        self.classes: Tensor  # of grid components (frequency by frequency), then of prefix components
        self.register_buffer("classes", torch.zeros(n_grid + n_components, dtype=torch.int64))
        self.tables: Tensor
        self.register_buffer("tables", torch.ones(n_classes, 2 * n_levels + 2))
        self.thresholds: Tensor  # of each class: where a magnitude becomes 1, and what fraction rounds up beyond
        self.register_buffer("thresholds", torch.full((n_classes, 2), 0.5))
        self.shrinkage: Tensor  # of each class: what a restored 1, and a larger symbol, lies nearer to zero
        self.register_buffer("shrinkage", torch.zeros(n_classes, 2))
        self.prefix_scale: Tensor  # step of each prefix token, relative to the grid's
        self.register_buffer("prefix_scale", torch.ones(self.grid.n_prefix))
        self.input_exponent: Tensor  # activations become integers times 2**-input_exponent
        self.register_buffer("input_exponent", torch.tensor(12))
        self.symbol_bits: Tensor  # coefficients saturate at 2**symbol_bits steps
        self.register_buffer("symbol_bits", torch.tensor(16))
        self.register_buffer("_cosine_high", cosine_matrix(self.grid.block_height), persistent=False)
        self.register_buffer("_cosine_wide", cosine_matrix(self.grid.block_width), persistent=False)
        self._cosine_high: Tensor
        self._cosine_wide: Tensor
        self.generator: torch.Generator | None = None  # of the training noise; torch's own where there is none
        self._known_plan: tuple[object, ExactTransform, tuple[ComponentModels, ComponentModels]] | None = None

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build the codec."""
        grid = {name: getattr(self.grid, name) for name in TokenGrid.__slots__}
        names = ("n_channels", "n_components", "n_classes", "n_levels")
        return {"grid": grid, **{name: getattr(self, name) for name in names}}

    def wire_state(self) -> dict[str, Tensor]:
        """Return all of the state but the scales of the rate estimate."""
        return {name: tensor for name, tensor in self.state_dict().items() if name != "log_scale"}

    def size_parts(self, tensor: Tensor) -> SizeParts:
        """Return the bytes after each stage: kept coefficients in fp32, in the bits that hold their symbols, coded."""
        n, data = tensor.numel(), self.encode(tensor)
        if not n:
            return SizeParts(0, 0, 0, len(data))
        with torch.no_grad():
            symbols = self._all_symbols(tensor.to(torch.float32))
        sent = [plane.abs() for plane in symbols]
        largest = [plane.amax(0) if len(plane) else plane.new_zeros(0) for plane in sent]
        code_bits = sum(
            len(p) * float(torch.ceil(torch.log2(2 * m + 1)).sum()) for p, m in zip(sent, largest, strict=True)
        )
        return SizeParts(4 * n, 4 * sum(plane.numel() for plane in sent), n_packed_bytes(1, code_bits), len(data))

    # The stream

    def models(self) -> tuple[ComponentModels, ComponentModels]:
        """Return the entropy models of the grid's components and of the prefix tokens'."""
        self._look_at_state()
        return self._prepared()[1]

    def _made_models(self) -> tuple[ComponentModels, ComponentModels]:
        tables = self.tables.detach().cpu().numpy().astype(np.float64)
        classes = self.classes.cpu().numpy()
        n_grid = self.grid.block_size * self.n_components
        return ComponentModels(tables, classes[:n_grid]), ComponentModels(tables, classes[n_grid:])

    def _write(self, x: Tensor) -> bytes:
        writer = SymbolWriter()
        planes = [plane.numpy() for plane in self._all_symbols(x)]
        escapes = [models.write(writer, plane) for models, plane in zip(self._prepared()[1], planes, strict=True)]
        write_escapes(writer, np.concatenate(escapes))
        return writer.to_bytes()

    def _read(self, reader: PayloadReader, shape: Shape) -> Tensor:
        symbols = SymbolReader(reader)
        rows = (shape[0] * self.grid.n_blocks, shape[0] * self.grid.n_prefix)
        planes = [models.read(symbols, n) for models, n in zip(self._prepared()[1], rows, strict=True)]
        plan = self._plan()
        read_escapes(symbols, planes, plan.largest_symbol)
        symbols.end()
        grid, prefix = (
            torch.from_numpy(plane).reshape(shape[0], n // shape[0], plane.shape[1])
            for n, (plane, _) in zip(rows, planes, strict=True)
        )
        restored = torch.empty(shape, dtype=torch.float32, device=self._place.device)
        for part in self._parts(shape):
            restored[part] = plan.restored(*(plane[part].to(restored.device) for plane in (grid, prefix)))
        return restored

    def _all_symbols(self, x: Tensor) -> list[Tensor]:
        """Return the symbols of a mini-batch on the host: of the grid (blocks, components sent), of the prefix."""
        plan = self._plan()
        rows = (self.grid.n_blocks, self.grid.n_prefix)
        forms = [(len(x), n, len(sent)) for n, sent in zip(rows, plan.sent, strict=True)]
        planes = [torch.empty(form, dtype=torch.int32) for form in forms]
        for part in self._parts(x.shape):
            for plane, symbols in zip(planes, plan.symbols(x[part]), strict=True):
                plane[part] = symbols
        return [plane.flatten(0, 1) for plane in planes]

    def _parts(self, shape: Sequence[int]) -> list[slice]:
        """Return slices of the mini-batch whose work fits a processor's cache; exact products make them irrelevant."""
        n = max(1, _PART_VALUES // (shape[1] * shape[2]))
        return [slice(start, start + n) for start in range(0, shape[0], n)]

    def _hard(self, x: Tensor) -> Tensor:
        plan = self._plan()
        restored = torch.empty(x.shape, dtype=torch.float32, device=x.device)
        for part in self._parts(x.shape):
            restored[part] = plan.restored(*plan.symbols(x[part]))
        return restored

    def _plan(self) -> ExactTransform:
        """Return the exact round trip under the present state."""
        return self._prepared()[0]

    def _prepared(self) -> tuple[ExactTransform, tuple[ComponentModels, ComponentModels]]:
        """Return round trip and models, made again only when the state was found to be another one."""
        versions = self._versions()
        if self._known_plan is None or self._known_plan[0] != versions:
            models = self._made_models()
            self._known_plan = (versions, self._made_plan(models), models)
        return self._known_plan[1:]

    def _made_plan(self, models: tuple[ComponentModels, ComponentModels]) -> ExactTransform:
        of_grid, of_prefix = (torch.from_numpy(of_plane.sent).to(self.classes.device) for of_plane in models)
        limits, shrinkage = (
            of_class.detach().double()[self.classes.clamp_min(0)].T for of_class in (self.thresholds, self.shrinkage)
        )
        return ExactTransform(
            grid=self.grid,
            centre=self.centre.detach(),
            analysis=self.analysis.detach(),
            synthesis=self.synthesis.detach(),
            step=float(self.step.detach().clamp_min(torch.finfo(torch.float32).tiny)),
            prefix_scale=self.prefix_scale,
            input_exponent=int(self.input_exponent),
            symbol_bits=int(self.symbol_bits),
            limits=limits,
            shrinkage=shrinkage,
            sent=(of_grid, of_prefix),
        )

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coefficients of a mini-batch, in steps: of the grid (blocks, components), of the prefix tokens."""
        self._look_at_state()
        plan = self._plan()
        parts = [plan.coefficients(x[part]) for part in self._parts(x.shape)]
        grid, prefix = (torch.cat([plane.flatten(0, 1) for plane in planes]) for planes in zip(*parts, strict=True))
        return grid, prefix

    def _axes(self) -> list[tuple[Tensor, Callable[[Tensor], Tensor]]]:
        """Return the cosine matrix and the view of the grid for each direction in which blocks have neighbours."""
        axes = [(self._cosine_high, self.grid.rows_first), (self._cosine_wide, self.grid.columns_first)]
        return [(cosine, view) for cosine, view in axes if len(cosine) > 1]

    def _kept(self) -> tuple[Tensor, Tensor]:
        kept = self.classes != DROPPED
        n_grid = self.grid.block_size * self.n_components
        return kept[:n_grid], kept[n_grid:]

    # The differentiable round trip

    def _soft(self, x: Tensor) -> Tensor:
        grid, prefix = self._soft_coefficients(x)
        return self._soft_restored(_round_through(grid), _round_through(prefix), len(x))

    def _rate_bits(self, x: Tensor) -> Tensor:
        return self._rate_of(*self._soft_coefficients(x))

    def _train(self, x: Tensor, with_rate: bool) -> tuple[Tensor, Tensor | None]:
        """Return the round trip with rounding and a straight-through gradient, and the rate with uniform noise instead.

        Noise makes the rate smooth in the coefficients; rounding shows the network what it will get.
        """
        grid, prefix = self._soft_coefficients(x)
        restored = self._soft_restored(_round_through(grid), _round_through(prefix), len(x))
        if not with_rate:
            return restored, None
        return restored, self._rate_of(*(plane + self._noise(plane) for plane in (grid, prefix)))

    def _noise(self, plane: Tensor) -> Tensor:
        return torch.rand(plane.shape, generator=self.generator, device=plane.device) - 0.5

    def _rate_of(self, grid: Tensor, prefix: Tensor) -> Tensor:
        n_grid = grid.shape[1]
        scale = torch.exp(self.log_scale)
        bits = [
            (laplace_bin_bits(plane, of_plane) * kept).sum()
            for plane, of_plane, kept in zip(
                (grid, prefix), (scale[:n_grid], scale[n_grid:]), self._kept(), strict=True
            )
        ]
        return bits[0] + bits[1]

    def _soft_coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        components = (x - self.centre) @ self.analysis.T / self.step
        prefix = components[:, : self.grid.n_prefix] / self.prefix_scale[:, None]
        grid = self.grid.padded(components[:, self.grid.n_prefix :])
        for cosine, view in self._axes():
            grid = (cosine.to(x.dtype) @ view(grid)).reshape(grid.shape)
        kept = self._kept()
        return self.grid.blocks(grid) * kept[0], prefix.reshape(-1, self.n_components) * kept[1]

    def _soft_restored(self, grid: Tensor, prefix: Tensor, batch: int) -> Tensor:
        points = self.grid.unblocked(grid, batch)
        for cosine, view in reversed(self._axes()):
            points = (cosine.T.to(grid.dtype) @ view(points)).reshape(points.shape)
        outside = prefix.reshape(batch, self.grid.n_prefix, self.n_components) * self.prefix_scale[:, None]
        together = torch.cat([outside, self.grid.cropped(points)], dim=1)
        return (together @ self.synthesis.T) * self.step + self.centre

    def _check_shape(self, shape: Shape, error: type[InputError]) -> None:
        fault = fixed_shape_fault(shape, self.grid.n_tokens, self.n_channels)
        if fault:
            raise error(f"codec {self.kind}: {fault}")


def _round_through(coefficients: Tensor) -> Tensor:
    return straight_through(coefficients.detach().round(), coefficients)
