"""Class folders: what is listed, how it is split, what augmentation may change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from orbitsim.errors import InputError
from orbitsim.neural.images import (
    augmented,
    decode_images,
    image_folder,
    normalised,
    stratified_folds,
    stratified_split,
)

SIZE_PX = 16


@pytest.fixture
def folder(tmp_path):
    generator = np.random.default_rng(0)
    for name, n in (("beach", 3), ("forest", 4)):
        (tmp_path / name).mkdir()
        for index in range(n):
            pixels = generator.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{name}_{index}.png")
    (tmp_path / "SOURCES.md").write_text("not a class")
    return tmp_path


def test_classes_are_the_sub_folders(folder):
    found = image_folder(folder)
    assert found.classes == ("beach", "forest")
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert [file.parent.name for file in found.files] == ["beach"] * 3 + ["forest"] * 4
    assert len(image_folder(folder, per_class=2)) == 4


def test_faults_of_a_folder_are_named_together(folder):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty.*expected at least one image"):
        image_folder(folder)
    with pytest.raises(InputError, match="one sub-folder of images per class"):
        image_folder(folder / "none")


def test_an_image_that_cannot_be_decoded_is_named(folder):
    broken = folder / "forest" / "forest_9.png"
    broken.write_bytes((folder / "forest" / "forest_0.png").read_bytes()[:100])
    with pytest.raises(InputError, match=r"forest_9\.png"):
        decode_images(image_folder(folder).files, SIZE_PX)


def test_decoding_takes_the_centre_square(tmp_path):
    pixels = np.zeros((10, 30, 3), dtype=np.uint8)
    pixels[:, 10:20] = 200  # the centre square of a wide image
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert (decode_images([tmp_path / "wide.png"], 10) == 200).all()


def test_normalisation_undoes_to_the_pixels(folder):
    images = decode_images(image_folder(folder).files, SIZE_PX)
    tensor = normalised(images).permute(0, 2, 3, 1).numpy()
    restored = (tensor * np.array([0.229, 0.224, 0.225]) + np.array([0.485, 0.456, 0.406])) * 255
    assert np.abs(restored - images).max() < 1e-3


labels_of = st.lists(st.integers(2, 9), min_size=2, max_size=6).map(lambda n: np.repeat(np.arange(len(n)), n))


@given(labels=labels_of, n_folds=st.integers(2, 6), seed=st.integers(0, 99))
def test_folds_share_every_class_evenly(labels, n_folds, seed):
    fold = stratified_folds(labels, n_folds, seed)
    assert np.array_equal(fold, stratified_folds(labels, n_folds, seed))
    for label in np.unique(labels):
        counts = np.bincount(fold[labels == label], minlength=n_folds)
        assert counts.max() - counts.min() <= 1
    sizes = np.bincount(fold, minlength=n_folds)
    assert sizes.max() - sizes.min() <= 1


@given(labels=labels_of, held_out=st.floats(0.05, 0.95), seed=st.integers(0, 99))
def test_a_split_takes_every_image_once_and_every_class_on_both_sides(labels, held_out, seed):
    train, test = stratified_split(labels, held_out, seed)
    assert sorted([*train, *test]) == list(range(len(labels)))
    assert set(labels[train]) == set(labels[test]) == set(labels)


def test_augmentation_keeps_pixels_and_repeats_with_its_seed():
    images = np.random.default_rng(1).integers(0, 256, (6, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    once = augmented(images, np.random.default_rng(5))
    assert np.array_equal(once, augmented(images, np.random.default_rng(5)))
    assert not np.array_equal(once, images)
    still = augmented(images, np.random.default_rng(5), pad_share=0.0)  # symmetries only: the same pixels elsewhere
    assert all(np.array_equal(np.sort(a, axis=None), np.sort(b, axis=None)) for a, b in zip(still, images, strict=True))
