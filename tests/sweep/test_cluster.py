"""Sweeps on a real Dask cluster: a scheduler and workers on loopback, one of which is killed on the way."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sweep import tiny

from orbitsim.sweep import read_sweep, run_sweep

pytest.importorskip("distributed", reason="needs the extra sweep")

QUIET = ["--no-dashboard"]
WORKER = "from distributed.cli.dask_worker import main; main()"


@contextmanager
def ended(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that is killed at the end."""
    command = [sys.executable, *map(str, arguments)]
    process = subprocess.Popen(
        command, env=tiny.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tiny.TESTS
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def scheduler() -> Iterator[str]:
    """Start a scheduler and return its address once it listens."""
    port = free_port()
    with ended("-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, *QUIET) as process:
        address = ("127.0.0.1", port)

        def listens() -> bool:
            assert process.poll() is None, "the scheduler ended"
            with socket.socket() as probe:
                return probe.connect_ex(address) == 0

        tiny.wait_until(listens)
        yield f"tcp://127.0.0.1:{port}"


def worker(address: str, folder: Path, before: str = "") -> object:
    """Start a worker with one thread, and code that is run in it first."""
    options = ["--no-nanny", "--nthreads", 1, "--local-directory", folder, *QUIET]
    return ended("-c", f"{before}{WORKER}", address, *options)


@pytest.mark.slow
def test_a_killed_worker_loses_and_doubles_nothing(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(10, "sweep.cell_planners:slow"))
    out = tmp_path / "out"
    with ExitStack() as stack:
        address = stack.enter_context(scheduler())
        one, _two = (stack.enter_context(worker(address, tmp_path / name)) for name in "ab")
        process = stack.enter_context(tiny.start("sweep", sweep, "--out", out, "--scheduler", address))
        tiny.wait_until(lambda: tiny.n_parts(out) >= 2)
        assert tiny.n_parts(out) < 9
        one.kill()
        _, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tiny.TESTS)
        alone = run_sweep(sweep, tmp_path / "alone", workers=1).folder
    assert (out / "results.parquet").read_bytes() == (alone / "results.parquet").read_bytes()
    assert read_sweep(out).times["key"].is_unique
    assert tiny.n_parts(out) == 10


@pytest.mark.slow
def test_a_cell_that_kills_its_workers_is_an_error(tmp_path: Path) -> None:
    text = 'name = "t"\nbase = "tiny.toml"\n[grid]\nplanner.kind = ["sweep.cell_planners:fatal", "optimal"]\n'
    sweep = tiny.written(tmp_path, text)
    with ExitStack() as stack:
        address = stack.enter_context(scheduler())
        # A nanny starts a worker again that dies, as on a real cluster.
        command = ["-m", "distributed.cli.dask_worker", address, "--nthreads", 1, "--local-directory", tmp_path / "w"]
        stack.enter_context(ended(*command, *QUIET))
        code, _, err = tiny.run("sweep", sweep, "--out", tmp_path / "out", "--scheduler", address)
    assert code == 0, err
    frame = read_sweep(tmp_path / "out").frame
    assert list(frame["status"]) == ["error", "error", "ok", "ok"]
    assert frame["error"][0].startswith("the workers that ran it died")


def test_a_scheduler_that_is_lost_is_one_message(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path, tiny.grid_of(12, "sweep.cell_planners:slow"))
    out = tmp_path / "out"
    with ExitStack() as stack:
        cluster = ExitStack()
        address = cluster.enter_context(scheduler())
        stack.enter_context(worker(address, tmp_path / "a"))
        process = stack.enter_context(tiny.start("sweep", sweep, "--out", out, "--scheduler", address))
        tiny.wait_until(lambda: tiny.n_parts(out) >= 1)
        cluster.close()
        _, err = process.communicate(timeout=200)
    assert process.returncode == 1, err
    lines = [line for line in err.splitlines() if not line.startswith(("sweep: ", "scheduler: "))]
    assert lines == [f"error: {address}: the scheduler was lost; --resume goes on where it stopped"]
    assert 1 <= tiny.n_parts(out) < 12


def test_an_unreachable_scheduler_is_one_message(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path)
    address = f"tcp://127.0.0.1:{free_port()}"
    script = f"import orbitsim.sweep.cluster as c; c.CONNECT_S = 1.0; {tiny.COMMAND}"
    command = [sys.executable, "-c", script, "sweep", sweep, "--out", tmp_path / "out", "--scheduler"]
    for given, words in (
        (address, r"the scheduler cannot be reached within 1 s: .*"),
        ("nonsense://x", "expected the address of a scheduler, such as tcp://10.0.0.1:8786"),
    ):
        done = subprocess.run([*map(str, command), given, "--resume"], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        status = f"scheduler: connecting to {re.escape(given)}"
        assert re.fullmatch(rf"{status}\nerror: {re.escape(given)}: --scheduler: {words}\n", done.stderr), done.stderr


@pytest.mark.slow
def test_a_scheduler_without_workers_and_one_with_wrong_ones(tmp_path: Path) -> None:
    sweep = tiny.written(tmp_path)
    with ExitStack() as stack:
        address = stack.enter_context(scheduler())
        script = f"import orbitsim.sweep.cluster as c; c.CONNECT_S = 4.0; {tiny.COMMAND}"
        command = [sys.executable, "-c", script, "sweep", sweep, "--out", tmp_path / "out", "--scheduler", address]

        def said() -> str:
            done = subprocess.run([*map(str, command), "--resume"], capture_output=True, text=True, check=False)
            assert done.returncode == 2, done.stderr
            return done.stderr.partition("\n")[2]  # behind the line that says to whom it connects

        assert said() == f"error: {address}: --scheduler: the scheduler has no worker within 4 s\n"
        old = "import orbitsim; orbitsim.__version__ = '0.0.9'\n"
        with worker(address, tmp_path / "a", old):
            tiny.wait_until(lambda: "expected orbitsim" in said())
            assert re.fullmatch(
                r"error: .*: expected orbitsim \S+ on every worker, but \S+ has orbitsim 0\.0\.9\n", said()
            )
        with worker(address, tmp_path / "b", "import sys; sys.modules['orbitsim'] = None\n"):
            tiny.wait_until(lambda: "none that can be imported" in said())


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    script = f"import sys; sys.modules['distributed'] = None; {tiny.COMMAND}"
    command = [sys.executable, "-c", script, "sweep", tiny.written(tmp_path), "--out", tmp_path / "out"]
    command += ["--scheduler", "tcp://127.0.0.1:1"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "needs the package distributed (pip install 'orbitsim[sweep]')" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 2  # the first says to whom it connects
