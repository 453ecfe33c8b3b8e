"""Gumbel mask and Top-k: what they keep, in training and after it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from neural.codecs.cases import CHANNELS, GRID, TOKENS, natural

from orbitsim.errors import InputError
from orbitsim.neural.codecs import fit_codec, make_codec
from orbitsim.neural.codecs.calibration import importance, mask_logits
from orbitsim.neural.codecs.gumbel import GumbelCodec, gumbel_temperature
from orbitsim.neural.codecs.topk import RandomTopKCodec, largest


def gumbel(**settings: object) -> GumbelCodec:
    codec = make_codec("gumbel", n_tokens=TOKENS, n_channels=CHANNELS, **settings)
    assert isinstance(codec, GumbelCodec)
    return codec


def test_the_chance_of_keeping_is_the_sigmoid_of_the_logit() -> None:
    codec = make_codec("gumbel", n_tokens=100, n_channels=1000, initial_logit=0.8).train()
    codec.generator = torch.Generator().manual_seed(1)
    kept = float((codec(torch.ones(1, 100, 1000)) != 0).double().mean())
    # Three standard deviations of a share of 100,000 draws. One Gumbel variable alone would give 0.892.
    assert kept == pytest.approx(1 / (1 + np.exp(-0.8)), abs=3 * 0.5 / np.sqrt(1e5))


def test_evaluation_keeps_what_has_a_logit_above_zero_and_sends_no_index() -> None:
    codec, x = gumbel(bits=8), natural(3)
    with torch.no_grad():
        codec.logits.copy_(torch.randn(TOKENS, CHANNELS, generator=torch.Generator().manual_seed(2)))
        codec.logits[0, 0] = 0.0
    kept = codec.logits.detach() > 0
    restored = codec.eval()(x)
    assert bool((restored[:, ~kept] == 0).all())
    assert bool((restored[:, kept] != 0).any())
    assert codec.keep_share() == pytest.approx(float(kept.double().mean()))
    assert codec.size_parts(x).sparsified_bytes == 4 * 3 * int(kept.sum())


def test_straight_through_gradients_of_the_mask() -> None:
    codec, x = gumbel(bits=8, initial_logit=0.3).eval(), natural(4).requires_grad_()
    codec.temperature.fill_(0.5)
    weight = torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    (codec(x) * weight).sum().backward()
    assert torch.allclose(x.grad, weight)  # all is kept, and the quantiser passes gradients on
    soft = torch.sigmoid(torch.tensor(0.3 / 0.5))
    expected = (weight * x.detach()).sum(0) * soft * (1 - soft) / 0.5
    assert torch.allclose(codec.logits.grad, expected, rtol=1e-4, atol=1e-4)


def test_gradients_of_what_is_dropped_reach_its_logit_only() -> None:
    codec, x = gumbel(initial_logit=-0.3).eval(), natural(4).requires_grad_()
    codec(x).sum().backward()
    assert float(x.grad.abs().sum()) == 0.0
    assert float(codec.logits.grad.abs().sum()) > 0.0


def test_sparsity_loss_is_the_expected_share_and_pushes_logits_down() -> None:
    codec = gumbel(initial_logit=0.0)
    loss = codec.sparsity_loss()
    assert float(loss.detach()) == pytest.approx(0.5)
    loss.backward()
    assert torch.allclose(codec.logits.grad, torch.full((TOKENS, CHANNELS), 0.25 / (TOKENS * CHANNELS)))


def test_the_mask_can_be_learnt() -> None:
    """Half of the channels matter; with a price on keeping, the mask finds which."""
    codec = gumbel(initial_logit=1.0).train()
    codec.generator = torch.Generator().manual_seed(4)
    x = 2.0 * torch.randn(64, TOKENS, CHANNELS, generator=torch.Generator().manual_seed(5))
    matters = (torch.arange(CHANNELS) % 2).float()
    optimiser = torch.optim.Adam(codec.parameters(), lr=0.1)
    for _ in range(100):
        optimiser.zero_grad()
        restored, bits = codec.forward_with_rate(x)
        loss = ((restored - x).square() * matters).mean() + 0.2 * codec.sparsity_loss() + 1e-9 * bits
        loss.backward()
        optimiser.step()
    assert torch.equal((codec.logits.detach() > 0).float(), matters.expand(TOKENS, CHANNELS))


def test_training_draws_a_new_mask_each_time_and_repeats_with_its_generator() -> None:
    codec, x = gumbel(initial_logit=0.0).train(), natural(2)
    outputs = []
    for seed in (1, 1, 2):
        codec.generator = torch.Generator().manual_seed(seed)
        outputs.append(codec(x).detach())
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


def test_the_temperature_is_that_of_equation_5() -> None:
    assert [gumbel_temperature(t, 10, 2.0, 0.5) for t in (0, 5, 7.5, 9, 10)] == [2.0, 1.0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("keep", [0.001, 0.2, 0.5, 1.0])
def test_fitted_logits_keep_the_share_that_costs_most(keep: float) -> None:
    cost = torch.rand(13, 29, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    logits = mask_logits(cost, keep)
    n_kept = max(1, round(keep * cost.numel()))
    assert int((logits > 0).sum()) == n_kept
    assert float(cost[logits > 0].min()) >= float(cost[logits <= 0].max() if n_kept < cost.numel() else 0.0)
    with pytest.raises(InputError, match="keep"):
        mask_logits(cost, 0.0)


def test_importance_weighs_values_by_gradients() -> None:
    x, gradient = natural(20), torch.zeros(20, TOKENS, CHANNELS)
    gradient[..., 2] = 1.0
    assert bool((importance(x, None, gradient)[:, [0, 1, 3]] == 0).all())
    codec = fit_codec("gumbel", x, gradient, keep=1 / CHANNELS, centred=True)
    assert torch.equal((codec.logits > 0).nonzero()[:, 1].unique(), torch.tensor([2]))
    errors = [fit_codec("gumbel", x, keep=0.3, centred=centred)(x).detach() - x for centred in (True, False)]
    assert float(errors[0].square().sum()) < float(errors[1].square().sum())


@pytest.mark.parametrize("k", [1, 7, 30, 60])
def test_largest_keeps_exactly_k_and_the_first_among_equals(k: int) -> None:
    score = torch.randint(0, 5, (11, 60), generator=torch.Generator().manual_seed(7)).float()
    mask = largest(score, k)
    assert bool((mask.sum(1) == k).all())
    order = np.argsort(-score.numpy(), axis=1, kind="stable")[:, :k]
    expected = np.zeros((11, 60), dtype=bool)
    np.put_along_axis(expected, order, True, axis=1)
    assert np.array_equal(mask.numpy(), expected)


def test_topk_restores_the_largest_values_of_each_sample() -> None:
    codec, x = make_codec("topk", keep=0.25, bits=8).eval(), natural(5)
    restored = codec(x)
    for sample, found in zip(x, restored, strict=True):
        limit = sample.abs().flatten().sort(descending=True).values[round(0.25 * TOKENS * CHANNELS) - 1]
        assert torch.equal(found != 0, sample.abs() >= limit)


def test_topk_pays_for_its_places() -> None:
    codec, x = make_codec("topk", keep=0.2).eval(), natural(20, tokens=40, channels=32)
    parts = codec.size_parts(x)
    assert parts.sparsified_bytes > 4 * 20 * round(0.2 * 40 * 32)


def test_gradients_of_topk_reach_what_is_kept() -> None:
    codec, x = make_codec("topk", keep=0.3).eval(), natural(4).requires_grad_()
    restored = codec(x)
    restored.sum().backward()
    assert torch.equal(x.grad, (restored != 0).float())


def test_randomised_topk_draws_in_training_what_its_weights_say() -> None:
    n, k, chance = 40, 4, 0.3
    codec = make_codec("random-topk", keep=k / n, chance=chance, bits=8).train()
    codec.generator = torch.Generator().manual_seed(8)
    x = (1.0 + torch.arange(n)).reshape(1, 1, n).expand(20_000, 1, n)
    kept = codec(x)[:, 0] != 0
    assert bool((kept.sum(1) == k).all())
    # A slow twin: weighted drawing without replacement, one value at a time.
    random = np.random.default_rng(9)
    weights = np.full(n, chance / (n - k))
    weights[-k:] = (1 - chance) / k
    inside = [np.count_nonzero(random.choice(n, k, replace=False, p=weights) >= n - k) for _ in range(20_000)]
    assert float(kept[:, -k:].sum(1).double().mean()) == pytest.approx(np.mean(inside), abs=0.03)
    codec.eval()
    assert bool((codec(x[:3])[:, 0] != 0)[:, -k:].all())


def test_settings_out_of_range_are_named() -> None:
    for kind, settings, words in (
        ("topk", {"keep": 0.0}, "keep"),
        ("random-topk", {"chance": 1.0}, "chance"),
        ("uniform", {"bits": 9}, "bits"),
        ("uniform", {"bits": 1, "ranges": "row"}, "bits(.|\n)*ranges"),
        ("uniform", {"centred": True}, "n_tokens"),
        ("uniform", {"calibrated": True, "ranges": "channel"}, "n_channels"),
        ("identity", {"bits": 8}, "bits"),
        ("gumbel", {"n_tokens": 4}, "n_channels"),
        ("uniform", {"bit": 8, "rang": 1}, "codec.bit: (.|\n)*codec.rang: "),
        ("wavelet", {}, "identity, uniform, gumbel"),
        ("transform", {"n_channels": 4, "grid": {"height": 3}}, "block_width"),
        ("transform", {"n_channels": 4, "grid": 3}, "grid: expected a number for each of n_prefix, .* got 3"),
        ("transform", {"n_channels": 4, "grid": GRID, "n_levels": -1}, "n_levels: expected a whole .* got -1"),
        ("transform", {"n_channels": 4, "grid": GRID, "n_levels": 1 << 15}, "n_levels: expected .* to 32767"),
        ("transform", {"n_channels": 4, "grid": GRID, "n_classes": 0}, "n_classes: expected .* at least 1, got 0"),
        ("transform", {"n_channels": 4.0, "grid": GRID}, "n_channels: expected a whole"),
        ("topk", {"keep": "abc"}, "codec topk: keep: expected a share above 0 and at most 1, got 'abc'"),
        ("topk", {"keep": float("nan"), "bits": "x"}, "bits: (.|\n)*keep: "),
        ("random-topk", {"chance": None, "keep": 2}, "codec random-topk: keep: (.|\n)*chance: "),
        ("gumbel", {"n_tokens": -1, "n_channels": 3}, "codec gumbel: n_tokens: expected a whole .* got -1"),
        ("gumbel", {"n_tokens": 2.5, "n_channels": 3}, "n_tokens: expected a whole number of at least 1, got 2.5"),
        ("gumbel", {"n_tokens": None, "n_channels": 3, "initial_logit": "x"}, "n_tokens: (.|\n)*initial_logit: "),
        ("uniform", {"bits": 4.0}, "bits: expected a whole number from 2 to 8, got 4.0"),
        ("uniform", {"calibrated": "no"}, "calibrated: expected true or false"),
        ("identity", {"bits": "a"}, "codec identity: bits: expected 16 or 32, got 'a'"),
    ):
        with pytest.raises(InputError, match=words):
            make_codec(kind, **settings)


def test_randomised_topk_is_of_its_kind() -> None:
    assert isinstance(make_codec("random-topk"), RandomTopKCodec)
