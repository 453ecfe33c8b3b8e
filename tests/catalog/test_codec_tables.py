from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim import catalog
from orbitsim.errors import InputError
from orbitsim.types.codec_table import IDENTITY, CodecTable

GOOD = {
    "schema_version": 1,
    "name": "mine",
    "origin": "measured",
    "source": "here",
    "ratio": [0.1, 1.0],
    "loss": [0.02, 0.0],
}


def test_gumbel_table_is_the_published_point():
    table = catalog.codec_table("gumbel-8bit")
    assert table.ratio == (1 / 23.28, 1.0)
    assert table.loss == (0.0097, 0.0)
    assert table.origin == "published, different models"
    assert "Fig. 8" in table.source
    assert "Tables IV and V" in table.source
    assert table.allowed(0.01) == table.ratio
    assert table.allowed(0.009) == (1.0,)


def test_identity_keeps_everything():
    assert catalog.codec_table("identity") == IDENTITY
    assert IDENTITY.ratio == (1.0,)
    assert IDENTITY.accuracy == (1.0,)


def test_inline_table_counts_losses_from_its_best_accuracy():
    table = CodecTable.from_accuracy("inline", [1.0, 0.1, 0.05], [0.98, 0.97, 0.9])
    assert table.ratio == (0.05, 0.1, 1.0)
    assert table.accuracy == (0.9, 0.97, 0.98)
    assert table.loss == (0.08, 0.01, 0.0)  # exactly: no rounding noise decides what is allowed
    assert table.allowed(0.01) == (0.1, 1.0)
    assert table.min_accuracy(0.01) == 0.97


pairs = st.lists(
    st.tuples(st.floats(1e-6, 1.0), st.floats(0.0, 1.0)), min_size=1, max_size=8, unique_by=lambda pair: pair[0]
)


@given(pairs=pairs, max_loss=st.sampled_from([0.0, 0.01, 0.05, 0.5, 1.0]))
def test_accuracy_floor_and_allowed_losses_agree(pairs, max_loss):
    ratio, accuracy = zip(*[(r, round(a, 4)) for r, a in pairs], strict=True)
    table = CodecTable.from_accuracy("inline", ratio, accuracy)
    floor = table.min_accuracy(max_loss)
    by_floor = tuple(r for r, a in zip(table.ratio, table.accuracy, strict=True) if a >= floor)
    assert by_floor == table.allowed(max_loss)
    assert by_floor  # the best setting is always allowed
    assert list(table.ratio) == sorted(table.ratio)


@given(pairs=pairs)
def test_order_of_the_file_does_not_matter(pairs):
    ratio, loss = zip(*pairs, strict=True)
    assert CodecTable.from_loss("a", ratio, loss) == CodecTable.from_loss("a", ratio[::-1], loss[::-1])


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_own_file(tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    path.write_text(
        json.dumps(GOOD) if suffix == ".json" else "\n".join(f"{k} = {json.dumps(v)}" for k, v in GOOD.items())
    )
    table = catalog.codec_table(path)
    assert (table.name, table.ratio, table.loss) == ("mine", (0.1, 1.0), (0.02, 0.0))
    assert catalog.codec_table(str(path)) == table


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        ({"ratio": []}, "ratio", "at least one"),
        ({"ratio": [0.0, 1.0]}, "ratio.0", "above 0"),
        ({"ratio": [0.1, 1.5]}, "ratio.1", "at most 1"),
        ({"ratio": [0.1, 0.1]}, "ratio.1", "each ratio once"),
        ({"ratio": ["a", 1.0]}, "ratio.0", "'a'"),
        ({"ratio": [True, 0.5]}, "ratio.0", "True"),
        ({"ratio": [float("nan"), 0.5]}, "ratio.0", "nan"),
        ({"ratio": 0.1}, "ratio", "a list of numbers"),
        ({"loss": [0.1]}, "loss", "as many entries as ratio (2), got 1"),
        ({"loss": [-0.1, 0.0]}, "loss.0", "from 0 to 1"),
        ({"loss": [float("inf"), 0.0]}, "loss.0", "from 0 to 1"),
        ({"loss": None}, "loss", "either loss or accuracy"),
        ({"accuracy": [0.9, 1.0]}, "loss", "either loss or accuracy"),
        ({"origin": None}, "origin", "found none"),
        ({"name": 3}, "name", "expected text"),
        ({"schema_version": 3}, "schema_version", "expected 1 or 2, got 3"),
        ({"ratios": [1.0]}, "ratios", "no such key"),
    ],
)
def test_faults_are_named(tmp_path, change, key, message):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({k: v for k, v in (GOOD | change).items() if v is not None}))
    with pytest.raises(InputError) as caught:
        catalog.codec_table(path)
    assert all(problem.source == str(path) for problem in caught.value.problems)
    assert any(problem.key == key and message in problem.message for problem in caught.value.problems), str(
        caught.value
    )


@pytest.mark.parametrize("content", ["{", "[1, 2]", "3"])
def test_not_a_table(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(InputError, match="expected"):
        catalog.codec_table(path)


def test_unknown_name_helps():
    with pytest.raises(InputError, match=r"did you mean 'gumbel-8bit'\?"):
        catalog.codec_table("gumbel-8-bit")
    with pytest.raises(InputError, match="cannot be read"):
        catalog.codec_table("nowhere.toml")


def test_wrong_table_cannot_be_built():
    with pytest.raises(InputError, match="codec table direct"):
        CodecTable("direct", (2.0,), (1.0,), (0.0,))
