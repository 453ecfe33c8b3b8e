"""The entropy stage: what goes in comes out, and takes what the empirical entropy says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from orbitsim.neural.codecs.channel_models import read_codes, write_codes
from orbitsim.neural.codecs.entropy import MAX_SYMBOLS, SymbolReader, SymbolWriter
from orbitsim.neural.codecs.places import read_places, write_places
from orbitsim.neural.codecs.stream import PayloadReader, StreamError
from orbitsim.neural.codecs.tables import (
    code_length_bits,
    counts_of,
    entropy_bits,
    levels_of,
    table_from_bytes,
    table_to_bytes,
    weights_of,
)


def coded(symbols: np.ndarray, n_symbols: int, known: np.ndarray | None = None) -> bytes:
    writer = SymbolWriter()
    writer.add(symbols, n_symbols, known)
    return writer.to_bytes()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_groups_come_back_in_their_order(data: st.DataObject) -> None:
    groups = []
    for _ in range(data.draw(st.integers(0, 5))):
        n_symbols = data.draw(st.sampled_from([1, 2, 3, 17, 256, 5000, MAX_SYMBOLS]))
        symbols = data.draw(hnp.arrays(np.int32, st.integers(0, 300), elements=st.integers(0, n_symbols - 1)))
        known = data.draw(st.sampled_from([None, np.arange(1.0, n_symbols + 1.0), np.eye(1, n_symbols)[0]]))
        groups.append((symbols, n_symbols, known))
    writer = SymbolWriter()
    for group in groups:
        writer.add(*group)
    payload = PayloadReader(writer.to_bytes())
    reader = SymbolReader(payload)
    for symbols, n_symbols, known in groups:
        assert np.array_equal(reader.take(symbols.size, n_symbols, known), symbols)
    reader.end()
    payload.end()


@pytest.mark.parametrize(("n", "scale", "n_symbols"), [(20_000, 0.3, 4), (40_000, 2.0, 16), (37_000, 9.0, 256)])
def test_size_is_within_one_per_cent_of_the_empirical_entropy(n: int, scale: float, n_symbols: int) -> None:
    drawn = np.rint(np.random.default_rng(1).laplace(0.0, scale, n)).astype(np.int32)
    symbols = np.clip(drawn + n_symbols // 2, 0, n_symbols - 1)
    ideal_bytes = float(entropy_bits(counts_of(symbols, n_symbols))) / 8
    n_bytes = len(coded(symbols, n_symbols))
    assert ideal_bytes <= n_bytes <= 1.01 * ideal_bytes + 16  # the last word, lengths and the mode


def test_a_known_table_saves_the_table() -> None:
    symbols = np.random.default_rng(2).binomial(40, 0.3, 300).astype(np.int32)
    known = weights_of(levels_of(counts_of(np.random.default_rng(3).binomial(40, 0.3, 100_000), 41))) + 1e-9
    assert len(coded(symbols, 41, known)) < len(coded(symbols, 41))


def test_a_misleading_known_table_is_not_used() -> None:
    symbols = np.full(5000, 3, dtype=np.int32)
    known = np.array([1.0, 1e-9, 1e-9, 1e-9])
    assert len(coded(symbols, 4, known)) <= len(coded(symbols, 4)) + 1 < 20


def test_symbols_without_order_take_their_plain_bits() -> None:
    symbols = np.random.default_rng(4).integers(0, 256, 1000).astype(np.int32)
    assert len(coded(symbols, 256)) <= 1000 + 16


def test_alphabets_have_a_limit() -> None:
    with pytest.raises(ValueError, match="65536"):
        SymbolWriter().add(np.zeros(1, dtype=np.int32), MAX_SYMBOLS + 1)


def test_reading_more_or_less_than_was_written_is_an_error() -> None:
    data = coded(np.arange(100, dtype=np.int32) % 7, 7)
    with pytest.raises(StreamError, match="more symbols"):
        SymbolReader(PayloadReader(data)).end()
    reader = SymbolReader(PayloadReader(data))
    reader.take(100, 7)
    with pytest.raises(StreamError, match="fewer groups"):
        reader.take(1, 7)
    reader = SymbolReader(PayloadReader(data))
    reader.take(50, 7)
    with pytest.raises(StreamError, match="more symbols"):
        reader.end()


@settings(max_examples=50, deadline=None)
@given(counts=hnp.arrays(np.int64, st.integers(1, 300), elements=st.integers(0, 10**6)))
def test_sent_tables_come_back_and_cost_little(counts: np.ndarray) -> None:
    levels = levels_of(counts)
    assert np.array_equal(levels > 0, counts > 0)
    if not counts.any():
        return
    payload = PayloadReader(table_to_bytes(levels))
    assert np.array_equal(table_from_bytes(payload, counts.size), levels)
    payload.end()
    # Weights rounded to a quarter of an octave lose less than (ln 2 / 8)**2 / 2 nats a symbol.
    loss = code_length_bits(counts, weights_of(levels)) - float(entropy_bits(counts))
    assert loss <= counts.sum() * (np.log(2) / 8) ** 2 / 2 / np.log(2) + 1e-3 * counts.sum()


@settings(max_examples=40, deadline=None)
@given(
    n_rows=st.integers(1, 40),
    n_channels=st.integers(1, 60),
    n_symbols=st.sampled_from([2, 8, 256]),
    seed=st.integers(0, 99),
)
def test_codes_of_channels_come_back(n_rows: int, n_channels: int, n_symbols: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    n_columns = int(random.integers(0, 2 * n_channels + 1))
    channel = random.integers(0, n_channels, n_columns)
    width = random.integers(1, n_symbols + 1, n_channels)
    codes = random.integers(0, width[channel], (n_rows, n_columns)).astype(np.uint8)
    writer = SymbolWriter()
    write_codes(writer, codes, channel, n_channels, n_symbols)
    reader = SymbolReader(PayloadReader(writer.to_bytes()))
    assert np.array_equal(read_codes(reader, n_rows, channel, n_channels, n_symbols), codes)
    reader.end()


@pytest.mark.parametrize("n_symbols", [2, 3, 4, 5, 300])
@pytest.mark.parametrize("n", [0, 1, 1000, 100_003])
def test_counts_are_those_of_a_plain_count(n: int, n_symbols: int) -> None:
    symbols = np.random.default_rng(8).integers(0, n_symbols, n).astype(np.int32)
    found = counts_of(symbols, n_symbols)
    assert found.dtype == np.int64
    assert found.tolist() == [int((symbols == symbol).sum()) for symbol in range(n_symbols)]


def test_classes_of_channels_pay_off() -> None:
    random = np.random.default_rng(5)
    scale = np.repeat([0.5, 20.0], 100)
    codes = np.clip(np.rint(random.laplace(0.0, scale, (300, 200))) + 128, 0, 255).astype(np.uint8)
    writer = SymbolWriter()
    write_codes(writer, codes, np.arange(200), 200, 256)
    pooled = float(entropy_bits(counts_of(codes.ravel(), 256))) / 8
    of_halves = sum(float(entropy_bits(counts_of(half.ravel(), 256))) for half in np.split(codes, 2, axis=1)) / 8
    n_bytes = len(writer.to_bytes())
    assert n_bytes < pooled
    assert n_bytes <= 1.01 * of_halves + 200


@settings(max_examples=60, deadline=None)
@given(
    mask=hnp.arrays(np.bool_, st.tuples(st.integers(1, 4), st.integers(1, 30), st.integers(1, 30)))
    | st.builds(
        lambda seed, share: np.random.default_rng(seed).random((2, 50, 40)) < share, st.integers(0, 99), st.floats(0, 1)
    )
)
def test_places_come_back(mask: np.ndarray) -> None:
    writer = SymbolWriter()
    write_places(writer, mask)
    reader = SymbolReader(PayloadReader(writer.to_bytes()))
    assert np.array_equal(read_places(reader, mask.shape), mask)
    reader.end()


@pytest.mark.parametrize("share", [0.001, 0.02, 0.2, 0.8])
def test_places_cost_what_their_number_of_choices_says(share: float) -> None:
    mask = np.random.default_rng(6).random((4, 100, 128)) < share
    writer = SymbolWriter()
    write_places(writer, mask)
    choices = float(entropy_bits(np.array([mask.sum(), mask.size - mask.sum()])))
    assert len(writer.to_bytes()) <= 1.02 * choices / 8 + 64


def test_places_in_few_channels_cost_less() -> None:
    likely = np.zeros(128)
    likely[::8] = 0.9
    mask = np.random.default_rng(7).random((4, 100, 128)) < likely
    writer = SymbolWriter()
    write_places(writer, mask)
    choices = float(entropy_bits(np.array([mask.sum(), mask.size - mask.sum()])))
    assert len(writer.to_bytes()) < 0.3 * choices / 8
