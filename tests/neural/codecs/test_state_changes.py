"""A codec whose state was changed, in whatever way, is another codec at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from neural.codecs.cases import CHANNELS, GRID, TOKENS, natural, same_bits
from torch import Tensor

from orbitsim.neural.codecs import Codec, StreamError, fit_codec, make_codec
from orbitsim.neural.codecs.identifier import state_checksum

FITTED: dict[str, Callable[[], Codec]] = {
    "gumbel": lambda: fit_codec("gumbel", natural(), keep=0.5, centred=True),
    "uniform": lambda: fit_codec("uniform", natural(), calibrated=True, ranges="channel"),
    "transform": lambda: fit_codec("transform", natural(), step=0.5, grid=GRID),
}
STATE = [("gumbel", "logits"), ("gumbel", "centre"), ("uniform", "high"), ("transform", "step"),
         ("transform", "synthesis"), ("transform", "tables")]  # fmt: skip


def _by_data(tensor: Tensor) -> None:
    tensor.data.mul_(-3.0)


def _by_numpy(tensor: Tensor) -> None:
    tensor.detach().numpy()[...] *= -3.0


def _in_place(tensor: Tensor) -> None:
    with torch.no_grad():
        tensor.mul_(-3.0)


@pytest.mark.parametrize("change", [_by_data, _by_numpy, _in_place])
@pytest.mark.parametrize(("kind", "name"), STATE)
def test_a_stream_of_the_state_before_is_refused(kind: str, name: str, change: Callable[[Tensor], None]) -> None:
    codec, x = FITTED[kind](), natural(2)
    before, data = codec.codec_id, codec.encode(x)
    assert same_bits(codec.decode(data), codec(x))
    change(codec.get_parameter(name) if name in dict(codec.named_parameters()) else codec.get_buffer(name))
    with pytest.raises(StreamError, match="in state"):
        codec.decode(data)
    assert codec.codec_id != before


@pytest.mark.parametrize("change", [_by_data, _by_numpy, _in_place])
def test_the_round_trip_follows_a_changed_step(change: Callable[[Tensor], None]) -> None:
    codec, fresh, x = FITTED["transform"](), FITTED["transform"](), natural(2)
    codec(x)  # prepares the plan that must not be used again
    with torch.no_grad():
        change(codec.step)
        change(fresh.step)
        codec.step.abs_()
        fresh.step.abs_()
    assert same_bits(codec(x), fresh(x))
    assert codec.encode(x) == fresh.encode(x)


def test_a_plan_is_not_kept_beyond_a_write_that_torch_does_not_count() -> None:
    codec, fresh, x = FITTED["transform"](), FITTED["transform"](), natural(2)
    assert isinstance(codec.step, Tensor)
    before = codec(x)
    codec.step.data.mul_(3.0)
    fresh.step.data.mul_(3.0)
    after = codec(x)
    assert not same_bits(before, after)
    assert same_bits(after, fresh(x))
    assert same_bits(codec.decode(codec.encode(x)), after)


def test_every_single_value_counts_wherever_it_lies() -> None:
    values = torch.arange(40_000, dtype=torch.float32)
    whole = state_checksum([values])
    for place in (0, 1, 8167, 8168, 20_000, 39_999):
        values.data[place] += 1.0
        assert state_checksum([values]) != whole
        values.data[place] -= 1.0
    assert state_checksum([values]) == whole
    rows = values.reshape(100, 400)
    rows.data[[3, 7]] = rows.data[[7, 3]].clone()
    assert state_checksum([values]) != whole
    assert state_checksum([values, torch.ones(())]) != state_checksum([values, torch.zeros(())])


def test_a_codec_that_was_made_in_inference_mode_works() -> None:
    with torch.inference_mode():
        codec = make_codec("gumbel", n_tokens=TOKENS, n_channels=CHANNELS).eval()
        assert codec.decode(codec.encode(natural(1))).shape == (1, TOKENS, CHANNELS)
