"""Profiles of tiny models: the trace that comes out, what it says of itself, interruption and going on."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from orbitsim.errors import InputError  # noqa: E402
from orbitsim.neural.machine import device_slug, machine_facts, others_busy_s  # noqa: E402
from orbitsim.neural.memory import peak_memory_bytes, weights_bytes  # noqa: E402
from orbitsim.neural.profile import ProfileRequest, profile  # noqa: E402
from orbitsim.neural.target import PRECISIONS, find_target  # noqa: E402
from orbitsim.neural.timing import Limits  # noqa: E402
from orbitsim.workload.traces import Trace, read_trace  # noqa: E402

QUICK = Limits(target_ci=0.5, max_seconds=0.05, min_repeats=3, max_repeats=5)
TINY_VIT = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
TINY_GPT = {"n_layer": 2, "n_embd": 32, "n_head": 4, "vocab_size": 101}


def tiny_request(**changes: object) -> ProfileRequest:
    options = {"settings": TINY_VIT, "image_px": 32, "seed": 1}
    values = {
        "model": "vit", "model_options": options, "threads": (1,), "limits": QUICK, "allow_busy": True, **changes
    }  # fmt: skip
    return ProfileRequest(**values)


def profiled(tmp_path: Path, **changes: object) -> Trace:
    profile(tiny_request(**changes), tmp_path / "t.parquet", command="orbitsim profile vit")
    return read_trace(tmp_path / "t.parquet")


def test_a_trace_has_embedding_blocks_head_and_the_whole_model(tmp_path: Path) -> None:
    trace = profiled(tmp_path, batch_sizes=(1, 3), precisions=("fp32", "bf16"))
    assert len(trace.rows) == 2 * 2 * (1 + 2 + 1 + 1)
    for found in trace.profiles():
        assert found.covers_model
        assert found.forward is not None
        assert (found.n_layers, found.power_mode, found.model) == (2, "1-thread", "vit")
        size = 2 if found.precision == "bf16" else 4
        for row in (found.embedding, *found.blocks, found.head, found.forward):
            assert row.origin == "measured"
            assert row.n_samples == len(row.samples_s)
            assert 3 <= row.n_samples <= 5
            assert row.how_timed.startswith("perf_counter, pass by pass")
            assert row.energy_j is None
            assert row.peak_memory_bytes > row.weights_bytes
        # 32 px in patches of 16 px: 4 tokens and the class token, 32 channels; a head of 1000 classes.
        assert {row.activation_bytes for row in found.blocks} == {found.batch_size * 5 * 32 * size}
        assert found.head.activation_bytes == found.batch_size * 1000 * size
        block = 4 * (32 * 32 + 32) + (32 * 64 + 64) + (64 * 32 + 32) + 4 * 32
        assert {row.weights_bytes for row in found.blocks} == {block * size}
        parts = (found.embedding, *found.blocks, found.head)
        assert found.forward.weights_bytes == sum(row.weights_bytes for row in parts)


def test_the_provenance_lets_somebody_repeat_it(tmp_path: Path) -> None:
    provenance = profiled(tmp_path).provenance
    assert provenance["tool"] == "orbitsim profile"
    assert provenance["torch"] == torch.__version__
    assert provenance["model"]["options"]["settings"] == TINY_VIT
    assert provenance["model"]["n_parameters"] == 24_800 + 2 * 8_544 + 33_064  # embedding, blocks, head
    assert provenance["machine"]["n_processors"] == os.cpu_count()
    (check,) = provenance["sum_of_parts_against_forward"]
    assert check["sum_over_forward"] == pytest.approx(check["sum_of_parts_s"] / check["forward_s"], abs=1e-4)
    assert check["repeats"] >= 3
    assert check["dropped"] == 0


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_of_the_cpu(tmp_path: Path, precision: str) -> None:
    if precision == "tf32":
        with pytest.raises(InputError, match="cuda"):
            profiled(tmp_path, precisions=(precision,))
        return
    trace = profiled(tmp_path, precisions=(precision,))
    assert {row.precision for row in trace.rows} == {precision}
    by_autocast = precision.startswith("autocast")
    halves = {row.weights_bytes for row in trace.rows if row.block_kind == "block"}
    assert halves == {8_544 * (4 if by_autocast or precision == "fp32" else 2)}


@pytest.mark.parametrize(
    ("model", "options"),
    [("vit", {"settings": TINY_VIT, "image_px": 32}), ("gpt2", {"settings": TINY_GPT, "seq_len": 6})],
)
def test_one_part_at_a_time(tmp_path: Path, model: str, options: dict[str, object]) -> None:
    profile(tiny_request(model=model, model_options=options), tmp_path / "whole.parquet", command="orbitsim profile")
    trace = profiled(tmp_path, model=model, model_options=options, streamed=True, batch_sizes=(2,))
    whole = read_trace(tmp_path / "whole.parquet")
    (streamed,), (built,) = trace.profiles(), whole.profiles()
    assert streamed.covers_model
    assert streamed.forward is None
    assert trace.provenance["order"] == "part by part"
    assert [row.weights_bytes for row in streamed.blocks] == [row.weights_bytes for row in built.blocks]
    assert [row.activation_bytes for row in streamed.blocks] == [2 * row.activation_bytes for row in built.blocks]
    assert {row.how_timed.split(";")[0] for row in trace.rows} == {"perf_counter, part by part"}


def test_what_is_there_is_kept_replaced_or_gone_on_with(tmp_path: Path) -> None:
    first = profiled(tmp_path)
    path = tmp_path / "t.parquet"
    with pytest.raises(InputError, match="--resume"):
        profile(tiny_request(), path, command="c")
    assert read_trace(path).sha256 == first.sha256
    profile(tiny_request(batch_sizes=(1, 2)), path, command="c", resume=True)
    both = read_trace(path)
    assert both.rows[: len(first.rows)] == first.rows
    assert [row.batch_size for row in both.rows[len(first.rows) :]] == [2] * 5
    assert len(both.provenance["sum_of_parts_against_forward"]) == 2
    options = {"settings": TINY_VIT, "image_px": 32, "seed": 2}
    with pytest.raises(InputError) as raised:
        profile(tiny_request(name="other", model_options=options), path, command="c", resume=True)
    assert {problem.key for problem in raised.value.problems} == {"model.name", "model.options.seed"}  # no other keys
    assert "model.name: expected 'vit' to go on with, got 'other'" in str(raised.value)
    assert "model.options.seed: expected 1 to go on with, got 2" in str(raised.value)
    profile(tiny_request(name="other"), path, command="c", force=True)
    assert {row.model for row in read_trace(path).rows} == {"other"}


def test_an_interrupted_profile_keeps_what_was_finished(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"

    def interrupt(label: str, done: int, total: int) -> None:
        if "batch 2" in label:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        profile(tiny_request(batch_sizes=(1, 2)), path, command="c", progress=interrupt)
    kept = read_trace(path)
    assert {row.batch_size for row in kept.rows} == {1}
    notes: list[tuple[str, str]] = []
    profile(tiny_request(batch_sizes=(1, 2)), path, command="c", resume=True, note=lambda *words: notes.append(words))
    assert ("resumed", "1 of 2 combinations were measured before") in notes
    assert read_trace(path).rows[:5] == kept.rows
    assert len(read_trace(path).rows) == 10
    assert [p.name for p in tmp_path.iterdir()] == ["t.parquet"]


def test_the_number_of_threads_is_left_as_it_was(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    profiled(tmp_path)
    assert torch.get_num_threads() == before


class Played:
    """A stopwatch that answers with what it was given, and takes no time."""

    how_timed = "counted"

    def __init__(self, *seconds: float) -> None:
        self._seconds = cycle(seconds)

    def time(self, parts: list[object], *_: object) -> list[float]:
        return [next(self._seconds)] * len(parts)


def test_a_skewed_measurement_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = find_target("cpu")
    for seconds, warned in (((1.0,), False), ((1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0, 9.0), True)):
        played = replace(target, stopwatch=Played(*seconds))
        monkeypatch.setattr("orbitsim.neural.profile.find_target", lambda *_, played=played, **__: played)
        notes: list[tuple[str, str]] = []
        limits = Limits(1e-9, 5.0, 20, 20)
        profile(
            tiny_request(limits=limits), tmp_path / "t.parquet", command="c", force=True,
            note=lambda *words, notes=notes: notes.append(words),
        )  # fmt: skip
        said = [message for label, message in notes if label == "warning" and "median" in message]
        assert bool(said) == warned


def test_peak_memory_counts_what_is_alive_at_once() -> None:
    class Widening(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(10))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            a = x + 1.0  # 400 B
            b = torch.cat([a, a])  # 800 B, with a 1200 B
            del a
            c = b * 2.0  # 800 B, with b 1600 B
            return c[:1].clone()  # 4 B more

    peak, output = peak_memory_bytes(Widening(), torch.zeros(100))
    assert peak == 40 + 400 + 1604
    assert output.shape == (1,)
    assert weights_bytes(Widening()) == 40


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_device_name_is_always_a_word(name: str) -> None:
    slug = device_slug(name)
    assert slug
    assert slug == slug.strip()
    assert device_slug(slug) in {slug, "unknown"} or " " not in slug


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("NVIDIA Jetson AGX Orin Developer Kit", "jetson-agx-orin"),
        ("NVIDIA GeForce RTX 4070 Ti", "rtx-4070-ti"),
        ("cpu-Intel(R) Xeon(R) Processor", "cpu-intel-xeon"),
    ],
)
def test_names_of_devices(name: str, slug: str) -> None:
    assert device_slug(name) == slug


def test_machine_facts_of_another_root(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("processor : 0\nmodel name : Imaginary 9\nflags : fpu hypervisor\n\n")
    governor = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    governor.parent.mkdir(parents=True)
    governor.write_text("performance\n")
    facts = machine_facts(tmp_path)
    assert facts["processor"]["model name"] == "Imaginary 9"
    assert facts["virtual_machine"] is True
    assert facts["governor"] == "performance"
    assert others_busy_s(tmp_path) == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precisions": ("fp64",)}, "fp64"),
        ({"batch_sizes": (0,)}, "at least 1"),
        ({"threads": (10_000,)}, "processors"),
        ({"limits": Limits(target_ci=0.0)}, "--target-ci"),
        ({"limits": Limits(min_repeats=9, max_repeats=2)}, "--max-repeats"),
        ({"device": "tpu"}, "cpu, cuda"),
        ({"device": "mps"}, "cpu, cuda"),
    ],
)
def test_requests_that_make_no_sense(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        profile(tiny_request(**changes), tmp_path / "t.parquet", command="c")
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there() -> None:
    with pytest.raises(InputError, match="CUDA"):
        find_target("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu(tmp_path: Path) -> None:
    trace = profiled(tmp_path, device="cuda", threads=(), precisions=("fp32", "tf32", "fp16", "autocast-bf16"))
    assert {row.how_timed for row in trace.rows} == {"cuda-events, pass by pass"}
    assert all(row.peak_memory_bytes >= row.weights_bytes for row in trace.rows)
