"""The transform codec's round trip in exact arithmetic: activations to symbols and back, the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from orbitsim.neural.codecs.fixed_point import FixedPointMatrix
from orbitsim.neural.codecs.token_grid import TokenGrid, cosine_matrix

INPUT_BOUND = 2.0**23  # of the activations as integers
FRACTION_BITS = 10  # of a coefficient, in steps
_FRACTION = 2.0**FRACTION_BITS
_LIMIT = torch.finfo(torch.float32).max

_Cosine = tuple[Tensor, Callable[[Tensor], Tensor]]
_Axis = tuple[FixedPointMatrix, Callable[[Tensor], Tensor]]


@dataclass(frozen=True)
class ExactTransform:
    """A state of the transform codec, its matrices rounded to integers.

    Between the products, which are exact, stand only single operations on each value, which every machine rounds alike.

    Attributes
    ----------
    grid : TokenGrid
        The order of tokens.
    centre : Tensor, (tokens, channels)
        Taken off at first and added at last.
    analysis, synthesis : Tensor, (components, channels) and (channels, components)
        Activations to components and back.
    step : float
        Step of all coefficients, above 0.
    prefix_scale : Tensor, (prefix tokens,)
        Step of prefix tokens, relative to `step`. [1]
    input_exponent : int
        Activations become integers times 2**-input_exponent.
    symbol_bits : int
        Coefficients saturate at 2**symbol_bits steps.
    limits : Tensor of float64, (2, grid components + prefix components)
        Magnitude at which a coefficient becomes 1, and fraction from which a larger one is rounded up. [steps]
    shrinkage : Tensor of float64, same shape
        What a restored 1, and a restored larger symbol, lies nearer to zero. [steps]
    kept : Tensor of bool, (grid components + prefix components,)
        Which components are sent.
    largest_symbol : int
        Largest magnitude that a symbol can have.
    """

    grid: TokenGrid
    centre: Tensor
    analysis: Tensor
    synthesis: Tensor
    step: float
    prefix_scale: Tensor
    input_exponent: int
    symbol_bits: int
    limits: Tensor
    shrinkage: Tensor
    kept: Tensor
    largest_symbol: int = field(init=False)
    _bound: float = field(init=False)
    _forward: FixedPointMatrix = field(init=False)
    _backward: FixedPointMatrix = field(init=False)
    _frequencies: list[_Axis] = field(init=False)
    _points: list[_Axis] = field(init=False)

    def __post_init__(self) -> None:
        views = (self.grid.rows_first, self.grid.columns_first)
        sides = (self.grid.block_height, self.grid.block_width)
        cosines = [
            (cosine_matrix(n).to(self.centre.device), view) for n, view in zip(sides, views, strict=True) if n > 1
        ]
        bound = 2.0 ** (self.symbol_bits + FRACTION_BITS)
        frequencies, largest = _axes(cosines, bound)
        points, furthest = _axes([(cosine.T, view) for cosine, view in reversed(cosines)], 2.0 * largest)
        made = {
            "centre": self.centre.double() + 0.0,  # a negative zero would outlive the sum
            "prefix_scale": self.prefix_scale.double()[:, None],
            "limits": torch.where(self.kept, self.limits, torch.inf),
            "shrinkage": torch.round(self.shrinkage * _FRACTION),
            "largest_symbol": int(largest / _FRACTION) + 1,
            "_bound": bound,
            "_forward": FixedPointMatrix(self.analysis, INPUT_BOUND),
            "_backward": FixedPointMatrix(self.synthesis, furthest),
            "_frequencies": frequencies,
            "_points": points,
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def coefficients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the coefficients in steps, as multiples of 2**-10.

        Parameters
        ----------
        x : Tensor of float32, (batch, tokens, channels)
            Activations; what lies beyond ``2**23 * 2**-input_exponent`` saturates.

        Returns
        -------
        grid : Tensor of float64, (batch, blocks, frequencies * components)
            Coefficients of the grid.
        prefix : Tensor of float64, (batch, prefix tokens, components)
            Coefficients of the other tokens.
        """
        grid, prefix = self._integers(x)
        return grid.div_(_FRACTION), prefix.div_(_FRACTION)

    def symbols(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rounded coefficients, shaped as `coefficients`; zero where a component is not sent."""
        grid, prefix = self._integers(x)
        n_grid = grid.shape[-1]
        return _round(grid, self.limits[:, :n_grid]), _round(prefix, self.limits[:, n_grid:])

    def restored(self, grid: Tensor, prefix: Tensor) -> Tensor:
        """Return the float32 activations (batch, tokens, channels) of symbols in float64, `largest_symbol` at most."""
        n_grid, batch = grid.shape[-1], len(grid)
        values = _unround(grid, self.shrinkage[:, :n_grid])
        outside = _unround(prefix, self.shrinkage[:, n_grid:])
        points = self._along(self._points, self.grid.unblocked(values.flatten(0, 1), batch))
        together = torch.cat([outside, self.grid.cropped(points)], dim=1)
        x = self._backward(together).mul_(2.0 ** (-FRACTION_BITS - self._backward.exponent) * self.step)
        x[:, : self.grid.n_prefix] *= self.prefix_scale
        return x.add_(self.centre).clamp_(-_LIMIT, _LIMIT).to(torch.float32)

    def _integers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n_prefix = self.grid.n_prefix
        values = x.detach().double().sub_(self.centre).mul_(2.0**self.input_exponent).round_()
        components = self._forward(values.clamp_(-INPUT_BOUND, INPUT_BOUND))
        components.mul_(2.0 ** (FRACTION_BITS - self._forward.exponent - self.input_exponent) / self.step)
        prefix = (components[:, :n_prefix] / self.prefix_scale).round_().clamp_(-self._bound, self._bound)
        grid = self.grid.padded(components[:, n_prefix:]).round_().clamp_(-self._bound, self._bound)
        grid = self._along(self._frequencies, grid)
        return self.grid.blocks(grid).reshape(len(x), self.grid.n_blocks, -1), prefix

    @staticmethod
    def _along(axes: list[_Axis], grid: Tensor) -> Tensor:
        """Return a padded grid of integers after a transform of its rows and columns, rounded to integers."""
        for matrix, view in axes:
            grid = matrix.on_axis(view(grid)).mul_(2.0**-matrix.exponent).round_().reshape(grid.shape)
        return grid


def _axes(cosines: Sequence[_Cosine], bound: float) -> tuple[list[_Axis], float]:
    """Return exact products, each for what the one before may give, the first for a bound; and the last one's bound."""
    axes = []
    for cosine, view in cosines:
        axes.append((FixedPointMatrix(cosine, bound), view))
        bound *= 2.0 ** math.ceil(math.log2(len(cosine)) / 2.0 + 0.1)  # rows of an orthonormal matrix: at most sqrt(n)
    return axes, bound


def _round(integers: Tensor, limits: Tensor) -> Tensor:
    """Return symbols of integer coefficients: zero below the first limit, then up from the second."""
    size = integers.abs()
    symbols = torch.add(1.0 - limits[1], size, alpha=1.0 / _FRACTION).floor_().clamp_(min=1.0)
    return symbols.masked_fill_(size < limits[0] * _FRACTION, 0.0).copysign_(integers)


def _unround(symbols: Tensor, shrinkage: Tensor) -> Tensor:
    """Return the integers, in 2**-FRACTION_BITS of a step, that symbols stand for."""
    nearer = torch.where(symbols.abs() > 1.0, shrinkage[1], shrinkage[0])
    return torch.sub(symbols * _FRACTION, nearer.mul_(symbols.sign()))


def bits_for(largest: float) -> int:
    """Return the exponent of the smallest power of two that is not below `largest`."""
    return math.ceil(math.log2(max(largest, 1.0)))
