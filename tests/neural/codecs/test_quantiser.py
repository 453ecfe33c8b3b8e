"""The quantiser of Eq. (6): error bound, monotony, sign, degenerate ranges, and a plain twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from neural.codecs.cases import batches, natural, same_bits

from orbitsim.neural.codecs import fit_codec, make_codec
from orbitsim.neural.codecs.quantiser import Ranges, dequantise, measure_ranges, quantise, with_zero


def by_hand(x: float, low: float, high: float, bits: int) -> float:
    """Return Eq. (6) for one value, written as in the paper, with its errata."""
    step = (high - low) / (2 ** (bits - 1) - 1)
    index = 0 if step == 0 else math.floor((abs(x) - low) / step + 0.5)
    return math.copysign(low + index * step, x)


@pytest.mark.parametrize("bits", range(2, 9))
def test_against_the_formula_by_hand(bits: int) -> None:
    x = torch.tensor([-3.0, -0.25, 0.0, 0.5, 1.0, 2.9, 7.0]).reshape(1, 7, 1)
    ranges = measure_ranges(x, None, per_channel=False)
    found = dequantise(quantise(x, ranges, bits), ranges, bits).flatten().tolist()
    assert found == [np.float32(by_hand(v, 0.0, 7.0, bits)) for v in x.flatten().tolist()]


@settings(max_examples=150, deadline=None)
@given(x=batches(tokens=5, channels=3), bits=st.integers(2, 8), per_channel=st.booleans(), signed_zero=st.booleans())
def test_the_error_is_at_most_half_a_step(x: torch.Tensor, bits: int, per_channel: bool, signed_zero: bool) -> None:
    if not len(x):
        return
    x = x.float()
    ranges = measure_ranges(x, None, per_channel)
    ranges = ranges if signed_zero else with_zero(ranges, bits)
    restored = dequantise(quantise(x, ranges, bits), ranges, bits).double()
    # Half a step, and the rounding of the result to float32.
    rounding = ranges.high.double() * 2.0**-24 + 2.0**-150
    assert bool(((restored - x.double()).abs() <= 0.5 * ranges.step(bits) * (1 + 1e-12) + rounding).all())
    assert bool((restored.abs() <= ranges.high).all())
    assert not bool(((restored < 0) & (x > 0)).any() | ((restored > 0) & (x < 0)).any())


@pytest.mark.parametrize("ranges", ["tensor", "channel"])
def test_more_bits_mean_less_error_and_more_bytes(ranges: str) -> None:
    x = natural(40, tokens=50, channels=30)
    errors, sizes = [], []
    for bits in range(2, 9):
        codec = make_codec("uniform", bits=bits, ranges=ranges).eval()
        errors.append(float((codec(x) - x).square().mean()))
        sizes.append(len(codec.encode(x)))
    assert errors == sorted(errors, reverse=True)
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("bits", range(2, 9))
def test_values_looked_up_are_those_computed(bits: int) -> None:
    """One range is dequantised by a table, ranges of channels by arithmetic."""
    random = torch.Generator().manual_seed(bits)
    codes = torch.randint(0, 2**bits, (700, 60), generator=random).to(torch.uint8)
    ends = torch.rand(2, generator=random).sort().values
    ends[0] *= bits % 2
    whole, apart = Ranges(ends[0], ends[1]), Ranges(ends[0].expand(60), ends[1].expand(60))
    assert same_bits(dequantise(codes, whole, bits), dequantise(codes, apart, bits))


def test_ranges_of_masked_values_are_those_of_the_values_alone() -> None:
    x = natural(300, tokens=40)
    mask = torch.rand(x.shape, generator=torch.Generator().manual_seed(1)) < 0.3
    masked, alone = measure_ranges(x, mask, per_channel=False), measure_ranges(x[mask], None, per_channel=False)
    assert (masked.low, masked.high) == (alone.low, alone.high)
    of_channels = measure_ranges(x, mask, per_channel=True)
    assert of_channels.high.tolist() == [float(x[..., k][mask[..., k]].abs().max()) for k in range(x.shape[-1])]
    assert of_channels.low.tolist() == [float(x[..., k][mask[..., k]].abs().min()) for k in range(x.shape[-1])]


def test_ranges_of_channels_fit_better() -> None:
    x = natural(40)
    whole, apart = (make_codec("uniform", bits=5, ranges=r).eval() for r in ("tensor", "channel"))
    assert float((apart(x) - x).square().sum()) < float((whole(x) - x).square().sum())


def test_equal_magnitudes_have_no_step_and_keep_their_signs() -> None:
    x = torch.tensor([2.5, -2.5, 2.5]).reshape(1, 1, 3)
    assert torch.equal(make_codec("uniform", bits=2).eval()(x), x)


def test_nothing_active_is_zero() -> None:
    x = natural(2)
    ranges = measure_ranges(x, torch.zeros(x.shape, dtype=torch.bool), per_channel=True)
    assert float(ranges.low.abs().sum() + ranges.high.abs().sum()) == 0.0


def test_a_zero_without_a_sign_saves_bits_at_no_cost() -> None:
    x = torch.from_numpy(np.random.default_rng(1).laplace(0, 1, (8, 50, 96)).astype(np.float32))
    paper, ours = (make_codec("uniform", bits=4, signed_zero=signed).eval() for signed in (True, False))
    assert float((ours(x) - x).square().mean()) <= 1.001 * float((paper(x) - x).square().mean())
    assert len(ours.encode(x)) < 0.9 * len(paper.encode(x))
    assert bool((paper(x) != 0).all())


def test_calibrated_ranges_saturate() -> None:
    ranges = Ranges(torch.tensor(1.0), torch.tensor(2.0))
    x = torch.tensor([-100.0, 0.1, 1.5, 1e38]).reshape(1, 1, 4)
    assert dequantise(quantise(x, ranges, 2), ranges, 2).flatten().tolist() == [-2.0, 1.0, 2.0, 2.0]


@pytest.mark.parametrize("ranges", ["tensor", "channel"])
def test_calibration_on_the_mini_batch_gives_the_measured_ranges(ranges: str) -> None:
    x = natural(8)
    measured, calibrated = make_codec("uniform", ranges=ranges).eval(), fit_codec(
        "uniform", x, ranges=ranges, calibrated=True
    )  # fmt: skip
    assert torch.equal(measured(x), calibrated(x))
    sent = 8 * (1 if ranges == "tensor" else x.shape[2])
    assert len(measured.encode(x)) - len(calibrated.encode(x)) == sent


def test_size_of_the_stream_is_that_of_the_entropy() -> None:
    x = torch.from_numpy(np.random.default_rng(0).laplace(0, 1, (8, 50, 96)).astype(np.float32))
    codec = make_codec("uniform", bits=8).eval()
    ranges = with_zero(measure_ranges(x, None, per_channel=False), 8)
    codes = quantise(x, ranges, 8).numpy().ravel()
    share = np.unique(codes, return_counts=True)[1] / codes.size
    ideal_bytes = -(share * np.log2(share)).sum() * codes.size / 8
    assert ideal_bytes <= len(codec.encode(x)) <= 1.01 * ideal_bytes + 40 + 8 + 16
