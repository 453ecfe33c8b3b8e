import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")

from neural.evaluation import tiny


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A tiny model and two folders of images."""
    root = tmp_path_factory.mktemp("tiny")
    return {
        "model": tiny.write_model(root),
        "one": tiny.write_images(root / "one", 1),
        "two": tiny.write_images(root / "two", 2),
    }


@pytest.fixture(scope="session")
def experiment(world, tmp_path_factory):
    from orbitsim.neural.evaluation.backbone import evaluation_model
    from orbitsim.neural.evaluation.experiment import Experiment

    return Experiment(
        evaluation_model(world["model"]),
        [1, 3],
        tmp_path_factory.mktemp("cache"),
        precision="fp32",
        batch_size=16,
        n_fitted=30,
        n_gradients=10,
    )
