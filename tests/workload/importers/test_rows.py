"""Recordings to rows: sums, spreads that follow and those that do not, and what cannot be told apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim import catalog
from orbitsim.errors import InputError
from orbitsim.types.profile import BlockTiming
from orbitsim.workload.importers.base import MEAN_POWER, Recording, Timing
from orbitsim.workload.importers.rows import Marks, profile_rows, statistics
from orbitsim.workload.importers.telemetry_join import Conditions
from orbitsim.workload.trace_checks import profile_problems, row_problems

KEY = ("board", "30W", "vit-b", 8, "fp16")
VIT_B = catalog.model("vit-b")


def parts(n_blocks=12, extra=(), ms=1.0):
    names = ["patch_embed.proj", *(f"blocks.{i}.{part}" for i in range(n_blocks) for part in ("attn", "mlp")), "head"]
    return tuple(Timing(name, 1e-3 * ms, std_s=1e-4, n_samples=50) for name in (*names, *extra))


def check(rows):
    for row in rows:
        assert not list(row_problems({name: getattr(row, name) for name in BlockTiming.__slots__}))
    assert not profile_problems(rows)


def test_blocks_add_up_to_the_parts():
    found = profile_rows(KEY, Recording(parts(), how_timed="tool"), entry=VIT_B)
    check(found.rows)
    assert [row.block_kind for row in found.rows] == ["embedding", *["block"] * 12, "head"]
    assert math.fsum(row.mean_s for row in found.rows) == pytest.approx(26e-3, rel=1e-12)
    assert {row.mean_s for row in found.rows} == {1e-3, 2e-3}
    assert {row.origin for row in found.rows} == {"measured"}
    assert {row.how_timed for row in found.rows} == {"tool"}
    by_kind = {row.block_kind: row for row in found.rows}
    assert by_kind["embedding"].std_s == 1e-4
    assert by_kind["block"].std_s is None  # the spread of a sum does not follow from those of its terms
    assert by_kind["block"].n_samples == 50


def test_single_runs_add_up_where_there_are_as_many():
    runs = np.array([[1.0, 2.0, 3.0], [0.5, 0.25, 0.125]])
    found = statistics([Timing("x", float(row.mean()), samples_s=tuple(row)) for row in runs])
    total = runs.sum(axis=0)
    assert found["samples_s"] == pytest.approx(total)
    assert found["std_s"] == pytest.approx(total.std(ddof=1))
    assert (found["min_s"], found["n_samples"]) == (pytest.approx(1.5), 3)
    assert found["p50_s"] == pytest.approx(np.median(total))
    uneven = statistics([Timing("x", 1.0, samples_s=(1.0, 1.0)), Timing("y", 1.0, samples_s=(1.0,))])
    assert "samples_s" not in uneven
    assert uneven["mean_s"] == 2.0


def test_sizes():
    a = Timing("a", 1.0, weights_bytes=10, output_bytes=5, peak_memory_bytes=7)
    b = Timing("b", 1.0, weights_bytes=1, output_bytes=3, peak_memory_bytes=9)
    c = Timing("c", 1.0)
    found = statistics([a, b])
    assert (found["weights_bytes"], found["activation_bytes"], found["peak_memory_bytes"]) == (11, 3, 9)
    found = statistics([a, c])
    assert found.get("weights_bytes") is None
    assert found["activation_bytes"] is None


def test_a_whole_model_time_is_one_row_unless_it_is_spread():
    recording = Recording(forward=Timing("forward", 0.1, n_samples=10, energy_j=2.0), how_timed="trtexec")
    found = profile_rows(KEY, recording, entry=VIT_B)
    (row,) = found.rows
    assert (row.block_kind, row.origin) == ("forward", "measured")
    assert "--attribute flop" in found.notes[0]

    spread = profile_rows(KEY, recording, entry=VIT_B, by_flop=True)
    check(spread.rows)
    *blocks, forward = spread.rows
    assert forward == row
    assert {row.origin for row in blocks} == {"modelled"}
    assert all("share of the whole by FLOP" in row.how_timed for row in blocks)
    assert math.fsum(row.mean_s for row in blocks) == pytest.approx(0.1, rel=1e-12)
    assert math.fsum(row.energy_j for row in blocks) == pytest.approx(2.0, rel=1e-12)
    assert len(blocks) == 14


def test_a_fused_engine_says_so():
    recording = Recording((Timing("{ForeignNode[lstm_W...Max]}", 0.1), Timing("copy", 0.01)), how_timed="trtexec")
    found = profile_rows(KEY, recording, entry=VIT_B)
    (row,) = found.rows
    assert row.mean_s == pytest.approx(0.11)
    assert row.how_timed == "trtexec; sum of 2 parts"
    assert "do not tell blocks apart" in found.notes[0]
    assert "--rules" in found.notes[0]
    assert len(profile_rows(KEY, recording, entry=VIT_B, by_flop=True).rows) == 15


def test_parts_over_several_blocks_need_a_decision():
    recording = Recording(parts(extra=("blocks.3.fc + blocks.4.norm",)))
    with pytest.raises(InputError, match="1 of 27 parts") as caught:
        profile_rows(KEY, recording, entry=VIT_B)
    assert "--attribute flop" in str(caught.value)
    found = profile_rows(KEY, recording, entry=VIT_B, by_flop=True)
    check(found.rows)
    assert math.fsum(row.mean_s for row in found.rows) == pytest.approx(27e-3, rel=1e-12)
    modelled = [row.block_index for row in found.rows if row.origin == "modelled"]
    assert modelled == [3, 4]
    shared = next(row for row in found.rows if (row.block_kind, row.block_index) == ("block", 3))
    assert shared.mean_s == pytest.approx(2.5e-3)
    assert shared.std_s is None
    assert "fused parts shared by FLOP" in shared.how_timed
    with pytest.raises(InputError, match="model of the catalogue"):
        profile_rows(KEY, recording, by_flop=True)


def test_the_blocks_must_be_those_of_the_model():
    with pytest.raises(InputError, match="the 12 blocks of vit-b, found 11"):
        profile_rows(KEY, Recording(parts(11)), entry=VIT_B)
    assert len(profile_rows(KEY, Recording(parts(11))).rows) == 13


def test_incomplete_parts_need_a_word():
    recording = Recording(parts(), parts_are_complete=False)
    with pytest.raises(InputError, match="--partial"):
        profile_rows(KEY, recording, entry=VIT_B)
    assert len(profile_rows(KEY, recording, entry=VIT_B, partial=True).rows) == 14
    nameless = Recording((Timing("gemm", 1.0),), parts_are_complete=False)
    with pytest.raises(InputError, match="--partial"):
        profile_rows(KEY, nameless, entry=VIT_B, partial=True)


def test_quarters_share_their_edges_by_flop():
    """A quarter of a block weighs a quarter of its FLOP beside the embedding."""
    recording = Recording(tuple(Timing(f"layer {i}", 0.01) for i in range(1, 49)))
    with pytest.raises(InputError, match="embedding to block 0"):
        profile_rows(KEY, recording, entry=VIT_B)
    found = profile_rows(KEY, recording, entry=VIT_B, by_flop=True)
    check(found.rows)
    assert math.fsum(row.mean_s for row in found.rows) == pytest.approx(0.48, rel=1e-12)
    embedding = found.rows[0]
    embedding_flop, block_flop = 2 * 196 * 768 * 768, 2 * (197 * 12 * 768**2 + 2 * 197**2 * 768)
    assert embedding.mean_s == pytest.approx(0.01 * embedding_flop / (embedding_flop + block_flop / 4))


def test_mean_power_times_mean_time():
    busy = Conditions(20.0, 20.0, 320.0, 9e8, 5, 10)
    found = profile_rows(KEY, Recording(parts()), entry=VIT_B, busy=busy)
    check(found.rows)
    assert all(row.energy_j == pytest.approx(20.0 * row.mean_s) for row in found.rows)
    assert {(row.temperature_k, row.clock_hz) for row in found.rows} == {(320.0, 9e8)}
    own = Recording((*parts()[:-1], Timing("head", 1e-3, energy_j=7.0)))
    head = profile_rows(KEY, own, entry=VIT_B, busy=busy).rows[-1]
    assert head.energy_j == 7.0
    assert MEAN_POWER not in head.how_timed  # the file's own energy
    assert all(row.how_timed.endswith(MEAN_POWER) for row in found.rows)


def test_published_rows_carry_their_citation():
    found = profile_rows(KEY, Recording(parts()), entry=VIT_B, marks=Marks("published", "Somebody, 2025", "low"))
    check(found.rows)
    assert {(row.origin, row.citation, row.confidence) for row in found.rows} == {
        ("published", "Somebody, 2025", "low")
    }


def test_an_edge_without_time_has_no_row_and_a_block_must_have_some():
    still = Recording((Timing("patch_embed", 0.0), *parts()[1:]))
    found = profile_rows(KEY, still, entry=VIT_B)
    assert found.rows[0].block_kind == "block"
    assert any("embedding took no time" in note for note in found.notes)
    empty = Recording((*parts()[:1], Timing("blocks.0.attn", 0.0), Timing("blocks.0.mlp", 0.0), *parts()[3:]))
    with pytest.raises(InputError, match="above 0 for block 0"):
        profile_rows(KEY, empty, entry=VIT_B)


@given(st.lists(st.floats(1e-6, 1e2), min_size=26, max_size=26), st.floats(1e-6, 1.0))
def test_sums_hold_for_any_times(seconds, fused_s):
    timings = [Timing(part.name, s) for part, s in zip(parts(), seconds, strict=True)]
    recording = Recording((*timings[:-1], Timing("blocks.10.fc + blocks.11.norm", fused_s), timings[-1]))
    found = profile_rows(KEY, recording, entry=VIT_B, by_flop=True)
    assert math.fsum(row.mean_s for row in found.rows) == pytest.approx(math.fsum([*seconds, fused_s]), rel=1e-9)


@pytest.mark.parametrize(
    ("reports", "expected"),
    [((True, None), True), ((False, False), False), ((False, None), None), ((None, None), None)],
)
def test_throttling_is_known_only_where_it_is_reported(reports, expected):
    recording = Recording(tuple(Timing(f"block 0 {i}", 1.0, throttled=word) for i, word in enumerate(reports)))
    (row,) = profile_rows(KEY, recording).rows
    assert row.throttled is expected
