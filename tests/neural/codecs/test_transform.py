"""The transform codec: exactness, energy, rates, gradients and calibration."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from neural.codecs.cases import GRID, TOKENS, natural, same_bits

from orbitsim.errors import InputError
from orbitsim.neural.codecs import fit_codec, make_codec
from orbitsim.neural.codecs.component_fit import symbol_sizes
from orbitsim.neural.codecs.exact_transform import _Rounding
from orbitsim.neural.codecs.fixed_point import FixedPointMatrix
from orbitsim.neural.codecs.token_grid import TokenGrid, cosine_matrix, default_grid
from orbitsim.neural.codecs.transform import TransformCodec
from orbitsim.neural.codecs.transform_fit import fit_channel_transform, fit_models, fit_transform


def smooth(n: int, side: int, channels: int, seed: int) -> torch.Tensor:
    """Return activations of low rank whose neighbours are alike, with one class token."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 4, side // 4 + 1, side // 4 + 1, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear", align_corners=True)
    mixing = torch.randn(4, channels, generator=torch.Generator().manual_seed(77))
    grid = fine.flatten(2).transpose(1, 2) @ mixing + 0.05 * torch.randn(n, side * side, channels, generator=generator)
    return torch.cat([torch.randn(n, 1, channels, generator=generator), grid], dim=1)


def test_products_are_exact() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(20, 300, generator=generator)
    fixed = FixedPointMatrix(matrix, 2.0**23)
    values = torch.randint(-(2**23), 2**23 + 1, (50, 300), generator=generator).double()
    integers = fixed.rounded * 2.0**fixed.exponent
    assert torch.equal(integers, integers.round())
    exact = values.numpy().astype(object) @ integers.T.numpy().astype(object).astype(int)
    assert np.array_equal((fixed(values) * 2.0**fixed.exponent).numpy(), exact.astype(np.float64))
    assert float((fixed.rounded - matrix).abs().max()) < 1e-6
    shuffled = torch.randperm(300, generator=generator)
    assert torch.equal(values[:, shuffled] @ fixed.rounded.T[shuffled], fixed(values))


@pytest.mark.parametrize("type_", [torch.int32, torch.int64])
def test_coefficients_are_rounded_as_calibration_rounds_them(type_: torch.dtype) -> None:
    """The codec rounds integers, calibration the same numbers in floating point: each is the other's twin."""
    random = np.random.default_rng(0)
    limits = random.uniform(0.5, 1.0, (2, 40)).astype(np.float32).astype(np.float64)
    limits[:, :6] = np.array([[0.5, 1.0, 0.5, 1.0, 0.75, 513 / 1024], [0.5, 1.0, 1.0, 0.5, 0.75, 513 / 1024]])
    integers = np.concatenate([np.arange(-4000, 4001), random.integers(-(2**26), 2**26, 4000)])[:, None].repeat(40, 1)
    coefficients = integers / 1024.0
    expected = np.copysign(symbol_sizes(coefficients, limits[0], limits[1]), coefficients)
    rounding = _Rounding(torch.from_numpy(limits), torch.zeros(2, 40, dtype=torch.float64), type_)
    found = rounding.rounded(torch.from_numpy(integers).to(type_))
    assert np.array_equal(found.numpy(), expected.astype(np.int64))


def test_a_changed_state_is_not_coded_with_the_one_before() -> None:
    x = smooth(8, 8, 12, seed=6)
    codec = fit_transform(x, step=0.3)
    before = codec.encode(x)
    with torch.no_grad():
        codec.step.mul_(2.0)
    after = codec.encode(x)
    assert len(after) < len(before)
    assert torch.equal(codec.decode(after), codec(x).detach())
    with torch.no_grad():
        codec.step.mul_(0.5)
    assert codec.encode(x) == before


@pytest.mark.parametrize("n", range(1, 9))
def test_the_cosine_transform_is_orthonormal_and_that_of_scipy(n: int) -> None:
    from scipy.fft import dct

    matrix = cosine_matrix(n)
    assert torch.allclose(matrix @ matrix.T, torch.eye(n, dtype=torch.float64), atol=1e-14)
    assert np.allclose(matrix.numpy(), dct(np.eye(n), norm="ortho", axis=0), atol=1e-14)


@pytest.mark.parametrize("grid", [TokenGrid(1, 4, 6, 2, 3), TokenGrid(0, 5, 7, 4, 4), TokenGrid(3, 9, 1, 4, 1)])
def test_blocks_come_back(grid: TokenGrid) -> None:
    tokens = torch.arange(2 * grid.height * grid.width * 3.0).reshape(2, -1, 3)
    padded = grid.padded(tokens)
    blocks = grid.blocks(padded)
    assert blocks.shape == (2 * grid.n_blocks, grid.block_size * 3)
    assert torch.equal(grid.unblocked(blocks, 2), padded)
    assert torch.equal(grid.cropped(padded), tokens)


def test_the_default_grid() -> None:
    assert default_grid(257) == TokenGrid(1, 16, 16, 4, 4)
    assert default_grid(197) == TokenGrid(1, 14, 14, 7, 7)
    assert default_grid(261, n_prefix=5) == TokenGrid(5, 16, 16, 4, 4)
    assert default_grid(1370) == TokenGrid(1, 37, 37, 4, 4)
    with pytest.raises(InputError, match="square"):
        default_grid(200, n_prefix=1)


def test_a_fine_step_restores_everything() -> None:
    x = natural(30)
    codec = fit_transform(x, step=0.01, grid=TokenGrid(1, 3, 3, 3, 3), slope=0.0)
    # Orthonormal transforms: the mean squared error is that of uniform noise, step**2 / 12.
    assert float((codec(x).detach() - x).double().square().mean()) == pytest.approx(0.01**2 / 12, rel=0.1)


def test_new_samples_far_beyond_calibration_come_back() -> None:
    codec = fit_transform(natural(30), step=0.05, grid=GRID, n_levels=7)
    x = natural(3, seed=11) * 3.0
    restored = codec.decode(codec.encode(x))
    assert same_bits(restored, codec(x))
    assert float((restored - x).abs().max()) < 1.0


def test_it_beats_plain_quantisation_where_there_is_redundancy() -> None:
    x, new = smooth(64, 16, 24, seed=1), smooth(16, 16, 24, seed=2)
    plain = make_codec("uniform", bits=5, ranges="channel").eval()
    error = float((plain(new) - new).square().sum() / (new - new.mean((0, 1))).square().sum())
    codec = fit_transform(x, error=error)
    reached = float((codec(new).detach() - new).square().sum() / (new - new.mean((0, 1))).square().sum())
    assert reached < 1.5 * error
    assert len(codec.encode(new)) < 0.5 * len(plain.encode(new))


def test_size_is_that_of_the_tables() -> None:
    """The stream is as long as the symbols' ideal code under the calibrated tables says."""
    x = smooth(48, 16, 24, seed=3)
    codec = fit_transform(x, step=0.3)
    bits = 0.0
    for models, plane in zip(codec.models(), codec._all_symbols(x), strict=True):
        for number, columns in models.groups():
            weights, n_levels = models.table(number)
            symbols = plane.numpy()[:, columns].ravel() + n_levels
            escaped = (symbols < 0) | (symbols > 2 * n_levels)
            bits += 32 * np.count_nonzero(escaped)
            symbols = np.where(escaped, 2 * n_levels + 1, symbols)
            bits -= np.log2(weights[symbols] / weights.sum()).sum()
    assert len(codec.encode(x)) <= 1.01 * bits / 8 + 60


def test_rounding_by_rate_and_distortion_pays() -> None:
    x, new = smooth(64, 16, 24, seed=4), smooth(16, 16, 24, seed=5)
    found = []
    for slope, step in ((0.0, 0.3), (1.0, 0.27)):
        codec = fit_transform(x, step=step, slope=slope)
        found.append((float((codec(new).detach() - new).square().sum()), len(codec.encode(new))))
    assert found[1][0] < found[0][0]
    assert found[1][1] < found[0][1]


@pytest.mark.parametrize("metric", ["channel", "full"])
def test_gradients_weigh_errors(metric: str) -> None:
    x = natural(200, channels=8)
    readout = torch.diag(torch.tensor([5.0, 5.0, 1, 1, 0.2, 0.2, 0.1, 0.1]))
    if metric == "full":
        readout = readout @ torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(6)))[0]
    gradient = torch.randn(2000, TOKENS, 8, generator=torch.Generator().manual_seed(7)) @ readout
    weighted = fit_transform(x, gradient, step=0.6, grid=GRID, metric=metric)
    plain = fit_transform(x, step=0.6, grid=GRID)

    def output_error(codec: TransformCodec) -> float:
        return float(((codec(x).detach() - x) @ readout.T).square().mean())

    # The step at which the plain codec has the same output error takes more bytes.
    fine = fit_transform(x, step=0.6 * math.sqrt(output_error(weighted) / output_error(plain)), grid=GRID)
    assert output_error(fine) == pytest.approx(output_error(weighted), rel=0.2)
    assert len(weighted.encode(x)) < 0.95 * len(fine.encode(x))


def test_the_transform_is_whole() -> None:
    x = natural(100)
    gradient = natural(100, seed=12)
    found = fit_channel_transform(x, GRID, gradient)
    assert torch.allclose(found.synthesis @ found.analysis, torch.eye(6, dtype=torch.float64), atol=1e-9)
    assert bool((found.variance[:-1] >= found.variance[1:]).all())
    with pytest.raises(InputError, match="metric"):
        fit_channel_transform(x, GRID, gradient, metric="euclid")
    with pytest.raises(InputError, match="zero"):
        fit_channel_transform(x, GRID, torch.zeros_like(gradient))


def test_gradients_of_the_surrogate() -> None:
    x = natural(5).requires_grad_()
    codec = fit_transform(natural(30), step=0.05, grid=GRID, slope=0.0)
    weight = torch.randn(x.shape, generator=torch.Generator().manual_seed(8))
    (codec(x) * weight).sum().backward()
    assert torch.allclose(x.grad, weight, atol=1e-2)  # rounding passes on, and the transform is undone
    for name in ("analysis", "synthesis", "centre"):
        assert float(codec.get_parameter(name).grad.abs().sum()) > 0.0


def test_the_rate_estimate_follows_the_stream_and_trains() -> None:
    x = smooth(48, 16, 24, seed=9)
    estimates, sizes = [], []
    for step in (0.05, 0.1, 0.3):
        codec = fit_transform(x, step=step)
        with torch.no_grad():
            estimates.append(float(codec.forward_with_rate(x)[1]) / 8)
        sizes.append(len(codec.encode(x)))
    assert estimates == sorted(estimates, reverse=True)
    assert np.allclose(estimates, sizes, rtol=0.3)
    codec = fit_transform(x, step=0.1).train()
    codec.generator = torch.Generator().manual_seed(10)
    _, bits = codec.forward_with_rate(x[:8])
    bits.backward()
    assert float(codec.step.grad) < 0.0  # a larger step takes fewer bits


def test_training_then_fitting_the_models_again_shortens_the_stream() -> None:
    x = smooth(64, 16, 24, seed=13)
    codec = make_codec("transform", n_channels=24, grid=default_grid(257)).train()
    with torch.no_grad():
        codec.step.fill_(0.2)
    optimiser = torch.optim.Adam([codec.analysis, codec.synthesis, codec.log_scale], lr=0.01)
    codec.generator = torch.Generator().manual_seed(14)
    fit_models(codec, x)
    before = len(codec.encode(x))
    error_before = float((codec.eval()(x) - x).square().mean())
    codec.train()
    for _ in range(40):
        optimiser.zero_grad()
        restored, bits = codec.forward_with_rate(x[:8])
        (bits / x[:8].numel() + 3000.0 * (restored - x[:8]).square().mean() / 12).backward()
        optimiser.step()
    fit_models(codec, x)
    codec.eval()
    assert len(codec.encode(x)) < before
    assert float((codec(x) - x).square().mean()) < 2.0 * error_before
    assert same_bits(codec.decode(codec.encode(x)), codec(x))


def test_calibration_faults_are_named() -> None:
    x = natural(4)
    for settings, words in (
        ({}, "step or an error"),
        ({"step": 1.0, "error": 0.1}, "not both"),
        ({"step": 0.0}, "step: expected a finite number above 0, got 0.0"),
        ({"step": -1.0}, "step: expected a finite number above 0, got -1.0"),
        ({"step": float("nan")}, "step: expected a finite number above 0, got nan"),
        ({"step": "wide", "slope": -1.0}, "step: (.|\n)*slope: "),
        ({"error": float("inf")}, "error: expected a finite number above 0"),
        ({"step": 1.0, "centroids": 3}, "centroids: expected true or false"),
        ({"step": 1.0, "grid": 3}, "grid: expected .* got 3"),
        ({"step": 1.0, "grid": TokenGrid(0, 3, 3, 3, 3)}, "grid: expected one of the 10 tokens .* got 9"),
        ({"step": 1.0, "n_levels": -1}, "n_levels: expected a whole number"),
        ({"step": 1.0, "n_level": 3}, "codec.n_level: unknown setting"),
    ):
        with pytest.raises(InputError, match=words):
            fit_codec("transform", x, **{"grid": GRID, **settings})
    with pytest.raises(InputError, match="grid: expected a token grid, got 3"):
        fit_transform(x, step=1.0, grid=3)
    with pytest.raises(InputError, match="keep: expected a share"):
        fit_codec("gumbel", x, keep="abc")
    with pytest.raises(InputError, match="n_tokens: expected 10, as the activations have, got 5"):
        fit_codec("uniform", x, n_tokens=5)
    with pytest.raises(InputError, match="finite"):
        fit_codec("transform", x * float("nan"), step=1.0, grid=GRID)
    with pytest.raises(InputError, match="n_components"):
        make_codec("transform", n_channels=4, n_components=5, grid=GRID)


def test_one_sample_and_constant_activations_calibrate() -> None:
    for x in (natural(1), torch.full((5, TOKENS, 6), 3.0), torch.zeros(2, TOKENS, 6)):
        codec = fit_codec("transform", x, step=0.1, grid=GRID)
        assert same_bits(codec.decode(codec.encode(x)), codec(x))
        assert float((codec(x) - x).abs().max()) < 1.0
