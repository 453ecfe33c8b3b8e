"""`orbitsim trace fit`: what it prints, and what it says when there is nothing to fit."""

from __future__ import annotations

import csv
import io
import json


def test_fits_of_a_shipped_trace(orbitsim):
    code, out, err = orbitsim("trace", "fit", "published-orin-agx-vit", "--format", "csv")
    assert (code, err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 8 * 4  # modes and precisions; three kinds of parts and the whole model
    block = next(r for r in rows if (r["power_mode"], r["precision"], r["part"]) == ("15W", "fp16", "block"))
    assert 0 < float(block["overhead_s"]) < 0.00838  # below the time of a block of ViT-L
    assert float(block["rate_flop_s"]) < 5e12  # below the peak
    assert float(block["max_error"]) < 0.05
    whole = next(r for r in rows if (r["power_mode"], r["precision"], r["part"]) == ("50W", "fp16", "whole model"))
    assert "vit-b batch 1 -13.3%" in whole["note"]


def test_left_out_of_a_shipped_trace(orbitsim):
    code, out, _ = orbitsim("trace", "fit", "published-orin-agx-vit", "--leave-one-out", "--format", "json")
    assert code == 0
    rows = json.loads(out)
    assert {row["question"] for row in rows} == {"model", "power-mode"}
    assert len(rows) == 16 + 48


def test_table_for_people(orbitsim):
    code, out, _ = orbitsim("trace", "fit", "--leave-one-out")
    assert code == 0
    assert "Predicted from the rest" in out
    assert "-23.7%" in out


def test_nothing_to_fit_is_one_clear_error(orbitsim):
    code, out, err = orbitsim("trace", "fit", "published-desktop-gpu-vit")
    assert (code, out) == (2, "")
    assert "expected profiles that cover a model of the catalogue from embedding to head" in err
    code, out, err = orbitsim("trace", "fit", "no-such-trace")
    assert code == 2
    assert "no-such-trace" in err
    assert "published-orin-agx-vit" in err
