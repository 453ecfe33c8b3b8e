"""`orbitsim trace` as a user meets it: files in, a trace out, and words that say what to do next."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from workload.importers import samples
from workload.importers.board_data import JETSON, needs_jetson

from orbitsim.cli.app import run_app
from orbitsim.workload.traces import read_trace

FACTS = (
    "--device",
    "jetson-agx-orin",
    "--power-mode",
    "30W",
    "--model",
    "vit-b",
    "--batch-size",
    "8",
    "--precision",
    "fp16",
)


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["orbitsim", "trace", *map(str, words)])
    return run_app()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "profile": samples.trtexec_profile(),
        "times": samples.trtexec_times(),
        "board15": samples.subgraph_json(mode="15W"),
        "board30": samples.subgraph_json(mode="30W", ms=[t / 2 for t in samples.MS]),
        "recorder": samples.recorder_json(),
        "log": samples.tegrastats(60),
        "junk": "once upon a time\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_import_show_compare(monkeypatch, capsys, folder):
    a, b = folder / "a.parquet", folder / "b.parquet"
    assert call(monkeypatch, "import", folder / "profile", folder / "times", *FACTS, "--out", a) == 0
    shown = capsys.readouterr()
    assert shown.out == ""  # data goes to the file, words to stderr
    assert "written: " in shown.err
    assert "15 rows of 1 profiles" in shown.err
    assert read_trace(a).profiles()[0].covers_model

    assert call(monkeypatch, "show", a) == 0
    shown = capsys.readouterr()
    assert "block 11" in shown.out
    assert "27.5100" in shown.out  # the sum of the parts [ms]
    assert "27.2500" in shown.out  # the whole, timed in one go [ms]
    assert "█" in shown.out

    assert call(monkeypatch, "import", folder / "recorder", "--out", b) == 0
    capsys.readouterr()
    assert call(monkeypatch, "compare", a, b, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["part"] for row in rows] == [
        "embedding", *(f"block {i}" for i in range(12)), "head", "sum", "forward",
    ]  # fmt: skip
    assert float(rows[0]["ratio"]) == pytest.approx(1.1e-3 / 0.5e-3)
    assert rows[0]["p_value"] == ""


def test_without_out_it_says_what_the_files_hold(monkeypatch, capsys, folder):
    before = sorted(folder.iterdir())
    assert call(monkeypatch, "import", folder / "profile", folder / "log") == 0
    shown = capsys.readouterr()
    assert "trtexec-profile" in shown.out
    assert "60 lines over 59 s" in shown.out
    assert "VDD_IN" in shown.out
    assert "before --out: --device: expected the device" in shown.err
    assert sorted(folder.iterdir()) == before
    assert call(monkeypatch, "import", folder / "board30") == 0
    assert "with --out: 14 rows of 1 profiles (1 embedding, 12 block, 1 head)" in capsys.readouterr().err


def test_rows_as_csv_and_json(monkeypatch, capsys, folder):
    path = folder / "t.parquet"
    assert call(monkeypatch, "import", folder / "recorder", "--out", path) == 0
    capsys.readouterr()
    assert call(monkeypatch, "show", path, "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 15
    assert "samples_s" not in rows[0]
    assert call(monkeypatch, "show", path, "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["provenance"]["tool"] == "orbitsim trace import"
    assert [row["mean_s"] for row in document["rows"]] == pytest.approx([float(row["mean_s"]) for row in rows])
    assert document["rows"][0]["samples_s"] == [0.001, 0.0012]


def test_compare_across_modes(monkeypatch, capsys, folder):
    a, b = folder / "a.parquet", folder / "b.parquet"
    for name, path in (("board15", a), ("board30", b)):
        assert call(monkeypatch, "import", folder / name, "--device", "jetson-agx-orin", "--out", path) == 0
    capsys.readouterr()
    assert call(monkeypatch, "compare", a, b) == 2
    assert "power-mode (15W in one, 30W)" in capsys.readouterr().err
    assert call(monkeypatch, "compare", a, b, "--ignore", "power-mode", "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {round(row["ratio"], 9) for row in rows} == {0.5}
    by_part = {row["part"]: row for row in rows}
    assert by_part["head"]["p_value"] < 1e-6  # one part, with its spread
    assert by_part["block 0"]["p_value"] is None  # a sum of parts: its spread is not known
    assert call(monkeypatch, "compare", a, b, "--ignore", "power-mode") == 0
    assert "0.5000" in capsys.readouterr().out


def test_power_by_time_and_by_busy_mean(monkeypatch, capsys, folder):
    out = folder / "t.parquet"
    words = ("import", folder / "recorder", folder / "log", "--out", out)
    assert call(monkeypatch, *words) == 2
    assert "--offset-s" in capsys.readouterr().err
    assert not out.exists()
    assert call(monkeypatch, *words, "--offset-s", "5") == 0
    assert all(row.energy_j for row in read_trace(out).rows)
    assert call(monkeypatch, *words, "--offset-s", "500", "--force") == 2
    assert "within the log" in capsys.readouterr().err
    assert call(monkeypatch, *words, "--whole-log", "--rail", "VDD_SOC", "--force") == 0
    row = read_trace(out).rows[0]
    assert row.energy_j == pytest.approx(1.5 * row.mean_s)
    assert call(monkeypatch, *words, "--whole-log", "--rail", "VDD_OUT", "--force") == 2
    assert "got VDD_OUT" in capsys.readouterr().err
    assert call(monkeypatch, *words, "--whole-log", "--window-s", "6,8", "--force") == 0
    row = read_trace(out).rows[0]
    assert row.energy_j == pytest.approx(5.7 * row.mean_s)
    assert row.origin == "measured"
    assert row.how_timed.endswith("; energy of one mean power times time")
    assert any("modelled" in note for note in read_trace(out).provenance["notes"])
    assert call(monkeypatch, "show", out) == 0


def test_rules_and_attribution(monkeypatch, capsys, folder):
    names = [f"unit_{i}" for i in range(26)]
    (folder / "odd").write_text(samples.trtexec_profile(names))
    (folder / "rules.toml").write_text(
        "[[rule]]\nmatch = 'unit_0$'\nkind = 'embedding'\n[[rule]]\nmatch = 'unit_25'\nkind = 'head'\n"
        "[[rule]]\nmatch = 'unit_(?P<index>\\d+)'\nkind = 'block'\nfirst = 1\nper_block = 2\n"
    )
    out = folder / "t.parquet"
    assert call(monkeypatch, "import", folder / "odd", *FACTS, "--out", out) == 0
    assert "do not tell blocks apart" in capsys.readouterr().err
    assert [row.block_kind for row in read_trace(out).rows] == ["forward"]
    assert call(monkeypatch, "show", out) == 0
    words = ("import", folder / "odd", *FACTS, "--out", out, "--force")
    assert call(monkeypatch, *words, "--attribute", "flop") == 0
    assert {row.origin for row in read_trace(out).rows if row.block_kind != "forward"} == {"modelled"}
    assert call(monkeypatch, *words, "--rules", folder / "rules.toml") == 0
    profile = read_trace(out).profiles()[0]
    assert profile.covers_model
    assert profile.n_layers == 12
    assert {row.origin for row in profile.blocks} == {"measured"}


def test_faults_are_words_and_codes(monkeypatch, capsys, folder):
    out = folder / "t.parquet"
    out.write_bytes(b"precious")
    cases = [
        (("import", folder / "recorder", "--out", out), "--force replaces it"),
        (("import", folder / "recorder", "--out", folder), "is a folder"),
        (("import", folder / "recorder", "--out", folder / "no" / "t.parquet"), "expected a folder that exists"),
        (("import", folder / "recorder", "--out", folder / "recorder", "--force"), "one of those to read"),
        (("import", folder / "junk"), "(known: trtexec-log"),
        (("import", folder / "missing"), "cannot be read"),
        (("import", folder / "junk", folder / "missing"), "cannot be read"),
        (("import", folder / "recorder", "--format", "cineto"), "expected one of"),
        (("import", folder / "recorder", "--format", "kineto"), "recorder"),
        (("import", folder / "recorder", folder / "recorder"), "expected each file once"),
        (("import", folder / "recorder", "--origin", "published"), "--citation"),
        (("import", folder / "recorder", "--citation", "X"), "--origin"),
        (("import", folder / "recorder", "--window-s", "1,2"), "--whole-log"),
        (("import", folder / "recorder", folder / "log", "--whole-log", "--window-s", "2,1"), "two increasing numbers"),
        (("import", folder / "recorder", "--power-mode", "15W", "--out", folder / "x"), "the file says '30W'"),
        (("import", folder / "log", "--out", folder / "x"), "alone makes no trace"),
        (("show", folder / "junk"), "junk"),
        (("compare", folder / "junk", folder / "missing"), "junk"),
    ]  # fmt: skip
    for words, message in cases:
        assert call(monkeypatch, *words) == 2, words
        shown = capsys.readouterr()
        assert message in shown.err, (words, shown.err)
        assert "Traceback" not in shown.err
        assert shown.out == ""
    assert out.read_bytes() == b"precious"
    assert not (folder / "x").exists()


def test_a_published_trace(monkeypatch, folder):
    out = folder / "t.parquet"
    words = ("--origin", "published", "--citation", "Somebody, 2025, Table 3", "--confidence", "medium")
    assert call(monkeypatch, "import", folder / "board30", *words, "--out", out) == 0
    assert {(row.origin, row.confidence) for row in read_trace(out).rows} == {("published", "medium")}


def test_models_of_ones_own(monkeypatch, capsys, folder):
    (folder / "mine.toml").write_text(
        '[citations.me]\ntext = "me"\n[models.tiny]\ntitle = "Tiny"\ncite = ["me"]\n'
        "architecture = { width = 64, mlp_width = 256, n_heads = 4, n_blocks = 4, patch_px = 16, image_px = 64 }\n"
    )
    out = folder / "t.parquet"
    words = ("import", folder / "times", "--device", "d", "--power-mode", "p", "--model", "tiny", "--batch-size", "1",
             "--precision", "fp16", "--attribute", "flop", "--out", out)  # fmt: skip
    assert call(monkeypatch, *words) == 2
    assert "--catalog" in capsys.readouterr().err
    assert call(monkeypatch, *words, "--catalog", folder / "mine.toml") == 0
    assert read_trace(out).profiles()[0].n_layers == 4


def test_help_has_examples(monkeypatch, capsys):
    for command in ("import", "show", "compare"):
        assert call(monkeypatch, command, "--help") == 0
        assert f"orbitsim trace {command}" in " ".join(capsys.readouterr().out.split())
    assert call(monkeypatch, "import", "--help") == 0


def test_an_imported_trace_is_a_cost(monkeypatch, folder):
    """From a board's file to what the simulator reckons with: the sums that were measured, and their origin."""
    from orbitsim import catalog
    from orbitsim.workload.cost import layer_times
    from orbitsim.workload.models import model_graph

    out = folder / "t.parquet"
    words = ("import", folder / "board30", "--device", "jetson-agx-orin", "--out", out)
    assert call(monkeypatch, *words) == 0
    device, graph = catalog.device("jetson-agx-orin-30w"), model_graph(catalog.model("vit-b"))
    times = layer_times(device, graph, "fp16", 1, read_trace(out).profiles())
    assert call(monkeypatch, *words, folder / "log", "--whole-log", "--force") == 0
    with_power = layer_times(device, graph, "fp16", 1, read_trace(out).profiles())
    assert set(with_power.origin) == {"measured"}
    assert with_power.energy_j is not None
    assert with_power.energy_origin == "modelled"  # one mean power of the log, times the time of each block
    assert times.method == "trace"
    assert set(times.origin) == {"measured"}
    assert times.compute_s.sum() == pytest.approx(0.5e-3 * sum(samples.MS))


@needs_jetson
def test_a_published_board(monkeypatch, tmp_path):
    """ViT-L at 30 W: 124.2423 ms in 24 blocks, as the list of sources has it."""
    out = tmp_path / "t.parquet"
    file = JETSON / "branes-orin-agx" / "30w" / "fp16" / "vit_l_16_b1.json"
    assert call(monkeypatch, "import", file, "--device", "jetson-agx-orin", "--out", out) == 0
    (profile,) = read_trace(out).profiles()
    assert (profile.model, profile.n_layers, profile.covers_model) == ("vit-l", 24, True)
    assert 1e3 * profile.layer_s().sum() == pytest.approx(124.2423, abs=5e-5)


def test_the_command_line_starts_without_reading_formats():
    """Importers and their packages are loaded when they are needed, not when the help is shown."""
    code = "import sys, orbitsim.cli.app; print('yaml' in sys.modules, 'pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
