"""Operators of a layer as Vidur times them; the figures here are by hand."""

from __future__ import annotations

import pytest
from workload.importers.board_data import cuts, read_text, refusal

from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.vidur_csv import FORMAT

_STATS = ("min", "max", "mean", "median", "std")


def header(*operators: str) -> str:
    return ",".join(f"time_stats.{operator}.{name}" for operator in operators for name in _STATS)


MLP = (
    f"{header('emb', 'mlp_up_proj')},n_head,n_embd,num_tokens,num_tensor_parallel_workers\n"
    "0.2,0.4,0.3,0.3,0.05,3.0,3.4,3.2,3.1,0.1,32,4096,4096,1\n"
    "0.1,0.2,0.15,0.15,0.01,1.0,1.4,1.2,1.1,0.1,32,4096,2048,2\n"
)
ATTENTION = (
    f"{header('attn_prefill', 'attn_decode')},n_embd,n_q_head,batch_size,prefill_chunk_size,kv_cache_size,is_prefill,"
    "num_tensor_parallel_workers,attention_backend\n"
    "1.0,1.2,1.1,1.1,0.05,,,,,,4096,32,1,512,0,True,1,AttentionBackend.FLASH\n"
    "0,0,0,0,0,0.05,0.07,0.06,0.06,0.01,4096,32,8,0,1024,False,1,AttentionBackend.FLASH\n"
)


def test_each_configuration_is_a_recording_with_its_operators() -> None:
    imported = read_text(FORMAT, MLP)
    first, second = imported.recordings
    assert first.batch_size == 4096
    assert first.model == "n_head=32, n_embd=4096, num_tensor_parallel_workers=1"
    assert second.model == "n_head=32, n_embd=4096, num_tensor_parallel_workers=2"
    assert [part.name for part in first.parts] == ["emb", "mlp_up_proj"]
    part = first.parts[1]
    assert (part.mean_s, part.min_s, part.max_s, part.p50_s, part.std_s) == pytest.approx(
        (3.2e-3, 3.0e-3, 3.4e-3, 3.1e-3, 1e-4)
    )
    assert not first.parts_are_complete
    assert any("one layer" in note for note in imported.notes)


def test_an_operator_that_did_not_run_is_no_part() -> None:
    prefill, decode = read_text(FORMAT, ATTENTION).recordings
    assert [part.name for part in prefill.parts] == ["attn_prefill"]
    assert [part.name for part in decode.parts] == ["attn_decode"]
    assert (prefill.batch_size, decode.batch_size) == (1, 8)
    assert prefill.model is not None
    assert "kv_cache_size=0" in prefill.model


def test_rows_of_the_same_sizes_are_averaged() -> None:
    again = "0.2,0.6,0.5,0.5,0.05,3.0,3.4,3.2,3.1,0.1,32,4096,4096,1\n"
    imported = read_text(FORMAT, MLP + again)
    assert len(imported.recordings) == 2
    part = imported.recordings[0].parts[0]
    assert part.mean_s == pytest.approx(0.4e-3)
    assert part.std_s == pytest.approx((0.05**2 + 0.1**2) ** 0.5 * 1e-3)  # within rows, and between their means
    assert (part.min_s, part.max_s, part.p50_s) == (pytest.approx(0.2e-3), pytest.approx(0.6e-3), None)
    assert any("averaged" in note for note in imported.notes)


@pytest.mark.parametrize(
    ("good", "bad", "where"),
    [
        ("3.0,3.4,3.2", "3,0,3.4,3.2", "line 2"),
        ("3.0,3.4,3.2", "3.0,3.4,3.9", "line 2, time_stats.mlp_up_proj.mean"),
        ("3.0,3.4,3.2", "3.0,3.4,nan", "line 2, time_stats.mlp_up_proj.mean"),
        ("3.0,3.4,3.2", "-3.0,3.4,3.2", "line 2, time_stats.mlp_up_proj.min"),
        ("3.0,3.4,3.2", "3.0,3.4,", "line 2, time_stats.mlp_up_proj.mean"),
        ("4096,2048,2", "4096,2048.5,2", "line 3, num_tokens"),
        ("4096,2048,2", "4096,0,2", "line 3, num_tokens"),
        ("4096,2048,2", "4096,2048,", "line 3, num_tensor_parallel_workers"),
        ("time_stats.emb.std", "time_stats.emb.var", "line 1"),
        (",num_tokens", ",tokens", "batch_size is missing"),
    ],
)
def test_faults_name_line_and_column(good: str, bad: str, where: str) -> None:
    assert good in MLP
    assert where in refusal(FORMAT, MLP.replace(good, bad))


def test_a_cut_table_is_refused_or_shorter() -> None:
    whole = read_text(FORMAT, MLP).recordings
    assert [imported.recordings for _, imported in cuts(FORMAT, MLP)] == [whole[:1]]


def test_other_tables_do_not_match() -> None:
    assert not FORMAT.matches(Source.of("Time (%),Total Time (ns),Instances,Name\n"))
