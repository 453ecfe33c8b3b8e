"""Random streams by name, and images mixed by known shares."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from orbitsim.neural.training.mixing import mixed_images  # noqa: E402
from orbitsim.neural.training.streams import numpy_stream, torch_stream  # noqa: E402


def test_streams_depend_on_seed_purpose_and_numbers_alone():
    def draws(*which):
        with torch_stream(*which):
            return (float(torch.rand(())), float(numpy_stream(*which).random()))

    torch.manual_seed(1)
    first = draws(1, "step", 3)
    torch.rand(5)
    assert draws(1, "step", 3) == first
    others = {draws(2, "step", 3), draws(1, "order", 3), draws(1, "step", 4), draws(1, "step", 3, 0)}
    assert len(others | {first}) == 5


def test_streams_leave_the_global_generator_alone():
    torch.manual_seed(9)
    wanted = torch.rand(3)
    torch.manual_seed(9)
    with torch_stream(1, "anything"):
        torch.rand(100)
    assert torch.equal(torch.rand(3), wanted)


def test_mixed_labels_say_what_is_in_the_image():
    """Images of one value per class: the mean of a mixed image is the mix of its classes' values."""
    labels = torch.arange(4)
    images = labels.float()[:, None, None, None].expand(4, 3, 10, 12).contiguous()
    for seed in range(40):
        found, shares = mixed_images(images, labels, 4, np.random.default_rng(seed), 0.8)
        assert torch.allclose(shares.sum(1), torch.ones(4))
        assert torch.allclose(found.mean((1, 2, 3)), shares @ torch.arange(4.0), atol=1e-4)


def test_no_mixing_leaves_images_as_they_are():
    images = torch.rand(2, 3, 4, 4)
    found, shares = mixed_images(images, torch.tensor([1, 0]), 2, np.random.default_rng(1), 0.0)
    assert found is images
    assert torch.equal(shares, torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
