"""The published traces against figures of their sources, and against the costs that scenarios take from them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orbitsim import catalog
from orbitsim.loading import load_scenario
from orbitsim.pipeline.work import build_work
from orbitsim.workload.cost import layer_costs
from orbitsim.workload.models import model_graph
from orbitsim.workload.traces import read_trace, shipped_traces_dir

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data" / "jetson" / "branes-orin-agx"

# Sum of measured_latency.mean over all subgraphs [ms]: branes-ai/graphs (MIT) at commit b6c5e829,
# calibration_data/jetson_orin_agx_{mode}/measurements/{precision}/vit_{b,l}_16_b1.json; also each file's own total.
SUMS_MS = {
    ("15W", "fp16", "vit-b"): 92.5974, ("15W", "fp16", "vit-l"): 208.2190,
    ("15W", "fp32", "vit-b"): 194.0532, ("15W", "fp32", "vit-l"): 573.6448,
    ("30W", "fp16", "vit-b"): 55.1026, ("30W", "fp16", "vit-l"): 124.2423,
    ("30W", "fp32", "vit-b"): 98.2792, ("30W", "fp32", "vit-l"): 297.0299,
    ("50W", "fp16", "vit-b"): 68.2277, ("50W", "fp16", "vit-l"): 107.5004,
    ("50W", "fp32", "vit-b"): 83.2396, ("50W", "fp32", "vit-l"): 173.5487,
    ("MAXN", "fp16", "vit-b"): 38.7341, ("MAXN", "fp16", "vit-l"): 78.4112,
    ("MAXN", "fp32", "vit-b"): 60.5731, ("MAXN", "fp32", "vit-l"): 130.2491,
}  # fmt: skip

# Images a second: pytorch-image-models at commit aa4b5850, benchmark-infer-amp-nchw-pt240-cu124-rtx{3090,4090}.csv.
IMAGES_S = {
    "rtx-3090": {"vit-b": 1570.66, "vit-l": 486.7, "vit-h": 183.94, "vit-g": 66.99},
    "rtx-4090": {"vit-b": 2787.15, "vit-l": 912.7, "vit-h": 346.11, "vit-g": 131.1},
}


@pytest.fixture(scope="module")
def orin():
    return read_trace(shipped_traces_dir() / "published-orin-agx-vit.parquet")


def test_blocks_add_up_to_what_was_published(orin):
    found = {(p.power_mode, p.precision, p.model): 1e3 * p.layer_s().sum() for p in orin.profiles()}
    assert found == pytest.approx(SUMS_MS, abs=5e-5)


def test_every_profile_is_whole_cited_and_said_to_be_an_upper_bound(orin):
    for profile in orin.profiles():
        assert profile.covers_model
        assert profile.n_layers == {"vit-b": 12, "vit-l": 24}[profile.model]
        assert profile.batch_size == 1
        assert set(profile.layer_origin()) == {"published"}
    assert {row.how_timed for row in orin.rows} == {"cuda-events, synchronised after every node"}
    assert {row.confidence for row in orin.rows} == {"medium", "low"}
    assert all("b6c5e829" in row.citation and "MIT" in row.citation for row in orin.rows)
    assert all(row.std_s is None and row.samples_s is None for row in orin.rows)  # of a sum they do not follow
    assert any("upper bound" in note for note in orin.provenance["notes"])


def test_blocks_of_a_profile_are_alike(orin):
    """No node went to the wrong block: equal blocks take equal times, each within a tenth of their mean."""
    for profile in orin.profiles():
        seconds = [row.mean_s for row in profile.blocks]
        mean_s = sum(seconds) / len(seconds)
        assert max(abs(s / mean_s - 1) for s in seconds) < 0.10


@pytest.mark.skipif(not SHARED.is_dir(), reason="the files of branes-ai/graphs are not at hand (../shared)")
def test_the_trace_is_what_its_script_makes_of_the_files(orin, tmp_path):
    files = sorted(SHARED.glob("*/fp*/vit_[bl]_16_b1.json"))
    made = [file for file in files if not file.parts[-3].startswith("run2")]
    out = tmp_path / "again.parquet"
    script = ROOT / "traces" / "publish_orin_agx.py"
    subprocess.run([sys.executable, script, *map(str, made), "--out", out], check=True, capture_output=True)
    assert read_trace(out).rows == orin.rows


def test_whole_models_are_not_said_to_be_blocks():
    trace = read_trace(shipped_traces_dir() / "published-desktop-gpu-vit.parquet")
    for profile in trace.profiles():
        assert not profile.covers_model
        assert profile.n_layers == 0
        per_s = profile.batch_size / profile.forward.mean_s
        assert per_s == pytest.approx(IMAGES_S[profile.device][profile.model], rel=1e-4)
        assert (profile.forward.origin, profile.forward.confidence) == ("published", "high")
        # so the costs of a layer stay the catalogue's throughput, and modelled
        graph = model_graph(catalog.model(profile.model))
        costs = layer_costs(
            catalog.device(profile.device), graph, precision="fp16", batch_size=profile.batch_size,
            bytes_per_pixel=3, activation_bytes_per_value=4, profiles=trace.profiles(),
        )  # fmt: skip
        assert costs.method == "throughput"
        assert set(costs.origin) == {"modelled"}
        assert costs.compute_s.sum() == pytest.approx(profile.forward.mean_s, rel=1e-4)


def test_no_satellite_time_of_the_measured_scenario_is_modelled(orin):
    scenario = load_scenario("leo12-vitl-measured")
    work = build_work(scenario)
    satellites = [work.costs[name] for shell in scenario.shells for name in shell.devices]
    assert len(satellites) == 3
    for costs in satellites:
        assert costs.method == "trace"
        assert set(costs.origin) == {"published"}
        assert costs.profile is not None
    assert [round(1e3 * costs.compute_s.sum(), 4) for costs in satellites] == [107.5004, 124.2423, 208.2190]
    assert work.n_batches == 200
    assert set(work.costs["rtx-4070-ti"].origin) == {"modelled"}


def test_scenarios_at_batch_64_do_not_rest_on_a_scaled_batch_of_one():
    work = build_work(load_scenario("leo12-vitl"))
    assert work.costs["jetson-agx-orin-15w"].method == "flop-over-rate"
