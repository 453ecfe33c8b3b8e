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

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from orbitsim.errors import InputError, Problem
from orbitsim.neural.codecs.base import Codec, Shape, SizeParts, fixed_shape_fault, n_packed_bytes
from orbitsim.neural.codecs.component_models import (
    DROPPED,
    ComponentModels,
    read_escapes,
    restore_escapes,
    write_escapes,
)
from orbitsim.neural.codecs.entropy import SymbolReader, SymbolWriter
from orbitsim.neural.codecs.fixed_point import FixedPointMatrix, rescale
from orbitsim.neural.codecs.rates import laplace_bin_bits
from orbitsim.neural.codecs.straight_through import straight_through
from orbitsim.neural.codecs.stream import PayloadReader
from orbitsim.neural.codecs.token_grid import TokenGrid, cosine_matrix

INPUT_BOUND = 2.0**23  # of the activations as integers
FRACTION_BITS = 10  # of a coefficient, in steps
_FRACTION = 2.0**FRACTION_BITS
_LIMIT = torch.finfo(torch.float32).max


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
        Largest magnitude of a symbol within the tables; larger ones are written apart.
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
        n_levels: int = 127,
    ) -> None:
        super().__init__()
        self.grid = grid if isinstance(grid, TokenGrid) else _token_grid(grid)
        n_components = n_channels if n_components is None else n_components
        if not 0 < n_components <= n_channels:
            fault = f"expected a number from 1 to the {n_channels} channels, got {n_components!r}"
            raise InputError(Problem("n_components", fault, "codec transform"))
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
        self.thresholds: Tensor  # of each class: where |coefficient| becomes 1, and the step's share that rounds up after
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

    def settings(self) -> dict[str, Any]:
        """Return the arguments that build the codec."""
        grid = {name: getattr(self.grid, name) for name in TokenGrid.__slots__}
        names = ("n_channels", "n_components", "n_classes", "n_levels")
        return {"grid": grid, **{name: getattr(self, name) for name in names}}

    def wire_state(self) -> dict[str, Tensor]:
        """Return all of the state but the scales of the rate estimate."""
        return {name: tensor for name, tensor in self.state_dict().items() if name != "log_scale"}

    def size_parts(self, tensor: Tensor) -> SizeParts:
        """Return the bytes after each stage: coefficients kept in fp32, in the fewest bits that hold their symbols, coded."""
        n, data = tensor.numel(), self.encode(tensor)
        if not n:
            return SizeParts(0, 0, 0, len(data))
        with torch.no_grad():
            symbols = self._symbols(tensor.to(torch.float32))
        sent = [plane.abs()[:, kept] for plane, kept in zip(symbols, self._kept(), strict=True)]
        largest = [plane.amax(0) if len(plane) else plane.new_zeros(0) for plane in sent]
        code_bits = sum(len(p) * float(torch.ceil(torch.log2(2 * m + 1)).sum()) for p, m in zip(sent, largest, strict=True))
        return SizeParts(4 * n, 4 * sum(plane.numel() for plane in sent), n_packed_bytes(1, code_bits), len(data))

    # The stream

    def models(self) -> tuple[ComponentModels, ComponentModels]:
        """Return the entropy models of the grid's components and of the prefix tokens'."""
        tables = self.tables.detach().cpu().numpy().astype(np.float64)
        classes = self.classes.cpu().numpy()
        n_grid = self.grid.block_size * self.n_components
        return ComponentModels(tables, classes[:n_grid]), ComponentModels(tables, classes[n_grid:])

    def _write(self, x: Tensor) -> bytes:
        writer = SymbolWriter()
        escapes = []
        for models, symbols in zip(self.models(), self._symbols(x), strict=True):
            escapes.append(models.write(writer, symbols.to(torch.int32).cpu().numpy()))
        write_escapes(writer, np.concatenate(escapes))
        return writer.to_bytes()

    def _read(self, reader: PayloadReader, shape: Shape) -> Tensor:
        symbols = SymbolReader(reader)
        rows = (shape[0] * self.grid.n_blocks, shape[0] * self.grid.n_prefix)
        found = [models.read(symbols, n) for models, n in zip(self.models(), rows, strict=True)]
        n_escaped = [0 if escaped is None else int(escaped.sum()) for _, escaped in found]
        values = read_escapes(symbols, sum(n_escaped))
        symbols.end()
        planes = []
        for models, (sent, escaped), first in zip(self.models(), found, (0, n_escaped[0]), strict=True):
            if escaped is not None:
                restore_escapes(sent, escaped, values[first : first + int(escaped.sum())], self.n_levels)
            planes.append(torch.from_numpy(models.placed(sent)).to(self._place.device))
        return self._restored(planes[0], planes[1], shape[0])

    # The exact round trip

    def _hard(self, x: Tensor) -> Tensor:
        grid, prefix = self._symbols(x)
        return self._restored(grid, prefix, len(x))

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coefficients in steps, computed exactly: of the grid (blocks, frequencies * components), of the prefix.

        Parameters
        ----------
        x : Tensor of float32, (batch, tokens, channels)
            Activations; what lies beyond the calibrated range, with a margin of eight, becomes its end.
        """
        bound = self._coefficient_bound()
        shifted = x.detach().double().sub_(self.centre.detach().double())
        values = shifted.mul_(2.0 ** int(self.input_exponent)).round_().clamp_(-INPUT_BOUND, INPUT_BOUND)
        matrix = FixedPointMatrix(self.analysis, INPUT_BOUND)
        components = matrix(values.flatten(0, 1)).unflatten(0, x.shape[:2])
        components.mul_(2.0 ** (FRACTION_BITS - matrix.exponent - int(self.input_exponent)) / float(self._positive_step()))
        prefix = components[:, : self.grid.n_prefix]
        prefix = (prefix / self.prefix_scale.double()[:, None]).round_().clamp_(-bound, bound)
        grid = components[:, self.grid.n_prefix :].round_().clamp_(-bound, bound)
        grid = self._frequencies(self.grid.padded(grid), bound)
        return self.grid.blocks(grid).div_(_FRACTION), prefix.reshape(-1, self.n_components).div_(_FRACTION)

    def _symbols(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rounded coefficients in float64; those that are not sent are zero."""
        planes = zip(self.coefficients(x), self._of_components(self.thresholds.double()), self._kept(), strict=True)
        grid, prefix = ((_round(plane, limits) * kept).add_(0.0) for plane, limits, kept in planes)  # no negative zeros
        return grid, prefix

    def _restored(self, grid: Tensor, prefix: Tensor, batch: int) -> Tensor:
        """Return the activations of symbols."""
        bound = self._coefficient_bound()
        shrinkage = self._of_components(torch.round(self.shrinkage.double() * _FRACTION))
        values, outside = (
            _unround(plane.double(), shrink).clamp_(-bound, bound)
            for plane, shrink in zip((grid, prefix), shrinkage, strict=True)
        )
        tokens = self.grid.cropped(self._points(self.grid.unblocked(values, batch), bound))
        matrix = FixedPointMatrix(self.synthesis, bound)
        together = torch.cat([outside.reshape(batch, self.grid.n_prefix, -1), tokens], dim=1)
        x = matrix(together.flatten(0, 1)).unflatten(0, (batch, -1))
        x.mul_(2.0 ** (-FRACTION_BITS - matrix.exponent) * float(self._positive_step()))
        x[:, : self.grid.n_prefix] *= self.prefix_scale.double()[:, None]
        return x.add_(self.centre.detach().double().add(0.0)).clamp_(-_LIMIT, _LIMIT).to(torch.float32)

    def _frequencies(self, grid: Tensor, bound: float) -> Tensor:
        """Return the cosine transform of a padded grid of integers."""
        for cosine, view in self._axes():
            matrix = FixedPointMatrix(cosine, bound)
            grid = rescale(matrix.on_axis(view(grid)), matrix.exponent, bound).reshape(grid.shape)
        return grid

    def _points(self, grid: Tensor, bound: float) -> Tensor:
        """Return the grid of integers of its cosine transform."""
        for cosine, view in reversed(self._axes()):
            matrix = FixedPointMatrix(cosine.T, bound)
            grid = rescale(matrix.on_axis(view(grid)), matrix.exponent, bound).reshape(grid.shape)
        return grid

    def _axes(self) -> list[tuple[Tensor, Callable[[Tensor], Tensor]]]:
        """Return the cosine matrix and the view of the grid for each direction in which blocks have neighbours."""
        axes = [(self._cosine_high, self.grid.rows_first), (self._cosine_wide, self.grid.columns_first)]
        return [(cosine, view) for cosine, view in axes if len(cosine) > 1]

    def _coefficient_bound(self) -> float:
        return 2.0 ** (int(self.symbol_bits) + FRACTION_BITS)

    def _positive_step(self) -> Tensor:
        return self.step.detach().double().clamp_min(torch.finfo(torch.float32).tiny)

    def _of_components(self, of_classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows of classes (n_classes, 2) as columns of components (2, n), for the grid and the prefix."""
        columns = of_classes[self.classes.clamp_min(0)].T
        n_grid = self.grid.block_size * self.n_components
        return columns[:, :n_grid], columns[:, n_grid:]

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
            for plane, of_plane, kept in zip((grid, prefix), (scale[:n_grid], scale[n_grid:]), self._kept(), strict=True)
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
        outside = prefix.reshape(batch, self.grid.n_prefix, -1) * self.prefix_scale[:, None]
        together = torch.cat([outside, self.grid.cropped(points)], dim=1)
        return (together @ self.synthesis.T) * self.step + self.centre

    def _check_shape(self, shape: Shape, error: type[InputError]) -> None:
        fault = fixed_shape_fault(shape, self.grid.n_tokens, self.n_channels)
        if fault:
            raise error(f"codec {self.kind}: {fault}")


def _token_grid(grid: dict[str, int]) -> TokenGrid:
    try:
        return TokenGrid(**grid)
    except TypeError as fault:
        names = ", ".join(TokenGrid.__slots__)
        raise InputError(Problem("grid", f"expected {names}, got {grid!r}", "codec transform")) from fault


def _round(coefficients: Tensor, limits: Tensor) -> Tensor:
    """Return symbols: zero below the first limit, then up where the fraction reaches the second."""
    size = coefficients.abs()
    symbols = (size + (1.0 - limits[1])).floor_().clamp_(min=1.0)
    return torch.where(size < limits[0], torch.zeros_like(symbols), symbols).copysign_(coefficients)


def _unround(symbols: Tensor, shrinkage: Tensor) -> Tensor:
    """Return the integers, in 2**-FRACTION_BITS of a step, that symbols stand for."""
    size = symbols.abs()
    towards_zero = torch.where(size > 1.0, shrinkage[1], shrinkage[0]) * (size > 0.0)
    return size.mul_(_FRACTION).sub_(towards_zero).mul_(symbols.sign())


def _round_through(coefficients: Tensor) -> Tensor:
    return straight_through(coefficients.detach().round(), coefficients)


def bits_for(largest: float) -> int:
    """Return the exponent of the smallest power of two that is not below `largest`."""
    return math.ceil(math.log2(max(largest, 1.0)))
