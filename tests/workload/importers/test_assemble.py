"""Several files to one trace: merged, joined, recorded; and read back as it was written."""

from __future__ import annotations

import json
import math

import pytest
from workload.importers import samples

from orbitsim.errors import InputError
from orbitsim.workload.importers.assemble import Options, assemble, import_provenance
from orbitsim.workload.importers.base import Source
from orbitsim.workload.importers.facts import Facts
from orbitsim.workload.importers.registry import read_source
from orbitsim.workload.importers.rows import Marks
from orbitsim.workload.traces import read_trace, write_trace

FACTS = Facts("jetson-agx-orin", "30W", "vit-b", 8, "fp16")


def read(*texts):
    sources = [Source.of(text, f"file-{i}") for i, text in enumerate(texts)]
    return [(source, read_source(source)) for source in sources]


def test_profile_and_times_make_one_profile():
    found = assemble(read(samples.trtexec_profile(), samples.trtexec_times()), Options(facts=FACTS))
    kinds = [row.block_kind for row in found.rows]
    assert kinds == ["embedding", *["block"] * 12, "head", "forward"]
    assert math.fsum(row.mean_s for row in found.rows[:-1]) == pytest.approx(1e-3 * sum(samples.MS))
    assert found.rows[-1].mean_s == pytest.approx(27.25e-3)
    assert found.rows[-1].how_timed != found.rows[0].how_timed
    (profile,) = found.profiles
    assert profile["files"] == ["file-0", "file-1"]
    assert profile["rules"] == "torchvision"


def test_files_of_several_modes_make_one_trace(tmp_path):
    files = read(samples.subgraph_json(mode="15W"), samples.subgraph_json(mode="30W", ms=[2 * t for t in samples.MS]))
    found = assemble(files, Options(facts=Facts(device="jetson-agx-orin")))
    path = tmp_path / "trace.parquet"
    write_trace(found.rows, path, import_provenance(files, found, ["orbitsim", "trace", "import"]))
    profiles = read_trace(path).profiles()
    assert [(p.power_mode, p.model, p.n_layers, p.covers_model) for p in profiles] == [
        ("15W", "vit-b", 12, True), ("30W", "vit-b", 12, True),
    ]  # fmt: skip
    assert profiles[1].layer_s().sum() == pytest.approx(2 * profiles[0].layer_s().sum())


def test_a_recorders_file_needs_no_more():
    found = assemble(read(samples.recorder_json()), Options())
    assert [row.block_kind for row in found.rows] == ["embedding", *["block"] * 12, "head", "forward"]
    assert found.rows[1].samples_s == pytest.approx((0.002, 0.0024))
    assert found.rows[0].profile_key == ("jetson-agx-orin", "30W", "vit-b", 8, "fp16")


def test_the_same_parts_twice_are_refused():
    with pytest.raises(InputError, match="parts of jetson-agx-orin/30W/vit-b/8/fp16 once, found 2"):
        assemble(read(samples.trtexec_profile(), samples.trtexec_profile(count=50)), Options(facts=FACTS))
    with pytest.raises(InputError, match=r"a time of the whole model of .* once, found 2"):
        assemble(read(samples.trtexec_times(), samples.trtexec_times(7)), Options(facts=FACTS))


def test_a_log_alone_is_no_trace():
    with pytest.raises(InputError, match="a monitor's log, which alone makes no trace"):
        assemble(read(samples.tegrastats()), Options(facts=FACTS))


def test_what_makes_no_trace_is_called_by_its_name():
    info = json.dumps({"Layers": [{"Name": "a", "Outputs": []}], "Bindings": []})
    with pytest.raises(InputError, match=r"is layer information, .*add the --exportProfile") as caught:
        assemble(read(info), Options(facts=FACTS))
    assert "monitor" not in str(caught.value)
    offline = next(text for text in samples.SAMPLES["mlperf-log"] if "SingleStream" in text)
    with pytest.raises(InputError, match=r"is an MLPerf log of scenario Offline, which has a throughput"):
        assemble(read(offline.replace("SingleStream", "Offline")), Options(facts=FACTS))


def test_parts_that_cover_too_little_say_their_share():
    from orbitsim.workload.importers.base import Imported, Recording, Timing

    recording = Recording((Timing("blocks.0", 1e-3),), parts_are_complete=False, covered_share=0.423)
    with pytest.raises(InputError, match=r"they cover 42.3% of the time of their iterations.*--partial"):
        assemble([(Source.of("x"), Imported("kineto", (recording,)))], Options(facts=FACTS))


def test_a_log_is_joined_by_time_with_an_offset():
    files = read(samples.recorder_json(), samples.tegrastats(60))
    with pytest.raises(InputError, match="--offset-s"):
        assemble(files, Options())
    found = assemble(files, Options(offset_s=5.0))
    # The first execution begins 5 s after the first line, at 5.5 W; the power rises by 0.1 W a second.
    embedding = found.rows[0]
    assert embedding.energy_j == pytest.approx((0.001 * 5.50005 + 0.0012 * 5.55006) / 2, rel=1e-4)
    assert embedding.temperature_k == pytest.approx(273.15 + 50.5, abs=0.1)
    assert any("VDD_IN" in note for note in found.notes)


def test_a_log_without_times_gives_its_busy_mean():
    files = read(samples.trtexec_profile(), samples.tegrastats())
    with pytest.raises(InputError, match="--whole-log"):
        assemble(files, Options(facts=FACTS))
    found = assemble(files, Options(facts=FACTS, whole_log=True))
    busy_w = sum(5.0 + 0.1 * i for i in range(5, 25)) / 20
    assert sum(row.energy_j for row in found.rows) == pytest.approx(busy_w * 1e-3 * sum(samples.MS))


def test_one_log_is_of_one_workload():
    files = read(samples.subgraph_json(mode="15W"), samples.subgraph_json(mode="30W"), samples.tegrastats())
    with pytest.raises(InputError, match="one log and one profile with --whole-log, found 1 and 2"):
        assemble(files, Options(whole_log=True))


def test_faults_name_their_file():
    fused = [*samples.DOTTED[:-1], "encoder.layers.encoder_layer_0.x + encoder.layers.encoder_layer_1.y"]
    with pytest.raises(InputError) as caught:
        assemble(read(samples.trtexec_profile(fused)), Options(facts=FACTS))
    assert caught.value.problems[0].source == "file-0"


def test_published_figures_keep_their_source():
    options = Options(facts=FACTS, marks=Marks("published", "Somebody, 2025"))
    found = assemble(read(samples.trtexec_profile()), options)
    assert {row.citation for row in found.rows} == {"Somebody, 2025"}


def test_a_profile_without_edges_says_that_no_cost_model_takes_it():
    bare = samples.subgraph_json(names=samples.DOTTED[1:-1], ms=samples.MS[1:-1])
    found = assemble(read(bare), Options())
    assert any("no time of embedding and head" in note for note in found.notes)


def test_provenance_holds_what_repeats_the_import(tmp_path):
    files = read(samples.trtexec_profile(), samples.tegrastats())
    options = Options(facts=FACTS, whole_log=True)
    found = assemble(files, options)
    record = import_provenance(files, found, ["orbitsim", "trace", "import", "x"])
    assert {"tool", "version", "created_utc", "command", "sources", "profiles", "notes"} <= set(record)
    assert [source["sha256"] for source in record["sources"]] == [source.sha256 for source, _ in files]
    assert [source["format"] for source in record["sources"]] == ["trtexec-profile", "tegrastats"]
    assert json.loads(json.dumps(record)) == record
    path = write_trace(found.rows, tmp_path / "t.parquet", record)
    assert read_trace(path).provenance == record


@pytest.mark.parametrize("name", ["trtexec-log", "trtexec-times", "mlperf-log"])
def test_whole_times_become_blocks_on_request(name):
    text = samples.SAMPLES[name][0]
    options = Options(facts=FACTS, rename=True, attribute="flop")
    found = assemble(read(text), options)
    assert [row.block_kind for row in found.rows] == ["embedding", *["block"] * 12, "head", "forward"]
    assert math.fsum(row.mean_s for row in found.rows[:-1]) == pytest.approx(found.rows[-1].mean_s, rel=1e-12)


def test_annotations_become_blocks():
    found = assemble(read(samples.kineto()), Options(facts=FACTS))
    assert len(found.rows) == 14
    found = assemble(read(samples.nsys_csv()), Options(facts=FACTS, partial=True))
    assert [row.block_index for row in found.rows] == list(range(12))
