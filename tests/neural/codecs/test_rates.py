"""Rate estimates against integration, and against the streams of codecs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import laplace

from orbitsim.neural.codecs import make_codec
from orbitsim.neural.codecs.rates import laplace_bin_bits, laplace_fit


@pytest.mark.parametrize("scale", [0.05, 0.3, 1.0, 20.0])
def test_against_the_distribution_of_scipy(scale: float) -> None:
    d = np.array([-8.0, -1.5, -0.51, -0.5, -0.2, 0.0, 0.1, 0.49, 0.5, 0.7, 2.0, 5.5])
    mirrored = np.abs(d)  # upper tail: no cancellation
    expected = -np.log2(laplace.sf(mirrored - 0.5, scale=scale) - laplace.sf(mirrored + 0.5, scale=scale))
    found = laplace_bin_bits(torch.from_numpy(d), torch.tensor(scale, dtype=torch.float64)).numpy()
    usable = np.isfinite(expected)
    assert np.allclose(found[usable], expected[usable], rtol=1e-3, atol=2e-5)
    assert bool(np.isfinite(found).all())


def test_gradients_are_finite_everywhere_and_right_where_smooth() -> None:
    d = torch.tensor([-1e6, -0.5, 0.0, 0.5, 0.7, 3.0, 1e6], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([1e-9, 0.3, 1.0, 1e6, 0.5, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    laplace_bin_bits(d, scale).sum().backward()
    assert bool(torch.isfinite(d.grad).all() and torch.isfinite(scale.grad).all())
    smooth = torch.tensor([0.2, 0.9, -2.0], dtype=torch.float64, requires_grad=True)
    wide = torch.tensor([0.4, 0.8, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(laplace_bin_bits, (smooth, wide))


def test_the_fit_counts_weights() -> None:
    x = torch.tensor([[1.0], [3.0], [100.0]])
    mean, scale = laplace_fit(x, torch.tensor([[1.0], [1.0], [0.0]]))
    assert (float(mean), float(scale)) == pytest.approx((2.0, 1.0))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("identity", {}),
        ("identity", {"bits": 16}),
        ("uniform", {"bits": 8}),
        ("uniform", {"bits": 4, "ranges": "channel"}),
        ("gumbel", {"n_tokens": 30, "n_channels": 40}),
        ("topk", {"keep": 0.2}),
    ],
)
def test_estimates_are_near_the_streams(kind: str, settings: dict[str, object]) -> None:
    x = torch.from_numpy(np.random.default_rng(0).laplace(0, 1, (20, 30, 40)).astype(np.float32)).requires_grad_()
    codec = make_codec(kind, **settings).eval()
    restored, bits = codec.forward_with_rate(x)
    assert float(bits.detach()) / 8 == pytest.approx(len(codec.encode(x.detach())), rel=0.15)
    (bits + restored.sum()).backward()
    assert bool(torch.isfinite(x.grad).all())


def test_an_empty_mini_batch_costs_nothing() -> None:
    restored, bits = make_codec("uniform").forward_with_rate(torch.zeros(0, 3, 4))
    assert restored.shape == (0, 3, 4)
    assert float(bits) == 0.0
