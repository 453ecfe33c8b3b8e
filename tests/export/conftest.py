import pytest

from orbitsim.loading import load_scenario
from orbitsim.pipeline.run import run_scenario, save_run


@pytest.fixture(scope="session")
def quick():
    return load_scenario("quick", settings=["clock.duration_s=3600"])


@pytest.fixture(scope="session")
def run_folder(quick, tmp_path_factory):
    """A run; its tests leave it as it is."""
    return save_run(run_scenario(quick), tmp_path_factory.mktemp("runs") / "quick", command=["test"])
