"""The linear probe: the minimum that it claims, the choice of its penalty, the same answer twice."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from orbitsim.neural.probe import fit_probe, pooled  # noqa: E402


def blobs(n=240, n_features=6, n_classes=3, spread=1.5, seed=0):
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(n_classes, n_features))
    labels = np.arange(n) % n_classes
    return centres[labels] + spread * draw.normal(size=(n, n_features)), labels


def test_the_gradient_vanishes_at_the_fit():
    x, y = blobs()
    probe = fit_probe(x, y, strengths=[0.1])
    z = (x - probe.mean) / probe.scale
    weight = torch.tensor(probe.weight, requires_grad=True)
    bias = torch.tensor(probe.bias, requires_grad=True)
    logits = torch.from_numpy(z) @ weight.T + bias
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y)) + 0.5 * 0.1 / 6 * weight.square().sum()
    loss.backward()
    assert max(float(weight.grad.abs().max()), float(bias.grad.abs().max())) < 1e-5


def test_two_classes_agree_with_newtons_method():
    """One feature, two classes, no class overlap handled by the penalty: Newton's method by hand."""
    draw = np.random.default_rng(3)
    x = np.concatenate([draw.normal(-1, 1, 50), draw.normal(1, 1, 50)])[:, None]
    y = np.repeat([0, 1], 50)
    strength = 0.2
    probe = fit_probe(x, y, strengths=[strength])
    z = ((x - x.mean(0)) / x.std(0))[:, 0]
    # The softmax of two classes has opposite weights, so that the penalty on each is half of one on their
    # difference.
    theta = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-(theta[0] * z + theta[1])))
        gradient = np.array([np.mean((p - y) * z) + strength / 2 * theta[0], np.mean(p - y)])
        s = p * (1 - p)
        hessian = np.array([[np.mean(s * z * z) + strength / 2, np.mean(s * z)], [np.mean(s * z), np.mean(s)]])
        theta -= np.linalg.solve(hessian, gradient)
    assert probe.weight[1, 0] - probe.weight[0, 0] == pytest.approx(theta[0], rel=1e-4)
    assert probe.bias[1] - probe.bias[0] == pytest.approx(theta[1], abs=1e-4)


def test_the_penalty_is_chosen_within_the_training_part():
    x, y = blobs(n=60, n_features=40, spread=3.0)
    probe = fit_probe(x, y)
    assert probe.strength == min(probe.inner_loss, key=probe.inner_loss.get)
    assert len(probe.inner_loss) == 6
    easy, labels = blobs(n=600, n_features=4, spread=0.6)
    assert fit_probe(easy, labels).strength < probe.strength


def test_the_same_samples_give_the_same_probe():
    x, y = blobs()
    one, two = fit_probe(x, y, seed=5), fit_probe(x, y, seed=5)
    assert np.array_equal(one.weight, two.weight)
    assert one.strength == two.strength


def test_the_layer_gives_the_same_logits():
    x, y = blobs()
    x[:, 2] = 7.0  # a feature that says nothing
    probe = fit_probe(x, y, n_classes=4)
    with torch.no_grad():
        found = probe.as_linear()(torch.from_numpy(x).float()).numpy()
    assert np.allclose(found, probe.logits(x), atol=1e-4)
    assert probe.accuracy(x, y) > 0.6
    assert probe.weight.shape == (4, 6)


def test_pooled_features():
    tokens = torch.arange(24, dtype=torch.float32).reshape(1, 6, 4)
    assert torch.equal(pooled(tokens)[0], torch.cat([tokens[0, 0], tokens[0, 1:].mean(0)]))
    assert torch.equal(pooled(tokens, 2)[0, 4:], tokens[0, 2:].mean(0))


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2, int), {}, "labels"),
        (np.full((3, 2), np.nan), np.array([0, 1, 0]), {}, "finite"),
        (np.zeros((3, 2)), np.array([0, 3, 0]), {"n_classes": 2}, "from 0 to 1"),
        (np.zeros((3, 2)), np.array([0, 1, 0]), {"strengths": [0.0]}, "above 0"),
    ],
)
def test_bad_input(x, y, options, message):
    with pytest.raises(ValueError, match=message):
        fit_probe(x, y, **options)
