"""Only seeds of one measurement are averaged; what merely bears the same name is kept apart or refused."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from neural.evaluation import tiny

from orbitsim.errors import InputError
from orbitsim.neural.codecs import make_codec, save_codec
from orbitsim.neural.evaluation.calibration import sweep_methods, table_data
from orbitsim.neural.evaluation.experiment import RowSpec
from orbitsim.neural.evaluation.methods import Method
from orbitsim.neural.evaluation.row import RowStore
from orbitsim.neural.evaluation.row_groups import row_groups
from orbitsim.neural.evaluation.table import cross_specs, cut_records, measure_rows, summarise
from orbitsim.neural.evaluation.table_record import table_record
from orbitsim.neural.evaluation.trained import TrainedCodecs, named_apart
from orbitsim.neural.training.artefacts import codec_file

FOUR = Method("uniform", settings={"bits": 4})


@pytest.fixture(scope="module")
def row(experiment, world):
    return experiment.run(RowSpec(world["one"], FOUR, 1, world["two"]))


def trained_in(folder, name, bits=5):
    folder.mkdir(parents=True)
    for cut in (1, 3):
        save_codec(make_codec("uniform", bits=bits).eval(), codec_file(folder, cut), {"cut": cut})
    return TrainedCodecs(str(folder), name)


@pytest.mark.parametrize(
    "other",
    [
        {"data_key": "of other images in a folder of the same name"},
        {"data": "folder uno (3 classes, 45 images)"},
        {"method": "uniform-bits-5"},
        {"kind": "trained"},
        {"calibration": None},
        {"calibration_key": "of other images in a folder of the same name"},
        {"facts": {"model": "another", "cuts": [1, 3]}},
        {"n_seen": 45},
    ],
)
def test_rows_that_rest_on_something_else_are_no_seeds(row, other):
    rows = [row, replace(row, **other), replace(row, seed=2), replace(row, seed=2, **other)]
    assert [[r.seed for r in group] for group in row_groups(rows)] == [[1, 2], [1, 2]]
    assert [r["n_seeds"] for r in summarise(rows)] == [2, 2]
    assert [r["seeds"] for r in table_record(rows, "")["rows"]] == [[1, 2], [1, 2]]
    cuts = cut_records(rows)
    assert [r["cut"] for r in cuts] == [1, 3, 1, 3]


def test_cuts_of_a_method_are_not_averaged_with_those_of_codecs_that_bear_its_name(row):
    half = replace(row, kind="trained", coded_bytes=row.coded_bytes // 2)
    plain, _, trained, _ = cut_records([row, half])
    assert trained["coded"] == pytest.approx(2.0 * plain["coded"], rel=0.01)
    assert plain["coded"] == cut_records([row])[0]["coded"]
    assert (plain["kind"], trained["kind"]) == ("uniform", "trained")


def test_seeds_of_a_training_with_other_numbers_of_images_are_one_method(row):
    rows = [replace(row, kind="trained", seed=seed, calibration=f"{seed} images") for seed in (1, 2)]
    assert len(row_groups(rows)) == 1


def test_a_seed_counts_once(row):
    for make in (summarise, cut_records, lambda rows: table_record(rows, "")):
        with pytest.raises(InputError, match=r"expected each seed once, got \[1, 1\] of uniform-bits-4 on the folder"):
            make([row, row])


def refused(experiment, specs, tmp_path):
    """Return the faults of specifications, of which none was measured."""
    with pytest.raises(InputError) as caught:
        measure_rows(experiment, specs, RowStore(tmp_path / "rows"))
    assert not (tmp_path / "rows").exists()
    return [str(problem) for problem in caught.value.problems]


def test_repeated_methods_are_refused_by_their_target(experiment, world, tmp_path):
    def faults(*methods):
        return refused(experiment, cross_specs([world["one"], world["two"]], methods, [1, 2]), tmp_path)

    assert faults(Method("uniform", ratio=6.0), Method("uniform", ratio=6.0000001)) == [
        "ratio: expected each method once, got uniform-6x twice"
    ]
    assert faults(FOUR, FOUR) == ["methods: expected each method once, got uniform-bits-4 twice"]
    assert faults(*[Method("uniform", error=0.1)] * 2)[0].startswith("error: ")
    assert faults(*[Method("uniform", ratio=6.0, only_cut=1)] * 2)[0].startswith("cut_ratio: ")
    one, two = trained_in(tmp_path / "a", "x"), trained_in(tmp_path / "b", "x")
    named = trained_in(tmp_path / "c", FOUR.label)
    assert faults(one, two, FOUR, named) == [
        f"trained: expected each name once, 'x' is twice that of {one.folder} and {two.folder}",
        "trained: expected another name than that of the method uniform-bits-4",
    ]


def test_methods_on_other_calibration_images_of_the_same_name_are_not_repeated(experiment, world, tmp_path):
    others = [tiny.write_images(tmp_path / name / "others", seed) for name, seed in (("a", 5), ("b", 6))]
    specs = [RowSpec(world["one"], FOUR, 1, folder) for folder in others]
    rows = measure_rows(experiment, specs, RowStore(tmp_path / "rows"))
    assert [r["n_seeds"] for r in summarise(rows)] == [1, 1]
    copy = RowSpec(world["one"], FOUR, 1, str(shutil.copytree(others[0], tmp_path / "c" / "others")))
    assert len(refused(experiment, [specs[0], copy], tmp_path / "new")) == 1


def test_data_that_would_have_one_name_or_are_one_are_refused(experiment, world, tmp_path):
    one, two = (tiny.write_images(tmp_path / name / "images", seed) for name, seed in (("a", 3), ("b", 4)))
    (fault,) = refused(experiment, cross_specs([one, two], [FOUR], [1]), tmp_path)
    name = "'folder images (3 classes, 45 images)'"
    assert fault == f"data: {one} and {two} would both be the {name} in tables; rename one of the folders"
    copy = str(shutil.copytree(world["one"], tmp_path / "copy"))
    (fault,) = refused(experiment, cross_specs([world["one"], copy], [FOUR], [1]), tmp_path)
    assert fault == f"data: expected each image once, {world['one']} and {copy} hold the same images"
    with pytest.raises(InputError, match=f"expected each folder once, got {one} again"):
        cross_specs([one, two, one], [FOUR], [1])


def test_calibration_pools_images_by_what_they_are(row):
    """Of two folders of the same name and size every image counts; of one folder an image is averaged over seeds."""
    sweep = sweep_methods("uniform", [4.0, 8.0], [], 2, {})
    right, wrong = row.clean_right | True, row.clean_right & False

    def made(method, key, seed, found):
        return replace(row, method=method.label, data_key=key, seed=seed, clean_right=right, coded_right=found)

    rows = [made(m, key, seed, found) for m in sweep for key, found in (("a", right), ("b", wrong)) for seed in (1, 2)]
    table = table_data("toy", "a toy", rows, sweep, command="")
    assert table["provenance"]["n_images"] == 2 * len(right)
    assert table["provenance"]["data_keys"] == ["a", "b"]
    assert table["together"]["loss"][0] == pytest.approx(0.5)
    # Every image of one folder is lost and none of the other: a band of 90 images, not of 45 that are all half lost.
    assert table["together"]["loss_low"][0] < 0.45 < 0.55 < table["together"]["loss_high"][0]


def test_codecs_of_folders_of_one_name_are_named_with_the_folders_above(tmp_path):
    folders = [str(tmp_path / place) for place in ("p/run", "q/run", "r/s/run", "t/s/run", "other")]
    assert [codecs.label for codecs in named_apart(folders[:2])] == ["p/run", "q/run"]
    assert [codecs.label for codecs in named_apart(folders[2:])] == ["r/s/run", "t/s/run", "other"]
    assert named_apart(folders[:1]) == [TrainedCodecs(folders[0])]
    with pytest.raises(InputError, match="trained: expected each folder once"):
        named_apart([folders[0], str(Path(folders[0]) / ".." / "run")])
