"""Tokens as a grid of blocks: which tokens lie outside it, how it is padded, and the cosine transform of a block."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from orbitsim.errors import InputError, Problem

_BLOCK_SIDES = (4, 5, 6, 7, 8)  # tried in this order: a side that divides the grid needs no padding


@dataclass(frozen=True, slots=True)
class TokenGrid:
    """The order of an activation's tokens: some that have no place (class, registers), then a grid row by row.

    Attributes
    ----------
    n_prefix : int
        Tokens before the grid.
    height, width : int
        Rows and columns of the grid; a width of one is a sequence.
    block_height, block_width : int
        Tokens of one block of the cosine transform; a grid that is no multiple is padded with its last row and column.
    """

    n_prefix: int
    height: int
    width: int
    block_height: int
    block_width: int

    def __post_init__(self) -> None:
        lowest = {"n_prefix": 0, "height": 1, "width": 1, "block_height": 1, "block_width": 1}
        problems = [
            Problem(name, f"expected a whole number of at least {low}, got {getattr(self, name)!r}")
            for name, low in lowest.items()
            if type(getattr(self, name)) is not int or getattr(self, name) < low
        ]
        if problems:
            raise InputError(problems).located("token grid")

    @property
    def n_tokens(self) -> int:
        """Tokens of one sample."""
        return self.n_prefix + self.height * self.width

    @property
    def n_blocks(self) -> int:
        """Blocks of one sample."""
        return -(-self.height // self.block_height) * -(-self.width // self.block_width)

    @property
    def block_size(self) -> int:
        """Tokens, and frequencies, of one block."""
        return self.block_height * self.block_width

    @property
    def padded_sides(self) -> tuple[int, int]:
        """Rows and columns of the grid in whole blocks."""
        high, wide = self.block_height, self.block_width
        return -(-self.height // high) * high, -(-self.width // wide) * wide

    def padded(self, tokens: Tensor) -> Tensor:
        """Return grid tokens (batch, height * width, n) as whole blocks (batch, rows, columns, n)."""
        grid = tokens.reshape(len(tokens), self.height, self.width, tokens.shape[-1])
        for axis, side, block in ((1, self.height, self.block_height), (2, self.width, self.block_width)):
            missing = -side % block
            if missing:
                last = grid.narrow(axis, side - 1, 1)
                grid = torch.cat([grid, last.expand(*[missing if i == axis else -1 for i in range(4)])], dim=axis)
        return grid

    def cropped(self, grid: Tensor) -> Tensor:
        """Return grid tokens (batch, height * width, n) of a padded grid (batch, rows, columns, n)."""
        return grid[:, : self.height, : self.width].reshape(len(grid), self.height * self.width, grid.shape[-1])

    def rows_first(self, grid: Tensor) -> Tensor:
        """Return a padded grid as (batch * block rows, rows in a block, columns * n)."""
        return grid.reshape(-1, self.block_height, grid.shape[2] * grid.shape[3])

    def columns_first(self, grid: Tensor) -> Tensor:
        """Return a padded grid as (batch * rows * block columns, columns in a block, n)."""
        return grid.reshape(-1, self.block_width, grid.shape[3])

    def blocks(self, grid: Tensor) -> Tensor:
        """Return a padded grid as (batch * blocks, tokens of a block * n)."""
        batch, rows, columns, n = grid.shape
        high, wide = self.block_height, self.block_width
        split = grid.reshape(batch, rows // high, high, columns // wide, wide, n).permute(0, 1, 3, 2, 4, 5)
        return split.reshape(batch * self.n_blocks, self.block_size * n)

    def unblocked(self, blocks: Tensor, batch: int) -> Tensor:
        """Return the padded grid of blocks."""
        high, wide = self.block_height, self.block_width
        rows, columns = self.padded_sides
        split = blocks.reshape(batch, rows // high, columns // wide, high, wide, -1).permute(0, 1, 3, 2, 4, 5)
        return split.reshape(batch, rows, columns, -1)


def token_grid(attributes: dict[str, int]) -> TokenGrid:
    """Return the grid of named attributes, as settings hold them."""
    names = TokenGrid.__slots__
    if not isinstance(attributes, dict):
        raise InputError(Problem("grid", f"expected a number for each of {', '.join(names)}, got {attributes!r}"))
    if set(attributes) != set(names):
        given = ", ".join(map(str, attributes)) or "nothing"
        raise InputError(Problem("grid", f"expected {', '.join(names)}, got {given}"))
    return TokenGrid(**attributes)


def default_grid(n_tokens: int, n_prefix: int | None = None, block: int | None = None) -> TokenGrid:
    """Return the square grid of a vision transformer's tokens.

    Parameters
    ----------
    n_tokens : int
        Tokens of one sample.
    n_prefix : int, optional
        Tokens before the grid; by default the fewest that leave a square.
    block : int, optional
        Side of a block; by default the first of 4 to 8 that divides the grid's side, and 4 where none does.
    """
    if n_prefix is None:
        n_prefix = n_tokens - math.isqrt(n_tokens) ** 2
    side = math.isqrt(max(n_tokens - n_prefix, 0))
    if side * side != n_tokens - n_prefix or side == 0:
        raise InputError(f"expected a square number of tokens after {n_prefix} others, got {n_tokens - n_prefix}")
    if block is None:
        block = min(side, next((b for b in _BLOCK_SIDES if side % b == 0), 4))
    return TokenGrid(n_prefix, side, side, block, block)


def cosine_matrix(n: int) -> Tensor:
    """Return the orthonormal cosine transform (DCT-II) of `n` points in float64, one frequency a row."""
    frequency, point = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)[None, :]
    matrix = torch.cos(math.pi * (point + 0.5) * frequency / n) * math.sqrt(2.0 / n)
    matrix[0] /= math.sqrt(2.0)
    return matrix
