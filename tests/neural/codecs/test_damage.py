"""Damaged, cut, lengthened and foreign streams are errors, never tensors."""

from __future__ import annotations

import zlib

import pytest
import torch
from neural.codecs.cases import CHANNELS, CODECS, TOKENS, natural

from orbitsim.errors import InputError
from orbitsim.neural.codecs import StreamError, make_codec, stream
from orbitsim.neural.codecs.stream import OVERHEAD_BYTES, Header, PayloadReader, pack, unpack, varint

KINDS = ["identity-16", "uniform-4-channel", "gumbel-some", "topk-sent", "random-topk", "transform"]


@pytest.mark.parametrize("name", KINDS)
def test_every_flipped_byte_is_found(name: str) -> None:
    codec = CODECS[name]
    data = codec.encode(natural(1))
    for place in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[place] ^= flip
            with pytest.raises(StreamError):
                codec.decode(bytes(damaged))


@pytest.mark.parametrize("name", KINDS)
def test_every_cut_and_every_addition_is_found(name: str) -> None:
    codec = CODECS[name]
    data = codec.encode(natural(1))
    for length in range(len(data)):
        with pytest.raises(StreamError):
            codec.decode(data[:length])
    for addition in (b"\0", b"\0\0\0\0", data, b"x" * 100):
        with pytest.raises(StreamError):
            codec.decode(data + addition)
        with pytest.raises(StreamError):
            codec.decode(addition + data)


@pytest.mark.parametrize("name", KINDS)
def test_a_payload_that_was_changed_with_its_checksum_never_gives_another_shape(name: str) -> None:
    """Whoever forges the checksum can send other values, as with any unsigned format, but nothing breaks."""
    codec = CODECS[name]
    header, payload = unpack(codec.encode(natural(1)))
    for place in range(len(payload)):
        forged = bytearray(payload)
        forged[place] ^= 0x55
        try:
            restored = codec.decode(pack(header, bytes(forged)))
        except StreamError:
            continue
        assert restored.shape == (1, TOKENS, CHANNELS)
    for length in range(len(payload)):
        with pytest.raises(StreamError):
            codec.decode(pack(header, payload[:length]))
    with pytest.raises(StreamError):
        codec.decode(pack(header, payload + b"\0"))


def test_streams_of_other_codecs_and_other_states_are_refused() -> None:
    x = natural(1)
    with pytest.raises(StreamError, match="expected a stream of the codec uniform"):
        CODECS["uniform-4-channel"].decode(CODECS["topk-sent"].encode(x))
    with pytest.raises(StreamError, match="state"):
        CODECS["uniform-4-channel"].decode(CODECS["uniform-5-channel"].encode(x))
    codec = make_codec("gumbel", n_tokens=TOKENS, n_channels=CHANNELS).eval()
    data = codec.encode(x)
    with torch.no_grad():
        codec.logits[0, 0] = -1.0
    with pytest.raises(StreamError, match="state"):
        codec.decode(data)
    with torch.no_grad():
        codec.logits[0, 0] = 0.1  # another logit, the same mask
    assert codec.decode(data).shape == x.shape


def test_header_faults_are_named() -> None:
    data = CODECS["identity-32"].encode(natural(1))
    body = bytearray(data[:-4])
    for place, value, words in ((0, 0, "begins with"), (4, 9, "version"), (6, 7, "type"), (7, 1, "type")):
        forged = bytearray(body)
        forged[place] = value
        with pytest.raises(StreamError, match=words):
            unpack(bytes(forged) + zlib.crc32(bytes(forged)).to_bytes(4, "little"))
    assert len(CODECS["identity-32"].encode(natural(0))) == OVERHEAD_BYTES


def test_shapes_that_the_state_cannot_have_are_refused() -> None:
    codec = CODECS["transform"]
    header, payload = unpack(codec.encode(natural(2)))
    for shape in ((2, TOKENS + 1, CHANNELS), (3, TOKENS, CHANNELS), (1, TOKENS, CHANNELS), (0, TOKENS, CHANNELS)):
        with pytest.raises(StreamError):
            codec.decode(pack(Header(header.kind, header.codec_id, header.dtype, shape), payload))


@pytest.mark.parametrize("name", ["identity-16", "uniform-4-channel", "uniform-calibrated", "gumbel-none", "topk-sent",
                                  "random-topk", "transform", "transform-coarse"])  # fmt: skip
@pytest.mark.parametrize("batch", [1 << 20, 1 << 24, (1 << 32) - 1])
def test_a_forged_batch_of_more_values_than_a_payload_may_stand_for_is_refused(name: str, batch: int) -> None:
    codec = CODECS[name]
    header, payload = unpack(codec.encode(torch.zeros(2, TOKENS, CHANNELS)))
    shape = (batch, TOKENS, CHANNELS)
    words = "at most 33554432 values|ends .* too early" if name == "identity-16" else "at most 33554432 values"
    with pytest.raises(StreamError, match=words):
        codec.decode(pack(Header(header.kind, header.codec_id, header.dtype, shape), payload))


def test_an_encoder_makes_no_stream_that_decoders_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "FREE_VALUES", 6000)
    codec = CODECS["uniform-calibrated"]
    alike = torch.zeros(101, TOKENS, CHANNELS)
    assert torch.equal(codec.decode(codec.encode(alike[:100])), alike[:100])
    with pytest.raises(InputError, match=r"at most 6000 values .* smaller mini-batches"):
        codec.encode(alike)
    various = natural(101)  # more bytes may stand for more values
    assert codec.decode(codec.encode(various)).shape == various.shape


@pytest.mark.parametrize("n_groups", [1 << 40, 1 << 61])
def test_a_forged_number_of_groups_takes_no_memory(n_groups: int) -> None:
    codec = CODECS["transform"]
    header, _ = unpack(codec.encode(natural(1)))
    for payload in (varint(2 * n_groups) + b"\0", varint(2 * n_groups + 1) + b"\0"):
        with pytest.raises(StreamError):
            codec.decode(pack(header, payload + varint(0) + varint(0)))


@pytest.mark.parametrize("shape", [(2**32 - 1, 2**32 - 1, 0), (0, 2**32 - 1, 2**32 - 1), (2**32 - 1, 0, 1)])
def test_forged_shapes_without_values_are_refused(shape: tuple[int, int, int]) -> None:
    codec = CODECS["identity-32"]
    header, _ = unpack(codec.encode(natural(0)))
    with pytest.raises(StreamError, match="at most 33554432 values"):
        codec.decode(pack(Header(header.kind, header.codec_id, header.dtype, shape), b""))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**63 - 1])
def test_numbers_of_variable_length(value: int) -> None:
    reader = PayloadReader(varint(value))
    assert reader.varint() == value
    reader.end()


def test_numbers_that_never_end_are_refused() -> None:
    with pytest.raises(StreamError, match="63 bits"):
        PayloadReader(b"\xff" * 20).varint()
    with pytest.raises(ValueError, match="2\\*\\*63"):
        varint(-1)
