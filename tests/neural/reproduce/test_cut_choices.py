"""Choices of cuts: sharing what they have in common changes nothing, and every choice comes once."""

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")

from orbitsim.neural.codecs import make_codec  # noqa: E402
from orbitsim.neural.reproduce.cut_choices import random_choices, run_choices  # noqa: E402
from orbitsim.neural.reproduce.random_cuts import RandomCuts  # noqa: E402
from orbitsim.neural.split import SplitModel  # noqa: E402
from orbitsim.neural.training.small_vit import small_vit  # noqa: E402


@pytest.fixture(scope="module")
def parts():
    return small_vit("vit-micro-16", ("a", "b", "c"), seed=3)


@pytest.fixture(scope="module")
def images():
    return torch.randn(7, 3, 16, 16, generator=torch.Generator().manual_seed(5))


def test_choices_are_different_and_by_seed():
    found = random_choices(12, 4, 200, 1)
    assert len(set(found)) == 200
    assert found == sorted(found)
    assert all(min(c) >= 1 and max(c) <= 11 and list(c) == sorted(set(c)) for c in found)
    assert found == random_choices(12, 4, 200, 1)
    assert found != random_choices(12, 4, 200, 2)
    assert len(random_choices(12, 4, 10_000, 1)) == math.comb(11, 4)


def test_a_shared_walk_gives_what_each_choice_gives_alone(parts, images):
    codecs = {cut: make_codec("topk", keep=0.3, bits=3 + cut).eval() for cut in (1, 2, 3)}
    choices = [(1,), (1, 2), (1, 3), (2, 3), (1, 2, 3)]
    found = {result.cuts: result for result in run_choices(parts, codecs, choices, images, batch_size=3)}
    assert sorted(found) == sorted(choices)
    for cuts in choices:
        split = SplitModel(parts, cuts, [codecs[cut] for cut in cuts]).eval()
        outputs, n_bytes = [], 0
        for some in torch.split(images, 3):
            output, sizes = split.run_bytes(some)
            outputs.append(output)
            n_bytes += sum(sizes)
        torch.testing.assert_close(found[cuts].output, torch.cat(outputs), rtol=0, atol=1e-5)
        assert found[cuts].n_bytes == n_bytes
        assert found[cuts].n_values == len(cuts) * 7 * 17 * 32


def test_so_many_codecs_act_at_a_step(parts, images):
    codecs = [make_codec("uniform", bits=2).eval() for _ in range(3)]
    split = RandomCuts(parts, (1, 2, 3), codecs, n_acting=2)
    torch.manual_seed(0)
    acting = set()
    for _ in range(12):
        output, bits = split.forward_with_rate(images)
        positive = tuple(number for number, b in enumerate(bits) if float(b.detach()) > 0)
        assert len(positive) == 2
        acting.add(positive)
        cuts = [number + 1 for number in positive]
        alone = SplitModel(parts, cuts, [codecs[number] for number in positive]).eval()
        torch.testing.assert_close(output, alone(images), rtol=0, atol=1e-5)
    assert len(acting) == 3
