"""Every codec: what is decoded is what the surrogate gives, bit for bit, whatever the mini-batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from neural.codecs.cases import CHANNELS, CODECS, LARGEST, TOKENS, batches, natural, same_bits

from orbitsim.errors import InputError
from orbitsim.neural.codecs import Codec, NumpyCodec, make_codec
from orbitsim.ports import Codec as CodecPort

names = pytest.mark.parametrize("name", CODECS)


@names
@settings(max_examples=25, deadline=None)
@given(x=batches())
def test_decoding_gives_the_surrogate_bit_for_bit(name: str, x: torch.Tensor) -> None:
    codec = CODECS[name]
    decoded = codec.decode(codec.encode(x))
    assert same_bits(decoded, codec(x))
    assert bool(torch.isfinite(decoded).all())


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(),
    name=st.sampled_from(["identity-32", "uniform-4-tensor", "uniform-8-channel", "topk-sent", "topk-all"]),
    tokens=st.integers(0, 40),
    channels=st.integers(0, 70),
)
def test_shapes(data: st.DataObject, name: str, tokens: int, channels: int) -> None:
    codec = CODECS[name]
    x = data.draw(batches(tokens, channels, max_batch=5))
    decoded = codec.decode(codec.encode(x))
    assert decoded.shape == x.shape
    assert same_bits(decoded, codec(x))


@names
def test_natural_activations_survive(name: str) -> None:
    codec, x = CODECS[name], natural(50, seed=5)
    decoded = codec.decode(codec.encode(x))
    assert same_bits(decoded, codec(x))
    # A codec with a purpose leaves less of the error than sending nothing but zeros would.
    if name not in ("gumbel-none", "topk-one"):
        assert float((decoded - x).square().sum()) < float(x.square().sum())


@names
def test_the_same_tensor_gives_the_same_bytes(name: str) -> None:
    codec, x = CODECS[name], natural(7, seed=3)
    assert codec.encode(x) == codec.encode(x.clone())


@pytest.mark.parametrize(
    "name", ["identity-32", "identity-16", "gumbel-calibrated", "topk-calibrated", "uniform-calibrated"]
    + [name for name in CODECS if name.startswith("transform")],
)  # fmt: skip
def test_calibrated_codecs_treat_each_sample_by_itself(name: str) -> None:
    codec, x = CODECS[name], natural(37, seed=8)
    together = codec(x)
    for part in (x[:1], x[5:6], x[10:37], x[:36]):
        start = next(i for i in range(37) if torch.equal(x[i], part[0]))
        assert same_bits(codec.decode(codec.encode(part)), together[start : start + len(part)])


@names
def test_threads_and_memory_layout_change_nothing(name: str) -> None:
    codec, x = CODECS[name], natural(9, seed=4)
    expected = codec(x)
    strange = x.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    assert not strange.is_contiguous()
    before = torch.get_num_threads()
    torch.set_num_threads(1 if before > 1 else 2)
    try:
        assert same_bits(codec.decode(codec.encode(strange)), expected)
        assert same_bits(codec(strange), expected)
    finally:
        torch.set_num_threads(before)


@names
@pytest.mark.parametrize("fault", [float("nan"), float("inf"), float("-inf")])
def test_non_finite_values_are_refused_by_name(name: str, fault: float) -> None:
    x = natural(2)
    x[1, 2, 3] = fault
    with pytest.raises(InputError, match=r"(NaN|infinite) \(first at \[1, 2, 3\]\)"):
        CODECS[name].encode(x)
    with pytest.raises(InputError, match="finite"):
        CODECS[name](x)


@names
def test_other_types_and_shapes_are_refused(name: str) -> None:
    codec = CODECS[name]
    with pytest.raises(InputError, match="float64"):
        codec.encode(natural(1).double())
    with pytest.raises(InputError, match="batch, tokens, channels"):
        codec.encode(natural(1)[0])


@pytest.mark.parametrize("name", ["gumbel-some", "uniform-centred", "transform"])
def test_codecs_with_a_state_for_each_token_refuse_other_shapes(name: str) -> None:
    with pytest.raises(InputError, match=f"expected {TOKENS} tokens, got 11"):
        CODECS[name].encode(natural(1, tokens=11))
    with pytest.raises(InputError, match=f"expected {CHANNELS} channels, got 5"):
        CODECS[name](natural(1, channels=5))


def test_identity_loses_nothing() -> None:
    x = torch.tensor([0.0, -0.0, LARGEST, -LARGEST, 1e-45, 3.14159]).reshape(1, 2, 3)
    assert same_bits(CODECS["identity-32"].decode(CODECS["identity-32"].encode(x)), x)
    assert CODECS["identity-16"](x).abs().max() == 65504.0


def test_encoding_ignores_training_mode() -> None:
    x = natural(4)
    for name in ("gumbel-some", "random-topk", "transform"):
        codec = CODECS[name]
        expected = codec.encode(x)
        codec.train()
        try:
            assert codec.encode(x) == expected
        finally:
            codec.eval()


def test_mixed_precision_changes_nothing() -> None:
    x = natural(4).bfloat16()
    for name in ("transform", "uniform-6-channel"):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = CODECS[name](x)
        assert same_bits(inside, CODECS[name](x))


def test_the_port_of_the_simulator() -> None:
    port = NumpyCodec(CODECS["uniform-8-channel"])
    assert isinstance(port, CodecPort)
    x = natural(2).numpy()
    restored = port.decode(port.encode(x))
    assert restored.dtype == np.float32
    assert np.array_equal(restored, CODECS["uniform-8-channel"](natural(2)).numpy())


@names
def test_description_and_sizes(name: str) -> None:
    codec, x = CODECS[name], natural(6)
    described = codec.describe()
    assert described["kind"] == codec.kind
    assert isinstance(make_codec(described["kind"], **described["settings"]), Codec)
    parts = codec.size_parts(x)
    assert parts.uncompressed_bytes == 4 * x.numel()
    assert parts.coded_bytes == len(codec.encode(x))
    assert parts.quantised_bytes <= max(parts.sparsified_bytes, 8 * CHANNELS)
    assert parts.ratios()["uncompressed"] == 1.0
