"""Experiments by name: found, ordered, refused with a hint, and complete as the interface asks."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path

import pytest

from orbitsim.errors import InputError
from orbitsim.reproduce import registry
from orbitsim.reproduce.registry import EXPERIMENTS, chosen_experiments, load_experiment, missing_extra
from orbitsim.reproduce.setting import Setting
from orbitsim.reproduce.variations import VARIATIONS
from orbitsim.sweep.cells import value_at

SIMULATED = [name for name, where in EXPERIMENTS.items() if where.startswith("orbitsim.reproduce.")]


def test_names_come_in_the_order_of_the_registry_each_once():
    assert chosen_experiments(["fig4", "fig3", "fig4"]) == ("fig3", "fig4")
    assert chosen_experiments(["map", "all"]) == tuple(EXPERIMENTS)


def test_every_unknown_name_is_named_with_a_hint():
    with pytest.raises(InputError) as refused:
        chosen_experiments(["fig44", "fig3", "tabel2"])
    text = str(refused.value)
    assert "'fig44'" in text
    assert "'tabel2'" in text
    assert "did you mean" in text
    assert len(refused.value.problems) == 2


def test_an_experiment_without_its_extra_says_what_to_install(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None if name == "torch" else real(name))
    assert missing_extra("fig3") == ""
    assert "pip install 'orbitsim[neural]'" in missing_extra("fig8")
    with pytest.raises(InputError, match="fig8 needs torch"):
        load_experiment("fig8")


@pytest.mark.parametrize("name", SIMULATED)
def test_experiments_are_complete(name):
    experiment = load_experiment(name)
    assert experiment.name == name
    stated = [statement.name for statement in experiment.statements]
    assert len(set(stated)) == len(stated) > 0
    assumed = [assumption.name for assumption in experiment.assumptions]
    assert len(set(assumed)) == len(assumed) > 0
    assert all(s.where and s.claim for s in experiment.statements)
    assert all(a.taken and a.because for a in experiment.assumptions)
    assert experiment.settings


@pytest.mark.parametrize("name", [name for name in SIMULATED if name.startswith("fig") or name == "map"])
def test_every_assumption_has_a_sensitivity_row(name):
    # What is no parameter has none: how a sentence is read, and which points the axis has.
    # The effect of the last mini-batch is stated in its own row: it follows from the number of tiles alone.
    readings = {"103 %", "numbers of satellites", "step", "last mini-batch"}
    assumed = {assumption.name for assumption in load_experiment(name).assumptions}
    assert assumed - readings <= {variation.assumption for variation in VARIATIONS}


@pytest.mark.parametrize("each", VARIATIONS, ids=lambda each: f"{each.assumption}: {each.words}")
def test_every_variation_is_a_scenario_of_its_own(each):
    """What a variation changes holds: none is refused, and none is overruled by what the experiments have in common."""
    scenario = Setting().plus(*each.settings).scenario()
    for change in each.settings:
        key, _, value = change.partition("=")
        found = value_at(scenario.model_dump(mode="json"), key)
        wanted = tomllib.loads(f"value = {value}")["value"]
        assert found == wanted or Path(str(found)).stem == wanted
