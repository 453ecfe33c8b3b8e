"""The how-to of traces does what it says: its commands run, its files are read, its table names every format."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from workload.importers import samples

from orbitsim.cli.app import run_app
from orbitsim.workload.importers.registry import FORMATS
from orbitsim.workload.importers.rules import RULE_KINDS, read_rules
from orbitsim.workload.traces import read_trace

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "traces.md").read_text(encoding="utf-8")
TABLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def commands() -> list[list[str]]:
    """Return the indented lines of the page that call orbitsim, continued lines joined."""
    lines = TEXT.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("    orbitsim ")]


def test_the_page_from_a_log_to_a_scenario(monkeypatch: pytest.MonkeyPatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "profile.json").write_text(samples.trtexec_profile())
    (tmp_path / "times.json").write_text(samples.trtexec_times())
    (tmp_path / "tegrastats.log").write_text(samples.tegrastats(60))
    (tmp_path / "my-board.toml").write_text(TABLES[0])
    ran = 0
    for words in commands():
        if words[0] == "run" or "another.parquet" in words:
            continue  # a day of simulation, and a second trace, are more than a test of words needs
        monkeypatch.setattr(sys, "argv", ["orbitsim", *words])
        assert run_app() == 0, words
        ran += 1
    assert ran >= 4
    shown = capsys.readouterr()
    assert "before --out" in shown.err
    assert "my-board replays: mean" in shown.out
    assert "0.02751 s, measured" in shown.out
    assert read_trace("my-board.parquet").profiles()[0].covers_model


def test_the_rules_on_the_page_are_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TABLES[1])
    kinds = {rule.kind for rule in read_rules(path).rules}
    assert all(f'"{kind}"' in TEXT for kind in RULE_KINDS)
    assert {"skip", "block", "previous", "embedding"} <= kinds


def test_the_table_names_every_format():
    named = re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE)
    assert sorted(named) == sorted(fmt.name for fmt in FORMATS)


def test_every_option_on_the_page_exists(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    known = ""
    for command in ("import", "show", "compare"):
        monkeypatch.setattr(sys, "argv", ["orbitsim", "trace", command, "--help"])
        assert run_app() == 0
        known += capsys.readouterr().out
    others = {"--interval", "--logfile", "--stop", "--separateProfileRun", "--dumpProfile", "--help"}
    others |= {"--loadEngine", "--exportProfile", "--exportTimes", "--exportLayerInfo"}
    missing = {word for word in re.findall(r"--[A-Za-z][\w-]+", TEXT) if word not in known} - others
    assert not missing
