"""Reading problem files: the contract, and every fault of a malformed file at once."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from plan.example import SHARED

from orbitsim.errors import InputError
from orbitsim.plan.problem_file import parse_problem, read_problem

GOOD = {
    "delay_model": "sequential",
    "n_batches": 3,
    "relay": True,
    "max_compute_nodes": 2,
    "min_accuracy": 0.9,
    "input": {"bytes": 100, "rate_bps": None},
    "nodes": [
        {"name": "a", "memory_bytes": 10, "compute_s": [1, 2.5], "power_w": 30, "memory_overhead_bytes": 1},
        {"memory_bytes": 20.0, "compute_s": [1, 2], "encode_s_per_byte": 1e-9, "decode_s_per_byte": 2e-9},
    ],
    "layers": {"memory_bytes": [1, 2], "activation_bytes": [50, 4]},
    "hops": [{"rate_bps": 1000, "delay_s": 0.01}],
    "codec": {"ratio": [0.1, 1.0], "accuracy": [0.89, 0.95]},
}


def changed(**paths):
    """Return the good data with values replaced by dotted path (dots as __); ``del`` removes a key."""
    data = copy.deepcopy(GOOD)
    for path, value in paths.items():
        *parents, last = path.split("__")
        table = data
        for parent in parents:
            table = table[int(parent)] if isinstance(table, list) else table[parent]
        if value == "del":
            del table[last]
        else:
            table[last] = value
    return data


def faults_of(data):
    with pytest.raises(InputError) as error:
        parse_problem(data)
    return {problem.key: problem.message for problem in error.value.problems}


def test_every_key_arrives():
    problem = parse_problem(GOOD)
    assert (problem.n_nodes, problem.n_layers, problem.n_hops) == (2, 2, 1)
    assert problem.delay_model == "sequential"
    assert (problem.n_batches, problem.relay, problem.max_compute_nodes) == (3, True, 2)
    assert problem.input_s == 0.0
    assert problem.node_names == ("a", "node 1")
    np.testing.assert_array_equal(problem.compute_s, [[1.0, 2.5], [1.0, 2.0]])
    np.testing.assert_array_equal(problem.memory_overhead_bytes, [1.0, 0.0])
    np.testing.assert_array_equal(problem.encode_s_per_byte, [0.0, 1e-9])
    np.testing.assert_array_equal(problem.decode_s_per_byte, [0.0, 2e-9])
    np.testing.assert_array_equal(problem.power_w, [30.0, np.nan])
    np.testing.assert_array_equal(problem.delay_s, [0.01])
    np.testing.assert_array_equal(problem.allowed_ratio, [False, True])


@pytest.mark.parametrize("where", ["max_loss", "codec__max_loss"])
def test_cumulative_rule(where):
    data = changed(codec__rule="cumulative", codec__loss=[0.1, 0.0], **{where: 0.05})
    problem = parse_problem(data)
    assert (problem.rule, problem.max_loss) == ("cumulative", 0.05)
    np.testing.assert_array_equal(problem.allowed_ratio, [False, True])


def test_all_faults_at_once():
    data = changed(
        n_batches=0,
        relay="yes",
        delay_model="fast",
        input__rate_bps=0,
        nodes__0__compute_s=[1.0],
        nodes__1__memory_bytes=float("nan"),
        hops=[{"rate_bps": -1.0}] * 4,
        codec__ratio=[0.0, 0.5, 2.0],
        layers="none",
        n_bathces=3,
    )
    faults = faults_of(data)
    assert set(faults) == {
        "n_batches",
        "relay",
        "delay_model",
        "input.rate_bps",
        "nodes.1.memory_bytes",
        "hops.0.rate_bps",
        "hops.1.rate_bps",
        "hops.2.rate_bps",
        "hops.3.rate_bps",
        "hops",
        "codec.ratio.0",
        "codec.ratio.2",
        "codec.accuracy",
        "layers",
        "n_bathces",
        "nodes.1.compute_s",
    }
    assert "did you mean 'n_batches'" in faults["n_bathces"]
    assert "2 entries" in faults["hops"]
    assert "3 values" in faults["codec.accuracy"]


@pytest.mark.parametrize(
    ("paths", "key", "message"),
    [
        ({"n_batches": "del"}, "n_batches", "missing"),
        ({"n_batches": 2.5}, "n_batches", "integer"),
        ({"n_batches": True}, "n_batches", "integer"),
        ({"max_compute_nodes": 0}, "max_compute_nodes", "greater than or equal to 1"),
        ({"min_accuracy": float("inf")}, "min_accuracy", "finite"),
        ({"input": [1]}, "input", "table"),
        ({"nodes": []}, "nodes", "at least 1"),
        ({"nodes__0__memory": 3}, "nodes.0.memory", "did you mean 'memory_bytes'"),
        ({"nodes__1__compute_s": ["1", 2]}, "nodes.1.compute_s.0", "number"),
        ({"nodes__1__compute_s": [-1, 2]}, "nodes.1.compute_s.0", "greater than or equal to 0"),
        ({"layers__memory_bytes": [1]}, "layers.memory_bytes", "2 values"),
        ({"hops__0__rate_bps": "del"}, "hops.0.rate_bps", "missing"),
        ({"codec__accuracy": "del"}, "codec.accuracy", "min_accuracy"),
        ({"codec__rule": "sum"}, "codec.rule", "cumulative"),
        ({"codec__rule": "cumulative", "max_loss": 0.1}, "codec.loss", "missing"),
        ({"codec__rule": "cumulative", "codec__loss": [0.1, 0.2]}, "max_loss", "missing"),
        (
            {"codec__rule": "cumulative", "codec__loss": [0.1, 0.2], "max_loss": 0.1, "codec__max_loss": 0.2},
            "codec.max_loss",
            "the same",
        ),
    ],
)
def test_one_fault_is_named(paths, key, message):
    faults = faults_of(changed(**paths))
    assert list(faults) == [key]
    assert message in faults[key]


@pytest.mark.parametrize("missing", ["input", "nodes", "layers", "hops", "codec"])
def test_missing_tables(missing):
    assert faults_of(changed(**{missing: "del"}))[missing] == "missing"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ("{", "line 1"),
        ("[]", "expected a table"),
        ('{"n_batches": 1, "n_batches": 2}', "n_batches: given more than once"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_files_that_are_no_problem(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        read_problem(path)
    assert str(path) in str(error.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_problem(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'{"\xe9": 1}')
    with pytest.raises(InputError, match="UTF-8"):
        read_problem(tmp_path / "latin.json")


def test_every_fault_names_the_file(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(changed(relay=3, n_batches=-1)), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_problem(path)
    assert [problem.source for problem in error.value.problems] == [str(path)] * 2
    assert error.value.exit_code == 2


@pytest.mark.skipif(not SHARED.exists(), reason="the shared example is not beside the repository")
def test_the_shared_example_is_read():
    problem = read_problem(SHARED)
    assert problem.node_names == ("p-00", "p-01", "p-02")
    assert problem.input_s == pytest.approx(0.154140672)
