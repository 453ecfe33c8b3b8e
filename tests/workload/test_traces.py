"""Reading and writing traces: round trips, and a fault of every kind with the message that names it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orbitsim.errors import InputError, OutputError
from orbitsim.types.profile import TRACE_COLUMNS, BlockTiming, weakest_origin
from orbitsim.workload.traces import find_traces, read_trace, shipped_profiles, shipped_traces_dir, write_trace

PROVENANCE = {"tool": "test", "created_utc": "2026-01-01T00:00:00Z"}


def rows(n_blocks: int = 3, **changes) -> list[BlockTiming]:
    """A small sound trace: embedding, blocks, head and the whole model."""
    kinds = [("embedding", 0), *(("block", i) for i in range(n_blocks)), ("head", 0), ("forward", 0)]
    common = {
        "device": "board", "power_mode": "15W", "model": "small", "batch_size": 8, "precision": "fp16",
        "origin": "measured", "how_timed": "perf_counter", "std_s": 0.001, "min_s": 0.009, "p50_s": 0.01, "p95_s": 0.02,
        "n_samples": 3, "mean_s": 0.01, "samples_s": (0.009, 0.010, 0.011), "energy_j": 0.5,
    } | changes  # fmt: skip
    return [BlockTiming(block_kind=kind, block_index=index, **common) for kind, index in kinds]


@pytest.fixture
def good(tmp_path):
    return write_trace(rows(), tmp_path / "good.parquet", PROVENANCE)


def rewritten(path, change):
    """Write the trace again with its Arrow table changed."""
    pq.write_table(change(pq.read_table(path)), path)
    return path


def with_value(name, row, value):
    def change(table):
        values = table.column(name).to_pylist()
        values[row] = value
        index = table.schema.get_field_index(name)
        return table.set_column(
            index, pa.field(name, table.schema.field(name).type), pa.array(values, table.schema.field(name).type)
        )

    return change


def test_round_trip(good):
    trace = read_trace(good)
    assert list(trace.rows) == rows()
    assert trace.provenance == PROVENANCE
    assert len(trace.sha256) == 64


def test_profile_folds_embedding_and_head_into_the_edges(good):
    (profile,) = read_trace(good).profiles()
    assert profile.layer_s() == pytest.approx([0.02, 0.01, 0.02])
    assert profile.layer_energy_j() == pytest.approx([1.0, 0.5, 1.0])
    assert profile.layer_origin() == ("measured",) * 3
    assert profile.forward.mean_s == 0.01  # beside the sum, never in it
    assert profile.source == "good.parquet"


def test_energy_is_unknown_when_one_part_does_not_know_it(tmp_path):
    some = rows()
    some[2] = dataclasses.replace(some[2], energy_j=None)
    (profile,) = read_trace(write_trace(some, tmp_path / "t.parquet", PROVENANCE)).profiles()
    assert profile.layer_energy_j() is None


def test_origin_of_a_sum_is_its_weakest(tmp_path):
    assert weakest_origin(("measured", "modelled", "published")) == "modelled"
    some = rows()
    some[0] = dataclasses.replace(some[0], origin="published", citation="a data sheet")
    (profile,) = read_trace(write_trace(some, tmp_path / "t.parquet", PROVENANCE)).profiles()
    assert profile.layer_origin() == ("published", "measured", "measured")


def test_profiles_are_told_apart_by_batch_size_and_mode(tmp_path):
    many = rows() + rows(batch_size=16) + rows(power_mode="30W")
    profiles = read_trace(write_trace(many, tmp_path / "t.parquet", PROVENANCE)).profiles()
    assert [(p.power_mode, p.batch_size) for p in profiles] == [("15W", 8), ("15W", 16), ("30W", 8)]


@settings(max_examples=30, deadline=None)
@given(
    n_blocks=st.integers(1, 5),
    mean_s=st.floats(1e-7, 1e3),
    batch_size=st.integers(1, 4096),
    energy_j=st.none() | st.floats(0, 1e6),
    throttled=st.none() | st.booleans(),
    text=st.text(min_size=1, max_size=20).filter(lambda t: t.strip() and t.isprintable()),
)
def test_any_sound_rows_come_back(tmp_path_factory, n_blocks, mean_s, batch_size, energy_j, throttled, text):
    sound = rows(
        n_blocks, mean_s=mean_s, batch_size=batch_size, energy_j=energy_j, throttled=throttled, model=text,
        std_s=None, min_s=None, p50_s=None, p95_s=None, n_samples=None, samples_s=None,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("trace") / "t.parquet"
    assert list(read_trace(write_trace(sound, path, PROVENANCE)).rows) == sound


BAD_VALUES = [
    ("mean_s", None, "expected a value, found none"),
    ("mean_s", -1.0, "a finite number above 0, found -1.0"),
    ("mean_s", float("nan"), "a finite number above 0, found nan"),
    ("mean_s", float("inf"), "a finite number above 0, found inf"),
    ("mean_s", 0.02, "the mean of samples_s"),
    ("mean_s", 0.001, "at least min_s"),
    ("p95_s", 0.001, "at least p50_s"),
    ("p50_s", 0.001, "at least min_s"),
    ("std_s", -1.0, "a finite number from 0"),
    ("n_samples", 0, "a whole number of at least 1"),
    ("n_samples", 7, "n_samples = 7 entries, found 3"),
    ("batch_size", 0, "a whole number of at least 1"),
    ("energy_j", -0.1, "a finite number from 0"),
    ("temperature_k", -3.0, "a finite number above 0"),
    ("block_kind", "layer", "one of embedding, block, head, forward, found 'layer'"),
    ("origin", "guessed", "one of measured, published, modelled"),
    ("origin", "published", "expected a citation"),
    ("confidence", "certain", "one of high, medium, low"),
    ("device", " ", "an empty string"),
    ("model", None, "expected a value, found none"),
    ("samples_s", [0.1, -1.0, 0.2], "numbers above 0 only"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD_VALUES, ids=[f"{n}={v}" for n, v, _ in BAD_VALUES])
def test_bad_value_is_named_with_file_column_and_row(good, name, value, message):
    rewritten(good, with_value(name, 1, value))
    with pytest.raises(InputError) as caught:
        read_trace(good)
    problems = caught.value.problems
    assert all(problem.source == str(good) for problem in problems)
    assert any(problem.key.endswith("[1]") and message in problem.message for problem in problems), str(caught.value)


def test_all_faults_at_once(good):
    rewritten(good, with_value("mean_s", 1, -1.0))
    rewritten(good, with_value("origin", 2, "guessed"))
    with pytest.raises(InputError) as caught:
        read_trace(good)
    assert {"mean_s[1]", "origin[2]"} <= {problem.key for problem in caught.value.problems}


def test_a_broken_column_does_not_drown_the_reader(tmp_path):
    path = write_trace(rows(200), tmp_path / "t.parquet", PROVENANCE)
    rewritten(path, lambda t: t.set_column(t.schema.get_field_index("mean_s"), "mean_s", pa.array([-1.0] * len(t))))
    with pytest.raises(InputError) as caught:
        read_trace(path)
    assert len(caught.value.problems) == 51
    assert str(caught.value.problems[-1]).endswith("more")


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        (lambda t: t.drop_columns(["mean_s"]), "mean_s", "expected a column of type float64, the table has none"),
        (lambda t: t.append_column("extra", pa.array([1] * len(t))), "extra", "no such column"),
        (
            lambda t: t.set_column(t.schema.get_field_index("mean_s"), "mean_s", pa.array(["0,01"] * len(t))),
            "mean_s",
            "expected a column of type float64, found string",
        ),
        (lambda t: t.slice(0, 0), "", "the table is empty"),
        (lambda t: t.replace_schema_metadata({}), "", "no orbitsim.trace_schema_version"),
        (
            lambda t: t.replace_schema_metadata({**t.schema.metadata, b"orbitsim.trace_schema_version": b"9"}),
            "",
            "expected trace schema version 1, found 9",
        ),
        (
            lambda t: t.replace_schema_metadata({**t.schema.metadata, b"orbitsim.provenance": b"{"}),
            "",
            "expected a JSON object",
        ),
        (
            lambda t: t.replace_schema_metadata({**t.schema.metadata, b"orbitsim.provenance": b"{}"}),
            "provenance.tool",
            "expected a value",
        ),
        (lambda t: pa.concat_tables([t, t.slice(1, 1)]), "block_index[6]", "each block once; row 1 has it"),
        (lambda t: pa.concat_tables([t.slice(0, 2), t.slice(3)]), "block_index", "missing [1]"),
        (lambda t: t.slice(0, 1), "block_kind", "expected blocks, or a forward row"),
    ],
)
def test_bad_table_is_explained(good, change, key, message):
    rewritten(good, change)
    with pytest.raises(InputError) as caught:
        read_trace(good)
    assert any(problem.key == key and message in problem.message for problem in caught.value.problems), str(
        caught.value
    )


def test_files_that_are_no_traces(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_trace(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("device,mean_s\n")
    with pytest.raises(InputError, match="expected a Parquet file"):
        read_trace(tmp_path / "text.parquet")
    with pytest.raises(InputError, match="cannot be read"):
        read_trace(tmp_path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_give_an_input_error_or_the_same_rows(tmp_path_factory, data):
    path = write_trace(rows(), tmp_path_factory.mktemp("trace") / "t.parquet", PROVENANCE)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        trace = read_trace(path)
    except InputError:
        return
    # The footer has no checksum, so a name in it may change; the pages that hold the numbers have one.
    assert [row.mean_s for row in trace.rows] == [row.mean_s for row in rows()]


def test_unsound_rows_are_not_written(tmp_path):
    target = tmp_path / "t.parquet"
    with pytest.raises(InputError, match=r"mean_s\[0\]"):
        write_trace(rows(mean_s=-1.0), target, PROVENANCE)
    with pytest.raises(InputError, match="provenance"):
        write_trace(rows(), target, {"tool": "test"})
    with pytest.raises(InputError, match="at least one row"):
        write_trace([], target, PROVENANCE)
    assert list(tmp_path.iterdir()) == []


def test_failed_write_leaves_nothing_and_names_the_file(tmp_path):
    with pytest.raises(OutputError, match=r"t\.parquet"):
        write_trace(rows(), tmp_path / "nowhere" / "t.parquet", PROVENANCE)


def test_columns_are_the_fields_of_a_row():
    assert {column.name for column in TRACE_COLUMNS} == {field.name for field in dataclasses.fields(BlockTiming)}
    assert len({column.name for column in TRACE_COLUMNS}) == len(TRACE_COLUMNS)


def test_documentation_lists_every_column():
    text = (shipped_traces_dir() / "README.md").read_text(encoding="utf-8")
    for column in TRACE_COLUMNS:
        assert f"| `{column.name}` | {column.dtype} | {column.unit} | {'yes' if column.nullable else 'no'} |" in text


# Sum of the parts, each timed alone, against the whole model's forward pass on an idle machine.
SUM_AGAINST_FORWARD = 0.05


def test_shipped_traces_are_sound_and_add_up():
    assert find_traces()
    assert all(read_trace(path).provenance["tool"] for path in find_traces())
    by_block = [profile for profile in shipped_profiles() if profile.blocks]
    for profile in by_block:
        assert profile.covers_model
    for profile in (p for p in by_block if p.forward is not None):
        assert float(np.sum(profile.layer_s())) == pytest.approx(profile.forward.mean_s, rel=SUM_AGAINST_FORWARD)
