"""The transform codec's round trip in exact arithmetic: activations to symbols and back, the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from orbitsim.neural.codecs.fixed_point import FixedPointMatrix, rescale
from orbitsim.neural.codecs.token_grid import TokenGrid, cosine_matrix

INPUT_BOUND = 2.0**23  # of the activations as integers
FRACTION_BITS = 10  # of a coefficient, in steps
_FRACTION = 2.0**FRACTION_BITS
_LIMIT = torch.finfo(torch.float32).max

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
    _forward: FixedPointMatrix = field(init=False)
    _backward: FixedPointMatrix = field(init=False)
    _frequencies: list[_Axis] = field(init=False)
    _points: list[_Axis] = field(init=False)

    def __post_init__(self) -> None:
        view = {"high": self.grid.rows_first, "wide": self.grid.columns_first}
        sides = {"high": self.grid.block_height, "wide": self.grid.block_width}
        cosines = {name: cosine_matrix(n).to(self.centre.device) for name, n in sides.items() if n > 1}
        made = {
            "centre": self.centre.double() + 0.0,  # a negative zero would outlive the sum
            "prefix_scale": self.prefix_scale.double()[:, None],
            "_forward": FixedPointMatrix(self.analysis, INPUT_BOUND),
            "_backward": FixedPointMatrix(self.synthesis, self._bound),
            "_frequencies": [(FixedPointMatrix(m, self._bound), view[name]) for name, m in cosines.items()],
            "_points": [(FixedPointMatrix(m.T, self._bound), view[name]) for name, m in reversed(cosines.items())],
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    @property
    def _bound(self) -> float:
        """Largest magnitude of a coefficient as an integer."""
        return 2.0 ** (self.symbol_bits + FRACTION_BITS)

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
        grid, prefix = self.coefficients(x)
        n_grid = grid.shape[-1]
        return (
            _round(grid, self.limits[:, :n_grid], self.kept[:n_grid]),
            _round(prefix, self.limits[:, n_grid:], self.kept[n_grid:]),
        )

    def restored(self, grid: Tensor, prefix: Tensor) -> Tensor:
        """Return the float32 activations (batch, tokens, channels) of symbols in float64."""
        n_grid, batch = grid.shape[-1], len(grid)
        values = _unround(grid, self.shrinkage[:, :n_grid]).clamp_(-self._bound, self._bound)
        outside = _unround(prefix, self.shrinkage[:, n_grid:]).clamp_(-self._bound, self._bound)
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

    def _along(self, axes: list[_Axis], grid: Tensor) -> Tensor:
        """Return a padded grid of integers after a transform of its rows and columns."""
        for matrix, view in axes:
            grid = rescale(matrix.on_axis(view(grid)), matrix.exponent, self._bound).reshape(grid.shape)
        return grid


def _round(coefficients: Tensor, limits: Tensor, kept: Tensor) -> Tensor:
    """Return symbols: zero below the first limit, then up where the fraction reaches the second."""
    size = coefficients.abs()
    sent = (size >= limits[0]) & kept
    symbols = size.add_(1.0 - limits[1]).floor_().clamp_(min=1.0).mul_(sent)
    return symbols.mul_(coefficients.sign_()).add_(0.0)  # no negative zeros


def _unround(symbols: Tensor, shrinkage: Tensor) -> Tensor:
    """Return the integers, in 2**-FRACTION_BITS of a step, that symbols stand for."""
    size = symbols.abs()
    nearer = torch.where(size > 1.0, torch.round(shrinkage[1] * _FRACTION), torch.round(shrinkage[0] * _FRACTION))
    return size.mul_(_FRACTION).sub_(nearer).mul_(symbols.sign())


def bits_for(largest: float) -> int:
    """Return the exponent of the smallest power of two that is not below `largest`."""
    return math.ceil(math.log2(max(largest, 1.0)))
