"""`orbitsim profile` as a user meets it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orbitsim.cli.app import run_app
from orbitsim.workload.traces import read_trace

TINY = [
    "vit", "--config", "num_hidden_layers=2", "--config", "hidden_size=32", "--config", "intermediate_size=64",
    "--config", "num_attention_heads=4", "--image-px", "32", "--threads", "1", "--max-seconds", "0.05",
    "--min-repeats", "3", "--max-repeats", "4", "--allow-busy",
]  # fmt: skip


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["orbitsim", "profile", *words])
    return run_app()


def test_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    out = tmp_path / "tiny.parquet"
    assert run(monkeypatch, *TINY, "--name", "tiny", "--board", "desk", "--batch-size", "1,2", "--out", str(out)) == 0
    trace = read_trace(out)
    assert {(row.device, row.model, row.batch_size) for row in trace.rows} == {("desk", "tiny", 1), ("desk", "tiny", 2)}
    assert "--out tiny.parquet" in trace.provenance["command"]
    assert str(tmp_path) not in trace.provenance["command"]
    assert "10 rows" in capsys.readouterr().out
    assert run(monkeypatch, *TINY, "--out", str(out)) == 2
    assert "--resume" in capsys.readouterr().err


def test_without_out_the_trace_is_named_after_board_and_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *TINY, "--device", "cpu", "--board", "desk") == 0
    said = capsys.readouterr()
    assert "desk-vit.parquet" in said.out
    assert "trace: desk-vit.parquet" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["desk-vit.parquet"]
    before = read_trace(tmp_path / "desk-vit.parquet")
    assert run(monkeypatch, *TINY, "--board", "desk") == 2
    assert "is there already; replace it with --force, go on with --resume" in capsys.readouterr().err
    assert read_trace(tmp_path / "desk-vit.parquet").sha256 == before.sha256
    assert run(monkeypatch, *TINY, "--board", "desk", "--batch-size", "1,2", "--resume") == 0
    assert read_trace(tmp_path / "desk-vit.parquet").rows[: len(before.rows)] == before.rows
    assert run(monkeypatch, *TINY, "--board", "desk", "--force") == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["vit-x"], "did you mean"),
        (["vit-b", "--batch-size", "1;2"], "--batch-size as whole numbers"),
        (["vit-b", "--batch-size", "1,,2"], "--batch-size as whole numbers with commas between, got '1,,2'"),
        (["vit-b", "--batch-size", "1,1"], "each value of --batch-size once, got '1,1'"),
        (["vit-b", "--threads", "1, 1"], "each value of --threads once"),
        (["vit-b", "--precision", "fp32,"], "--precision as names with commas between"),
        (["vit-b", "--input-shape", "3,,3"], "--input-shape as whole numbers"),
        (["vit-b", "--input-shape", "3,32,32"], "only with module:factory"),
        (["vit-b", "--batch-size", "0"], "--batch-size of at least 1"),
        (["vit-b", "--precision", "fp17"], "expected --precision of fp32"),
        (["vit-b", "--target-ci", "narrow"], "--target-ci"),
        (["vit-b", "--target-ci", "150%"], "--target-ci"),
        (["vit-b", "--config", "depth"], "KEY=VALUE"),
        (["vit-b", "--config", "depth=3"], "depth: expected a key of ViTConfig"),
        (["vit-b", "--threads", "two"], "--threads"),
        (["vit-b", "--force", "--resume"], "not both"),
        (["nowhere:factory"], "expected module:factory"),
        (["math:sqrt", "--input-shape", "3"], "it raised TypeError"),
    ],
)
def test_bad_input_is_answered_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    pytest.importorskip("transformers")
    assert run(monkeypatch, *words, "--out", str(tmp_path / "t.parquet")) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    assert run(monkeypatch, *TINY, "--out", str(tmp_path / "no" / "t.parquet")) == 2
    assert "expected a folder" in capsys.readouterr().err


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    # An interpreter in which torch and transformers cannot be found: what a plain installation has.
    code = (
        "import sys, importlib.abc\n"
        "class Hidden(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'transformers'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        f"sys.argv = ['orbitsim', 'profile', 'vit-b', '--out', {str(tmp_path / 't.parquet')!r}]\n"
        "from orbitsim.cli.app import run_app\n"
        "sys.exit(run_app())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "pip install 'orbitsim[neural]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_starts_without_torch() -> None:
    code = "import sys, orbitsim.cli.app; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
