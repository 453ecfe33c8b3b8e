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
_INT32_BOUND = 2.0**30
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
    sent : tuple of Tensor of int64
        Which components of the grid, and which of the prefix, are sent, in the order of the symbols' columns.
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
    sent: tuple[Tensor, Tensor]
    largest_symbol: int = field(init=False)
    _bound: float = field(init=False)
    _type: torch.dtype = field(init=False)  # of integer coefficients and symbols
    _stays_finite: bool = field(init=False)  # whatever the symbols
    _roundings: tuple[_Rounding, _Rounding] = field(init=False)
    _places: Tensor = field(init=False)  # of the sent coefficients of a sample's blocks in its padded grid
    _sources: Tensor = field(init=False)  # of the padded grid in the sent coefficients; one beyond them if not sent
    _forward: FixedPointMatrix = field(init=False)
    _backward: FixedPointMatrix = field(init=False)
    _frequencies: list[_Axis] = field(init=False)
    _points: list[_Axis] = field(init=False)

    def __post_init__(self) -> None:
        views = (self.grid.rows_first, self.grid.columns_first)
        block_sides = (self.grid.block_height, self.grid.block_width)
        cosines = [
            (cosine_matrix(n).to(self.centre.device), view) for n, view in zip(block_sides, views, strict=True) if n > 1
        ]
        bound = 2.0 ** (self.symbol_bits + FRACTION_BITS)
        frequencies, largest = _axes(cosines, bound)
        points, furthest = _axes([(cosine.T, view) for cosine, view in reversed(cosines)], 2.0 * largest)
        type_ = torch.int32 if largest < _INT32_BOUND else torch.int64
        backward = FixedPointMatrix(self.synthesis, furthest)
        most_prefix = float(self.prefix_scale.amax()) if self.grid.n_prefix else 1.0
        largest_value = 2.0 ** (52 - backward.exponent - FRACTION_BITS) * self.step * max(1.0, most_prefix)
        n_components = len(self.analysis)
        starts = (0, self.grid.block_size * n_components)
        sides = self.grid.padded_sides
        every = torch.arange(math.prod(sides) * n_components, device=self.centre.device)
        places = self.grid.blocks(every.reshape(1, *sides, n_components))[:, self.sent[0]].flatten()
        sources = torch.full_like(every, places.numel())
        sources[places] = torch.arange(places.numel(), device=places.device)
        made = {
            "centre": self.centre.double() + 0.0,  # a negative zero would outlive the sum
            "prefix_scale": self.prefix_scale.double()[:, None],
            "largest_symbol": int(largest / _FRACTION) + 1,
            "_roundings": tuple(
                _Rounding(self.limits[:, start + of_plane], self.shrinkage[:, start + of_plane], type_)
                for start, of_plane in zip(starts, self.sent, strict=True)
            ),
            "_places": places,
            "_sources": sources,
            "_bound": bound,
            "_forward": FixedPointMatrix(self.analysis, INPUT_BOUND),
            "_backward": backward,
            "_type": type_,
            "_stays_finite": largest_value + float(self.centre.abs().amax()) < _LIMIT,
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
        blocks = self.grid.blocks(grid).reshape(len(x), self.grid.n_blocks, -1)
        return blocks.div_(_FRACTION), prefix.div_(_FRACTION)

    def symbols(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rounded coefficients of components that are sent.

        Returns
        -------
        grid : Tensor of int, (batch, blocks, sent components)
            Symbols of the grid, the columns in the order of `sent`.
        prefix : Tensor of int, (batch, prefix tokens, sent components)
            Symbols of the other tokens.
        """
        grid, prefix = (plane.to(self._type) for plane in self._integers(x))
        of_blocks = _taken(grid.reshape(len(x), -1), self._places).reshape(len(x), self.grid.n_blocks, -1)
        of_grid, of_prefix = self._roundings
        return of_grid.rounded(of_blocks), of_prefix.rounded(prefix[..., self.sent[1]])

    def restored(self, grid: Tensor, prefix: Tensor) -> Tensor:
        """Return the activations (batch, tokens, channels) of `symbols` of any type, in the range of float32.

        They are in float64; converting them to float32 is all that is left to do.
        """
        batch, n_prefix, n_components = len(grid), self.grid.n_prefix, len(self.analysis)
        of_grid, of_prefix = self._roundings
        values = torch.empty((batch, self._places.numel() + 1), dtype=self._type, device=grid.device)
        values[:, -1] = 0  # of what is not sent
        values[:, :-1] = of_grid.unrounded(grid.to(self._type)).flatten(1)
        points = _taken(values, self._sources).reshape(batch, *self.grid.padded_sides, n_components).double()
        together = torch.empty((batch, self.grid.n_tokens, n_components), dtype=torch.float64, device=grid.device)
        together[:, :n_prefix] = 0.0
        together[:, :n_prefix, self.sent[1]] = of_prefix.unrounded(prefix.to(self._type)).double()
        torch.round(self.grid.cropped(self._along(self._points, points)), out=together[:, n_prefix:])
        x = self._backward(together).mul_(2.0**-FRACTION_BITS * self.step)
        x[:, :n_prefix] *= self.prefix_scale
        x.add_(self.centre)
        return x if self._stays_finite else x.clamp_(-_LIMIT, _LIMIT)

    def _integers(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return integer coefficients, in 2**-FRACTION_BITS of a step: the padded grid's, and the prefix tokens'."""
        n_prefix = self.grid.n_prefix
        values = x.detach().double().sub_(self.centre).mul_(2.0**self.input_exponent).round_()
        components = self._forward(values.clamp_(-INPUT_BOUND, INPUT_BOUND))
        scale = 2.0 ** (FRACTION_BITS - self.input_exponent) / self.step
        prefix = (components[:, :n_prefix] * scale / self.prefix_scale).round_().clamp_(-self._bound, self._bound)
        grid = (components[:, n_prefix:] * scale).round_().clamp_(-self._bound, self._bound)
        return self._along(self._frequencies, self.grid.padded(grid)).round_(), prefix

    @staticmethod
    def _along(axes: list[_Axis], grid: Tensor) -> Tensor:
        """Return a padded grid of integers after a transform of its rows and columns, yet to be rounded to integers."""
        for number, (matrix, view) in enumerate(axes):
            grid = matrix.on_axis(view(grid.round_() if number else grid)).reshape(grid.shape)
        return grid


class _Rounding:
    """From integer coefficients to symbols and back, for components with limits and shrinkage each (2, components).

    Coefficients are whole numbers of 2**-FRACTION_BITS of a step, so both limits are, too, once rounded to the side on
    which no coefficient lies between.
    """

    def __init__(self, limits: Tensor, shrinkage: Tensor, type_: torch.dtype) -> None:
        self._rest = torch.floor((1.0 - limits[1]) * _FRACTION).to(type_)
        self._zero_until = (torch.ceil(limits[0] * _FRACTION) - 1.0).to(type_)
        self._shrinkage = torch.round(shrinkage * _FRACTION).to(type_)
        self._shrinks = bool(self._shrinkage.any())

    def rounded(self, integers: Tensor) -> Tensor:
        """Return symbols of integer coefficients: zero below the first limit, then up from the second."""
        size = integers.abs()
        symbols = torch.add(size, self._rest).bitwise_right_shift_(FRACTION_BITS).clamp_(min=1)
        return symbols.mul_(size.sub_(self._zero_until).clamp_(0, 1)).mul_(integers.sign())

    def unrounded(self, symbols: Tensor) -> Tensor:
        """Return the integers, in 2**-FRACTION_BITS of a step, that symbols stand for."""
        integers = symbols * int(_FRACTION)
        if not self._shrinks:
            return integers
        nearer = torch.where(symbols.abs() > 1, self._shrinkage[1], self._shrinkage[0])
        return integers.sub_(nearer.mul_(symbols.sign()))


def _taken(values: Tensor, places: Tensor) -> Tensor:
    """Return the values (rows, n) at the same places of each row, (rows, places)."""
    if values.device.type == "cpu":
        return torch.from_numpy(values.numpy().take(places.numpy(), axis=1))
    return values.index_select(1, places)


def _axes(cosines: Sequence[_Cosine], bound: float) -> tuple[list[_Axis], float]:
    """Return exact products, each for what the one before may give, the first for a bound; and the last one's bound."""
    axes = []
    for cosine, view in cosines:
        axes.append((FixedPointMatrix(cosine, bound), view))
        bound *= 2.0 ** math.ceil(math.log2(len(cosine)) / 2.0 + 0.1)  # rows of an orthonormal matrix: at most sqrt(n)
    return axes, bound


def bits_for(largest: float) -> int:
    """Return the exponent of the smallest power of two that is not below `largest`."""
    return math.ceil(math.log2(max(largest, 1.0)))
