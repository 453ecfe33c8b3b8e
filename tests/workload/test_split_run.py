"""Recorded split runs: what a sound file says, and a named fault for everything that is not sound."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workload.split_documents import constant_document, split_document

from orbitsim.errors import InputError, OutputError
from orbitsim.workload.importers.base import Source
from orbitsim.workload.split_run import is_split_run, read_split_run, split_run_of, write_split_run

DOCUMENT = constant_document((0.2, 0.5), (0.1, 0.01), (0.003, 0.002), 6)
TEXT = json.dumps(DOCUMENT)


def test_a_written_run_is_read_back(tmp_path: Path) -> None:
    path = write_split_run(DOCUMENT, tmp_path / "split.json")
    run = read_split_run(path)
    assert json.loads(path.read_text()) == DOCUMENT
    assert [p.name for p in tmp_path.iterdir()] == ["split.json"]
    assert (run.n_batches, run.batch_size, run.cuts, run.paced_bps) == (6, 2, (1,), None)
    np.testing.assert_allclose(run.compute_s, np.repeat([[0.2], [0.5]], 6, axis=1), rtol=1e-12)
    np.testing.assert_allclose(run.send_s, np.repeat([[0.1], [0.01]], 6, axis=1), rtol=1e-9)
    np.testing.assert_allclose(run.travel_s, np.repeat([[0.003], [0.002]], 6, axis=1), rtol=1e-6)
    # By hand: the first passes everything, five more follow at the pace of the slowest.
    assert run.makespan_s == pytest.approx(0.2 + 0.1 + 0.003 + 0.5 + 0.01 + 0.002 + 5 * 0.5, rel=1e-12)
    assert run.utilisation == pytest.approx([6 * 0.2 / run.makespan_s, 6 * 0.5 / run.makespan_s])
    assert len(run.sha256) == 64


def test_a_link_is_what_its_probes_say() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["links"][0] |= {
        "frame_bytes": 4_000_000,
        "send_s": [0.2, 0.3, 0.1],
        "acknowledged_s": [0.21, 0.31, 0.11],
        "round_trip_s": [0.006, 0.004, 0.005],
    }
    link = split_run_of(document).links[0]
    assert link.rate_bps == pytest.approx(8 * 4e6 / 0.2)
    assert link.delay_s == pytest.approx(0.01 - 0.002)


@given(offset=st.floats(-1e4, 1e4))
def test_clocks_that_differ_change_no_duration(offset: float) -> None:
    shifted = split_run_of(constant_document((0.2, 0.5), (0.1, 0.01), (0.003, 0.002), 6, offsets_s=(0.0, offset)))
    plain = split_run_of(DOCUMENT)
    for name in ("compute_s", "send_s", "travel_s", "delay_s"):
        np.testing.assert_allclose(getattr(shifted, name), getattr(plain, name), atol=1e-9)


def changed(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path.split("/")
    at: Any = document
    for step in parents:
        at = at[int(step) if step.isdigit() else step]
    if value is KeyError:
        del at[last]
    else:
        at[int(last) if last.isdigit() else last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("format", "something", "format"),
        ("format", "orbitsim-recorder", "format"),
        ("version", 2, "version"),
        ("version", True, "version"),
        ("n_batches", 0, "n_batches"),
        ("n_batches", 7, "stages.0.batches.compute_start_s"),
        ("batch_size", 1.5, "batch_size"),
        ("precision", None, "precision"),
        ("model", {}, "model"),
        ("rate_bps", -1, "rate_bps"),
        ("cuts", [1, 2], "cuts"),
        ("stages", [], "stages"),
        ("links", DOCUMENT["links"][:1], "links"),
        ("stages/1/rank", 0, "stages.1.rank"),
        ("stages/1/parts", [], "stages.1.parts"),
        ("stages/1/device", " ", "stages.1.device"),
        ("stages/1/isolated", [], "stages.1.isolated"),
        ("stages/1/isolated/0/condition", "warm", "stages.1.isolated"),
        ("stages/1/isolated/0/samples_s", [0.1, 0.0], "stages.1.isolated.0.samples_s"),
        ("stages/1/clock_offset", {}, "stages.1.clock_offset"),
        ("stages/1/clock_offset/after/round_trip_s", -1, "stages.1.clock_offset.after"),
        ("stages/1/batches/send_end_s", KeyError, "stages.1.batches.send_end_s"),
        ("stages/1/batches/send_end_s/3", "late", "stages.1.batches.send_end_s"),
        ("stages/1/batches/sent_bytes/3", 0, "stages.1.batches.sent_bytes"),
        ("stages/1/batches/compute_end_s/2", 0.0, "stages.1.batches.compute_end_s"),
        ("stages/0/batches/compute_start_s/1", 50.1, "stages.0.batches.compute_start_s"),
        ("stages/1/batches/receive_start_s/0", 50.0, None),
        ("links/0/frame_bytes", None, "links.0.frame_bytes"),
        ("links/1/target", 1, "links.1.source"),
        ("links/1/send_s", [0.1, 0.2], "links.1.acknowledged_s"),
        ("end_to_end/start_s", None, "end_to_end.start_s"),
        ("end_to_end/start_s", 60.0, "end_to_end.delivered_s"),
        ("end_to_end/delivered_s/2", 50.5, "end_to_end.delivered_s"),
    ],
)
def test_each_fault_is_named(path: str, value: Any, key: str | None) -> None:
    document = changed(path, value)
    if key is None:
        split_run_of(document)
        return
    with pytest.raises(InputError) as caught:
        split_run_of(document, source="split.json")
    assert key in [problem.key for problem in caught.value.problems]
    assert all(problem.source == "split.json" for problem in caught.value.problems)


def test_effects_do_not_precede_causes() -> None:
    document = changed("stages/1/clock_offset/before/offset_s", 10.0)
    document["stages"][1]["clock_offset"]["after"]["offset_s"] = 10.0
    with pytest.raises(InputError, match="the clocks do not agree"):
        split_run_of(document)


def test_all_faults_come_at_once() -> None:
    document = changed("stages/0/device", "")
    document["links"][0]["frame_bytes"] = -1
    with pytest.raises(InputError) as caught:
        split_run_of(document)
    assert {problem.key for problem in caught.value.problems} == {"stages.0.device", "links.0.frame_bytes"}


@given(length=st.integers(0, len(TEXT) - 1))
def test_a_file_that_was_cut_is_refused(length: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("cut") / "split.json"
    path.write_text(TEXT[:length])
    with pytest.raises(InputError):
        read_split_run(path)


@given(position=st.integers(0, len(TEXT) - 1), character=st.characters(min_codepoint=32, max_codepoint=126))
def test_a_changed_character_is_refused_or_harmless(position: int, character: str) -> None:
    text = TEXT[:position] + character + TEXT[position + 1 :]
    try:
        document = json.loads(text)
    except ValueError:
        return
    try:
        run = split_run_of(document)
    except InputError:
        return
    for values in (run.compute_s, run.send_s, run.travel_s, run.delay_s):
        assert np.isfinite(values).all()
        assert (values >= -2e-6).all()  # what a clock's resolution forgives


def test_unreadable_and_unwritable_files_are_errors_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_split_run(tmp_path / "none.json")
    with pytest.raises(OutputError, match="cannot be written"):
        write_split_run(DOCUMENT, tmp_path / "none" / "split.json")
    with pytest.raises(InputError, match="version"):
        write_split_run(changed("version", 0), tmp_path / "split.json")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "expected"), [(TEXT, True), ("\n" + TEXT, True), (TEXT[1:], False), ("{}", False), ("orbitsim", False)]
)
def test_detection_is_by_content(text: str, expected: bool) -> None:
    assert is_split_run(Source.of(text)) is expected


def test_the_made_up_run_is_the_tandem_that_it_claims(request: pytest.FixtureRequest) -> None:
    rng = np.random.default_rng(3)
    draw: Callable[[], Any] = lambda: rng.uniform(0.01, 1.0, (3, 8))  # noqa: E731
    run = split_run_of(split_document(draw(), draw(), draw() * 0))
    # Nothing is late and nothing early: a stage starts when its input is there and it is free.
    for k, stage in enumerate(run.stages):
        free = np.concatenate([[-np.inf], stage.compute_end_s[:-1]])
        np.testing.assert_allclose(stage.compute_start_s, np.maximum(free, stage.receive_end_s), err_msg=str(k))
