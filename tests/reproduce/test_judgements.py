"""Verdicts: ties are no wins, another model is no proof, and what agrees is not explained away."""

from __future__ import annotations

import pytest

from orbitsim.reproduce import console, fig5, fig7, regime_map
from orbitsim.reproduce.document import write_table
from orbitsim.reproduce.map_figure import _cell, _ink, _luminance, _rgb
from orbitsim.reproduce.ranking import fastest, outcome
from orbitsim.reproduce.reproduction import Reproduction


def test_less_than_a_percent_is_a_tie():
    assert fastest({"a": 100.0, "b": 101.0}) == ("a",)
    assert fastest({"a": 100.9, "b": 100.0, "c": 300.0}) == ("b", "a")
    assert fastest({}) == ()
    assert outcome({"a": 100.0, "b": 200.0}) == "a"
    assert outcome({"b": 100.0, "a": 100.5, "c": 300.0}) == "a and b within 1 %"
    assert outcome({"a": 100.0, "b": 100.5}) == "all within 1 %"
    assert outcome({}) == ""


def _map(collaborative, single, ground):
    cells = {"collaborative": [collaborative], "single-satellite": [single], "ground-only": [ground]}
    return {"rates_bps": [1e6, 1e8, 1e10], "panels": {"models": {"rows": ["ViT-B"], "delay_s": cells}}}


def test_the_map_splits_ties_from_wins():
    twin = _map([100.0, 100.0, 100.0], [100.2, 150.0, 100.2], [300.0, 300.0, 100.4])
    data = {
        "idealised": twin,
        "real": twin,
        "crossings": {"models": {"ViT-B": None}},
        "largest_difference": 0.0,
        "checked": 1,
    }
    found = regime_map.judge(data)[0]
    assert "collaborative 33 %" in found.ours["real contacts"]
    assert "collaborative and single-satellite within 1 % 33 %" in found.ours["real contacts"]
    assert "all within 1 % 33 %" in found.ours["real contacts"]
    assert found.agrees == "no"


def _point(label, **delays):
    ran = {name.replace("_", "-"): {"status": "ok", "delay_s": s} for name, s in delays.items()}
    return {"label": label, "idealised": ran, "real": None, "closed": {}}


@pytest.mark.parametrize(("single_s", "agrees"), [(300.0, "no"), (99.5, "no"), (50.0, "yes")])
def test_a_scheme_that_is_never_ahead_has_no_advantage(single_s, agrees):
    rows = [
        _point("ViT-B", collaborative=100.0, single_satellite=single_s, ground_only=500.0),
        _point("ViT-G", collaborative=100.0, single_satellite=900.0, ground_only=500.0),
    ]
    found = fig5._single({"points": rows})
    assert found.agrees == agrees
    assert bool(found.reason) == (agrees != "yes")


@pytest.mark.parametrize(("single_s", "agrees"), [(900.0, "partly"), (50.0, "no")])
def test_another_model_proves_a_statement_in_part_at_most(single_s, agrees):
    beside = {"collaborative": {"delay_s": 100.0}, "ground-only": {"delay_s": 200.0}}
    data = {
        "points": [_point("1080p", collaborative=100.0, ground_only=200.0)],
        "variants": [
            {
                "assumption": "model",
                "words": "ViT-B",
                "forecasts": [beside | {"single-satellite": {"delay_s": single_s}}],
            }
        ],
    }
    found = fig7._slow(data)
    assert found.agrees == agrees
    assert "ViT-B" in found.reason


def _result(agrees, reason):
    return {
        "title": "t", "caption": "Read it so.", "settings": [], "assumptions": [], "effects": [], "figures": [],
        "data": {},
        "statements": [{"name": "a", "where": "w", "claim": "it is so", "published": {}}],
        "findings": [{"statement": "a", "ours": {"idealised": "so " * 200}, "agrees": agrees, "reason": reason}],
    }  # fmt: skip


@pytest.mark.parametrize(("agrees", "explained"), [("yes", False), ("partly", True)])
def test_only_what_disagrees_is_explained(tmp_path, agrees, explained):
    document = {
        "small": False, "provenance": {"version": "1"}, "notes": [], "experiments": {"x": _result(agrees, "because")}
    }  # fmt: skip
    write_table(tmp_path / "table.md", document)
    text = (tmp_path / "table.md").read_text()
    assert ("Why not" in text) is explained
    assert "because" in text
    assert "\nRead it so.\n" in text


def test_the_console_has_one_line_a_finding_and_leaves_reasons_to_the_table(tmp_path, capsys):
    console.print_outcomes(Reproduction({"x": _result("no", "a long reason")}), tmp_path)
    out = capsys.readouterr().out
    assert sum("so so" in line for line in out.splitlines()) == 1
    assert "a long reason" not in out
    assert str(tmp_path / "table.md") in out


def test_numbers_of_the_map_can_be_read_on_every_shade():
    for margin in (1.02, 1.5, 2.0, 3.0, 10.0):
        for first in ("collaborative", "single-satellite", "ground-only"):
            others = {"collaborative", "single-satellite", "ground-only"} - {first}
            _, color, shown = _cell({first: 1.0, **dict.fromkeys(others, margin)})
            assert shown == pytest.approx(margin)
            high, low = sorted((_luminance(color), _luminance(_rgb(_ink(color)))), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.0
