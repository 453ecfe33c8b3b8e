"""Whatever happens to a stored file, it is read as it was, or one error names it; the cache is computed again."""

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")

from orbitsim.errors import InputError
from orbitsim.neural.evaluation.clean_run import run_clean
from orbitsim.neural.evaluation.experiment import RowSpec
from orbitsim.neural.evaluation.methods import Method
from orbitsim.neural.evaluation.probing import CrossValidatedProbe
from orbitsim.neural.evaluation.row import RowStore
from orbitsim.neural.evaluation.stored_arrays import DamagedFileError, read_npy, read_npz
from orbitsim.neural.images import image_folder


@pytest.fixture(scope="module")
def row(experiment, world):
    return experiment.run(RowSpec(world["one"], Method("uniform", settings={"bits": 5}), 1, world["two"]))


def _damages(whole, n, seed=0):
    """Yield files cut short and files with a few bytes changed."""
    draw = np.random.default_rng(seed)
    yield b""
    for _ in range(n):
        yield whole[: draw.integers(len(whole))]
        changed = bytearray(whole)
        for _ in range(draw.integers(1, 4)):
            changed[draw.integers(len(whole))] = draw.integers(256)
        yield bytes(changed)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_arrays_are_read_whole_or_not_at_all(tmp_path):
    several, one = tmp_path / "a.npz", tmp_path / "a.npy"
    np.savez_compressed(several, x=np.arange(9), y=np.eye(2))
    np.save(one, np.ones((3, 2), dtype=np.float32))
    refused = []
    for path, read in ((several, lambda: read_npz(several, ("x", "y"))), (one, lambda: read_npy(one, (3, None), None))):
        for content in _damages(path.read_bytes(), 400):
            path.write_bytes(content)
            try:
                read()
            except DamagedFileError as fault:
                refused.append((str(fault), str(path)))
    assert 400 < len(refused) < 1602  # a changed byte of an array that has no checksum cannot be seen
    assert all(path in message for message, path in refused)
    np.save(one, np.ones((4, 2)))
    with pytest.raises(DamagedFileError, match=r"shape \(4, 2\)"):
        read_npy(one, (3, None))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_row_is_read_as_it_was_or_its_file_is_named(row, tmp_path):
    store = RowStore(tmp_path)
    store.save("a", row)
    np.testing.assert_array_equal(store.load("a").coded_bytes, row.coded_bytes)
    for suffix in ("json", "npz"):
        path = tmp_path / f"a.{suffix}"
        whole = path.read_bytes()
        for content in _damages(whole, 60):
            path.write_bytes(content)
            try:
                shape = store.load("a").clean_right.shape
            except InputError as fault:
                assert {problem.source for problem in fault.problems} == {str(path)}  # noqa: PT017 - or it is read
            else:
                assert shape == row.clean_right.shape
        path.write_bytes(whole)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: "text", "got a str"),
        (lambda values: [values], "got a list"),
        (lambda values: {**values, "facts": "text"}, "facts is no dict"),
        (lambda values: {**values, "seed": None, "token_error": "0"}, "seed is no int, token_error is no float"),
        (lambda values: {**values, "colour": 1}, "has unknown colour"),
        (lambda values: {k: v for k, v in values.items() if k not in ("found", "kind")}, "lacks found, kind"),
        (lambda values: {**values, "encode_s": [0.1]}, "its arrays have the shapes"),
    ],
)
def test_a_json_file_that_is_no_row_is_named(row, tmp_path, change, message):
    store = RowStore(tmp_path)
    store.save("a", row)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(InputError, match=f"{message}.*remove it, and the row is measured again"):
        store.load("a")


def test_all_damaged_rows_are_named_together(row, tmp_path):
    store = RowStore(tmp_path)
    for key in ("a", "b", "c"):
        store.save(key, row)
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "c.npz").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        store.load_all()
    assert [problem.source for problem in caught.value.problems] == [str(tmp_path / "a.json"), str(tmp_path / "c.npz")]


@pytest.mark.parametrize("name", ["done", "first.npy", "pooled.npy"])
@pytest.mark.parametrize("content", [b"", b"999", None])
def test_an_interrupted_clean_run_with_damaged_files_begins_again(experiment, world, tmp_path, name, content):
    folder = image_folder(world["one"])
    whole = experiment.clean(world["one"])

    def stop(_name, done, _total):
        if done >= 20:
            raise KeyboardInterrupt

    again = {"precision": "fp32", "batch_size": 10}
    with pytest.raises(KeyboardInterrupt):
        run_clean(experiment.parts, (1, 3), folder, tmp_path, report=stop, **again)
    (path,) = tmp_path.glob(f"clean-*/{name}")
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    notes = []
    found = run_clean(experiment.parts, (1, 3), folder, tmp_path, note=lambda *words: notes.append(words), **again)
    np.testing.assert_allclose(np.array(found.first), np.array(whole.first), atol=1e-5)
    assert [label for label, _ in notes] == ([] if (name, content) == ("done", None) else ["computed again"])
    assert not notes or str(path) in notes[0][1]


def test_a_probe_of_other_classes_is_fitted_again(experiment, world):
    clean = experiment.clean(world["two"])
    first = CrossValidatedProbe(clean, 5)
    path = clean.folder / f"probe-{len(clean)}-5-5-0.npz"
    with np.load(path) as kept:
        fields = dict(kept)
    np.savez(path, **{**fields, "bias": fields["bias"][:2], "weight": fields["weight"][:2]})
    notes = []
    again = CrossValidatedProbe(clean, 5, note=lambda *words: notes.append(words))
    assert len(notes) == 1
    assert str(path) in notes[0][1]
    np.testing.assert_array_equal(first.probes[0].weight, again.probes[0].weight)
