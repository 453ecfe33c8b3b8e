"""What several tests of the command line share: a call of it in this process, and a tiny model with images."""

import pytest

from orbitsim.cli.app import run_app


@pytest.fixture
def orbitsim(monkeypatch, capsys):
    """Return a function that runs `orbitsim` with some words and returns exit code, stdout and stderr."""

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["orbitsim", *map(str, arguments)])
        code = run_app()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return a tiny model, two folders of coloured images and a cache; for tests that need the neural extra."""
    from neural.evaluation import tiny

    root = tmp_path_factory.mktemp("codec")
    one, two = (tiny.write_images(root / name, seed) for name, seed in (("one", 1), ("two", 2)))
    return {"model": tiny.write_model(root), "one": one, "two": two, "cache": str(root / "cache")}
