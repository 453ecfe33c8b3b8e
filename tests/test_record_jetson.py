"""The recorder for boards: its Python, its model, its clock arithmetic, its sensors, its frames and its processes."""

from __future__ import annotations

import ast
import json
import math
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from recorder_module import PATH, TINY, Program, load, worker
from scipy import stats

from orbitsim.catalog import shipped_catalogue
from orbitsim.pipeline.split_replay import replay_split
from orbitsim.workload.importers.registry import open_source, read_source
from orbitsim.workload.split_run import read_split_run

torch = pytest.importorskip("torch")
TREE = ast.parse(PATH.read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.fixture(scope="module")
def recorder() -> ModuleType:
    module = load()
    module.torch = torch
    return module


# -- Python 3.8 ------------------------------------------------------------------------------------------------------

NEWER = {
    "removeprefix", "removesuffix", "pairwise", "batched", "UTC", "zoneinfo", "tomllib", "cache", "lcm", "nextafter",
    "ulp", "to_thread", "is_relative_to", "readlink", "hardlink_to", "with_stem", "bit_count", "TaskGroup", "chdir",
    "graphlib", "StrEnum", "ExceptionGroup", "add_note", "randbytes", "EnumType", "override", "Self", "sumprod", "cbrt",
    "exp2", "correlation", "covariance", "linear_regression", "aclosing", "nullcontext_async", "walk_packages_async",
}  # fmt: skip


def annotations(tree: ast.AST) -> set[int]:
    """Return the nodes inside annotations, which are never evaluated under `from __future__ import annotations`."""
    found: set[int] = set()
    for node in ast.walk(tree):
        spots = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        for spot in spots:
            if isinstance(spot, ast.AST):
                found.update(id(inner) for inner in ast.walk(spot))
    return found


def test_nothing_newer_than_python_38_is_used() -> None:
    inside = annotations(TREE)
    generics = {"list", "dict", "tuple", "set", "frozenset", "type", "Callable", "Iterator", "Sequence", "Queue"}
    for node in ast.walk(TREE):
        name = getattr(node, "attr", None) or getattr(node, "id", None)
        assert name not in NEWER, f"line {node.lineno}: {name}"
        if id(node) in inside:
            continue
        if isinstance(node, ast.Subscript):
            base = getattr(node.value, "attr", None) or getattr(node.value, "id", None)
            assert base not in generics, f"line {node.lineno}: {base}[...] is evaluated"
        if isinstance(node, ast.Call):
            words = {keyword.arg for keyword in node.keywords}
            assert not ({"strict", "slots", "kw_only", "encoding_errors", "delete_on_close"} & words), node.lineno
        is_union = isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
        assert not is_union, f"line {getattr(node, 'lineno', 0)}: | of types or dicts"


def test_it_needs_only_torch_and_the_standard_library() -> None:
    modules: set[str] = set()
    for node in ast.walk(TREE):
        if isinstance(node, ast.Import):
            modules.update(alias.name.split(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])
    assert modules - set(sys.stdlib_module_names) == {"torch"}
    assert "pickle" not in modules
    source = PATH.read_text(encoding="utf-8")
    assert ".numpy(" not in source
    assert "torch.load" not in source


def test_a_python_38_at_hand_runs_it(tmp_path: Path) -> None:
    candidates = [shutil.which("python3.8"), *sorted(Path.home().glob(".pyenv/versions/3.8*/bin/python3.8"))]
    for candidate in candidates:
        if candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            done = subprocess.run([candidate, str(PATH), "--help"], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "--pipeline" in done.stdout
            return
    pytest.skip("no Python 3.8 here")


def test_help_has_examples() -> None:
    done = subprocess.run([sys.executable, str(PATH), "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for words in ("--serve 5001", "orbitsim trace replay", "orbitsim trace import"):
        assert words in done.stdout


# -- the model -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vit-b", "vit-l", "vit-h", "vit-g"])
def test_models_are_those_of_the_catalogue(recorder: ModuleType, name: str) -> None:
    shape = recorder.SHAPES[name]
    entry = shipped_catalogue().model(name)
    for field in shape._fields[1:]:
        assert getattr(shape, field) == getattr(entry.architecture, field), field
    assert entry.published_parameters is not None
    assert entry.published_flop is not None
    parts = range(shape.n_parts)
    assert sum(map(shape.n_parameters, parts)) == pytest.approx(entry.published_parameters.value, rel=0.003)
    assert sum(shape.flop(part, 1) for part in parts) == pytest.approx(entry.published_flop.value, rel=0.01)


@pytest.fixture(scope="module")
def tiny(recorder: ModuleType) -> Any:
    return recorder.Shape("custom", 32, 64, 2, 4, 16, 32, 10)


def test_parts_have_the_parameters_that_the_formula_counts(recorder: ModuleType, tiny: Any) -> None:
    target = recorder.Target("cpu", "fp32", "plain")
    for part in range(tiny.n_parts):
        assert recorder.Part(tiny, part, target).n_bytes == 4 * tiny.n_parameters(part)


@pytest.mark.parametrize("attention", ["plain", "sdpa"])
def test_a_block_is_torchs_own_pre_norm_encoder_layer(recorder: ModuleType, tiny: Any, attention: str) -> None:
    block = recorder.Part(tiny, 2, recorder.Target("cpu", "fp32", attention))
    layer = torch.nn.TransformerEncoderLayer(
        32, 2, 64, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True, norm_first=True
    ).eval()
    w = block.w
    pairs = {
        "self_attn.in_proj_weight": "qkv", "self_attn.in_proj_bias": "qkv_bias", "self_attn.out_proj.weight": "project",
        "self_attn.out_proj.bias": "project_bias", "linear1.weight": "expand", "linear1.bias": "expand_bias",
        "linear2.weight": "contract", "linear2.bias": "contract_bias", "norm1.weight": "scale_1",
        "norm1.bias": "shift_1", "norm2.weight": "scale_2", "norm2.bias": "shift_2",
    }  # fmt: skip
    layer.load_state_dict({theirs: w[ours] for theirs, ours in pairs.items()})
    x = recorder.random_input(tiny, 2, 3, block.target)
    with torch.no_grad():
        torch.testing.assert_close(block(x), layer(x), rtol=1e-5, atol=1e-6)


def test_every_cut_of_a_model_computes_the_same(recorder: ModuleType, tiny: Any) -> None:
    target = recorder.Target("cpu", "fp32", "plain")
    results = []
    for cuts in ([2], [0], [4], [1, 2, 3]):
        stages = [recorder.Stage(tiny, parts, 2, target) for parts in recorder.stage_parts(tiny, cuts)]
        assert sum(len(stage.parts) for stage in stages) == tiny.n_parts
        payload = stages[0].example
        for stage in stages:
            payload = stage.run(payload)
        results.append(np.frombuffer(bytes(payload), dtype=np.float32))
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-5)


# -- arithmetic of times ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 10, 30, 200])
def test_the_confidence_interval_is_students(recorder: ModuleType, n: int) -> None:
    samples = np.random.default_rng(n).gamma(9.0, 1.0, n)
    expected = stats.t.ppf(0.975, n - 1) * samples.std(ddof=1) / math.sqrt(n) / samples.mean()
    assert recorder.relative_halfwidth(samples.tolist()) == pytest.approx(expected, rel=0.003)


def test_few_or_scattered_samples_are_not_precise_enough(recorder: ModuleType) -> None:
    assert recorder.relative_halfwidth([1.0, 1.0]) == math.inf
    steady = [[1.0, 2.0, 0.001]] * 10
    assert recorder.precise_enough(steady, 0.01)
    assert not recorder.precise_enough([[1.0 + (i % 2), 2.0, 0.001] for i in range(10)], 0.01)
    # A part of 0.03 % of the pass is held to the precision of a twentieth of it, not to its own.
    assert recorder.precise_enough([[1.0, 2.0, 0.001 * (1 + i % 2)] for i in range(10)], 0.01)


# -- sensors ---------------------------------------------------------------------------------------------------------


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


def test_rails_and_sensors_of_jetpack_5_and_6(recorder: ModuleType, tmp_path: Path) -> None:
    chip = "sys/bus/i2c/devices/1-0040"
    put(
        tmp_path,
        {
            f"{chip}/name": "ina3221",
            **{
                f"{chip}/hwmon/hwmon3/in{i}_label": name
                for i, name in enumerate(("VDD_GPU_SOC", "VDD_CPU_CV", "NC"), 1)
            },
            f"{chip}/hwmon/hwmon3/in7_label": "sum of shunt voltages",
            **{f"{chip}/hwmon/hwmon3/in{i}_input": "5000" for i in (1, 2, 3)},
            f"{chip}/hwmon/hwmon3/curr1_input": "2400",
            f"{chip}/hwmon/hwmon3/curr2_input": "600",
            "sys/bus/i2c/devices/1-0041/name": "ina3221",
            "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/in1_label": "VIN_SYS_5V0",
            "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/in1_input": "5000",
            "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/curr1_input": "1000",
            "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/in2_label": "VDDQ_VDD2_1V8AO",
            "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/in2_input": "5000",
            "sys/bus/i2c/devices/1-0041/hwmon/hwmon4/curr2_input": "300",
            "sys/bus/i2c/devices/1-0050/name": "24c02",
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
            "sys/class/thermal/thermal_zone0/temp": "45000",
            "sys/class/thermal/thermal_zone1/type": "cv0-thermal",
            "sys/class/thermal/thermal_zone1/temp": "-256000",
            "sys/class/devfreq/17000000.gpu/cur_freq": "612000000",
            "sys/class/devfreq/17000000.gpu/device/of_node/name": "gpu\x00",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1728000",
            "sys/class/hwmon/hwmon2/oc1_event_cnt": "2",
            "sys/class/hwmon/hwmon2/oc3_event_cnt": "5",
        },
    )
    monitor = recorder.Monitor(0.1, root=str(tmp_path))
    monitor.sample()
    (tmp_path / "sys/class/hwmon/hwmon2/oc3_event_cnt").write_text("6\n")
    telemetry = monitor.telemetry()
    assert telemetry["power_w"] == {
        "VDD_GPU_SOC": [12.0], "VDD_CPU_CV": [3.0], "VIN_SYS_5V0": [5.0], "VDDQ_VDD2_1V8AO": [1.5],
    }  # fmt: skip
    assert monitor.total_rails() == ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"]
    assert telemetry["temperature_k"] == {"cpu-thermal": [318.15], "cv0-thermal": [None]}
    assert telemetry["clock_hz"] == {"gpu": [612e6], "cpu0": [1.728e9]}
    assert telemetry["throttle_events"] == 1
    assert monitor.mean_power(-math.inf, math.inf) is None  # one sample is no mean
    for _ in range(4):
        monitor.sample()
    power = monitor.mean_power(-math.inf, math.inf)
    assert power["mean_w"] == pytest.approx(20.0)
    assert power["n_samples"] == 5


def test_rails_of_jetpack_4(recorder: ModuleType, tmp_path: Path) -> None:
    device = "sys/bus/i2c/devices/6-0040"
    put(
        tmp_path,
        {
            f"{device}/name": "ina3221x",
            f"{device}/iio:device0/rail_name_0": "POM_5V_IN",
            f"{device}/iio:device0/rail_name_1": "POM_5V_GPU",
            f"{device}/iio:device0/rail_name_2": "POM_5V_CPU",
            f"{device}/iio:device0/in_power0_input": "4120",
            f"{device}/iio:device0/in_power1_input": "1500",
            f"{device}/iio:device0/in_power2_input": "asleep",
            "sys/class/devfreq/57000000.gpu/cur_freq": "921600000",
        },
    )
    monitor = recorder.Monitor(0.1, root=str(tmp_path))
    monitor.sample()
    telemetry = monitor.telemetry()
    assert telemetry["power_w"] == {"POM_5V_IN": [4.12], "POM_5V_GPU": [1.5], "POM_5V_CPU": [None]}
    assert monitor.total_rails() == ["POM_5V_IN"]
    assert telemetry["clock_hz"] == {"gpu": [921.6e6]}
    assert telemetry["throttle_events"] is None


@pytest.mark.parametrize(
    ("text", "name", "number"),
    [
        ("NV Power Mode: MODE_30W\n2\n", "30W", 2),
        ("NVPM WARN: fan mode is not set!\nNV Power Mode: MAXN\n0\n", "MAXN", 0),
        ("NV Power Mode: 15W_2CORE\n", "15W_2CORE", None),
    ],
)
def test_power_modes_as_nvpmodel_states_them(recorder: ModuleType, text: str, name: str, number: int | None) -> None:
    mode = recorder.parse_power_mode(text)
    assert (mode["name"], mode["id"]) == (name, number)
    assert recorder.parse_power_mode("command not found") is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ({"board": "NVIDIA Jetson AGX Orin Developer Kit"}, "jetson-agx-orin"),
        ({"board": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"}, None),
        ({"gpu": "NVIDIA GeForce RTX 4090"}, "rtx-4090"),
        ({"processor": "Intel(R) Xeon(R) Processor"}, "cpu-intel-xeon"),
    ],
)
def test_devices_are_named_as_the_catalogue_does(recorder: ModuleType, host: dict[str, str], name: str | None) -> None:
    found = recorder.device_name({"board": None, "gpu": None, "processor": "", **host})
    assert found == (name or found)
    assert found == found.lower().strip("-")


# -- frames ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def wires(recorder: ModuleType) -> Any:
    a, b = socket.socketpair()
    pair = recorder.Wire(TcpLike(a), "left"), recorder.Wire(TcpLike(b), "right")
    yield pair
    for wire in pair:
        wire.close()


class TcpLike:
    """A socket pair that takes TCP's options as TCP does."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def setsockopt(self, *_arguments: object) -> None:
        return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def test_frames_arrive_as_they_were_sent(wires: Any) -> None:
    left, right = wires
    payload = bytes(range(256)) * 100
    threading.Thread(target=left.send, args=("batch", payload), kwargs={"batch": 7}).start()
    fields, received, _ = right.receive()
    assert fields == {"kind": "batch", "batch": 7}
    assert bytes(received) == payload


@pytest.mark.parametrize("position", [0, 3, 5, 12, 19, 24, 60, 80])
def test_a_damaged_frame_is_refused(recorder: ModuleType, wires: Any, position: int) -> None:
    left, right = wires
    frames: list[bytes] = []
    plain = left.sock
    left.sock = type("Tap", (), {"sendall": staticmethod(lambda data: frames.append(bytes(data)))})()
    left.send("batch", b"x" * 40, batch=1)
    left.sock = plain
    frame = bytearray(b"".join(frames))
    frame[position] ^= 0x10
    left.sock.sendall(bytes(frame))
    left.sock.shutdown(socket.SHUT_WR)
    with pytest.raises(recorder.Failure, match=r"damaged|other bytes|closed the connection"):
        right.receive()


def test_a_connection_that_ends_in_a_frame_is_a_failure(recorder: ModuleType, wires: Any) -> None:
    left, right = wires
    left.sock.sendall(recorder.FRAME.pack(recorder.MAGIC, 10, 0, 0))
    left.close()
    with pytest.raises(recorder.Failure, match="right closed the connection"):
        right.receive()


def test_a_paced_sender_is_not_faster_than_its_link(recorder: ModuleType, wires: Any) -> None:
    left, right = wires
    left.pacer = recorder.Pacer(4e6)
    reader = threading.Thread(target=lambda: [right.receive() for _ in range(2)])
    reader.start()
    begin = recorder.clock()
    n_bytes = left.send("batch", bytes(20_000)) + left.send("batch", bytes(20_000))
    assert recorder.clock() - begin >= 8 * n_bytes / 4e6  # the link's own law, on whatever machine
    reader.join(10)


@pytest.mark.parametrize("address", ["host", "host:", ":5001", "host:99999", "host:x"])
def test_addresses_are_checked(recorder: ModuleType, address: str) -> None:
    with pytest.raises(recorder.Failure, match="HOST:PORT"):
        recorder.split_address(address)


# -- processes -------------------------------------------------------------------------------------------------------

SHORT = [
    *TINY, "--device", "cpu", "--threads", "1", "--batches", "8", "--batch-size", "4", "--isolated-s", "0.2",
    "--warm-up", "1",
]  # fmt: skip


@pytest.fixture(scope="module")
def workers() -> Any:
    started = [worker(), worker()]
    yield started
    for program, _ in started:
        program.__exit__(None, None, None)


def test_one_board_is_recorded_and_imported(tmp_path: Path) -> None:
    out = tmp_path / "board.json"
    with Program(
        *TINY,
        "--device",
        "cpu",
        "--threads",
        1,
        "--batch-size",
        1,
        2,
        "--max-repeats",
        12,
        "--warm-up",
        1,
        "--out",
        out,
    ) as program:
        assert program.exit_code() == 0, program.messages
    assert [path.name for path in tmp_path.iterdir()] == ["board.json"]
    imported = read_source(open_source(out))
    assert imported.format == "recorder-json"
    assert [recording.batch_size for recording in imported.recordings] == [1, 2]
    for recording in imported.recordings:
        assert [part.name for part in recording.parts] == ["embedding", *(f"block {i}" for i in range(4)), "head"]
        assert recording.power_mode == "1-thread"
        assert recording.forward is not None
        assert all(10 <= (part.n_samples or 0) <= 12 for part in recording.parts)
        # Within a pass, a part begins where the one before it ends.
        ends = [(a.start_s or (0.0,))[0] + (a.samples_s or (0.0,))[0] for a in recording.parts]
        np.testing.assert_allclose([(p.start_s or (0.0,))[0] for p in recording.parts[1:]], ends[:-1], atol=2e-6)


def test_a_split_is_recorded_and_replayed(tmp_path: Path, workers: Any) -> None:
    digests = []
    for addresses, cuts in ((workers[:1], "2"), (workers, "1,3")):
        out = tmp_path / f"split-{len(addresses)}.json"
        hosts = ",".join(address for _, address in addresses)
        with Program("--pipeline", hosts, "--cuts", cuts, *SHORT, "--isolated", "both", "--out", out) as program:
            assert program.exit_code() == 0, program.messages
        run = read_split_run(out)
        assert (run.n_batches, len(run.stages), run.model) == (8, len(addresses) + 1, "custom")
        parts = [part for stage in run.stages for part in stage.parts]
        assert parts == ["embedding", "block 0", "block 1", "block 2", "block 3", "head"]
        for stage in run.stages:
            # All hosts are this machine and read one clock; NTP's estimate is off by half the round trip at most.
            assert abs(stage.clock_offset_s) <= stage.clock_error_s
            assert set(stage.isolated_s) == {"together", "alone"}
        # fp32: tokens of 4 images with 32 features, and headers; then 1000 scores for each.
        assert all(4 * 5 * 32 * 4 < n < 4 * 5 * 32 * 4 + 100 for n in run.stages[0].sent_bytes)
        assert all(4 * 1000 * 4 < n < 4 * 1000 * 4 + 100 for n in run.stages[-1].sent_bytes)
        assert all((run.delay_s > 0) & (run.delay_s <= run.makespan_s))
        replayed = replay_split(run, n_runs=3)
        in_order = replayed.comparisons[-1]
        assert in_order.basis == "replayed"
        # The record contains what no duration does (waking of threads), so the replay can only be faster.
        assert in_order.simulated.makespan_s <= run.makespan_s * (1 + 1e-6)
        digests.append(json.loads(out.read_text())["first_result_sha256"])
    assert digests[0] == digests[1]  # the cut does not change what is computed


def test_a_paced_run_takes_what_its_links_take(tmp_path: Path, workers: Any) -> None:
    out = tmp_path / "paced.json"
    with Program("--pipeline", workers[0][1], *SHORT, "--rate-bps", 1e6, "--out", out) as program:
        assert program.exit_code() == 0, program.messages
    run = read_split_run(out)
    assert run.paced_bps == 1e6
    for k in range(2):
        assert (run.send_s[k] >= 8 * run.sent_bytes[k] / 1e6).all()
        assert run.links[k].rate_bps <= 1e6
    assert run.makespan_s >= 8 * run.sent_bytes[1].sum() / 1e6


def test_a_worker_survives_strangers_and_first_hosts_that_vanish(tmp_path: Path, workers: Any) -> None:
    program, address = workers[1]
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port))) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: board\r\n\r\n")
        program.wait_for("refused: .*other bytes")
    arguments = ["--pipeline", address, *SHORT, "--rate-bps", 2e4, "--out", tmp_path / "never.json"]
    with Program(*arguments) as leader:
        leader.wait_for("stages of custom")
        leader.process.kill()
    program.wait_for("session failed")
    with Program("--pipeline", address, *SHORT, "--out", tmp_path / "split.json") as leader:
        assert leader.exit_code() == 0, leader.messages
    assert not (tmp_path / "never.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fate", "moment", "words"),
    [
        (signal.SIGKILL, "running 500 mini-batches", "closed|failed"),
        (signal.SIGSTOP, "running 500 mini-batches", "no sign of life"),
        (signal.SIGSTOP, "stages of custom", "no sign of life"),  # while links are measured
    ],
)
def test_a_worker_that_is_lost_ends_the_run_with_words(
    tmp_path: Path, fate: signal.Signals, moment: str, words: str
) -> None:
    program, address = worker()
    out = tmp_path / "split.json"
    with program:
        slow = ["--rate-bps", 1e5, "--batches", 500, "--silence-s", 2]
        with Program("--pipeline", address, *SHORT, *slow, "--out", out) as leader:
            leader.wait_for(moment)
            program.process.send_signal(fate)
            assert leader.exit_code(60) == 1
            assert f"error: {address}" in leader.messages
            leader.wait_for(words)
            assert "Traceback" not in leader.messages
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--pipeline", "127.0.0.1:9", "--connect-s", "0.2", *TINY], 1, "no connection within"),
        (["--pipeline", "127.0.0.1:9", "--cuts", "2,3", *TINY], 2, "--cuts: expected 1 increasing"),
        (["--pipeline", "127.0.0.1:9,127.0.0.1:10", "--cuts", "2,2", *TINY], 2, "increasing"),
        (["--pipeline", "127.0.0.1:9", "--cuts", "x", *TINY], 2, "--cuts: expected whole numbers"),
        (["--pipeline", "board", *TINY], 2, "expected HOST:PORT"),
        (["--pipeline", "127.0.0.1:9", "--batch-size", "1", "2", *TINY], 2, "one batch size"),
        (["--pipeline", "127.0.0.1:9", "--serve", "5001"], 2, "exclude"),
        (["--batch-size", "0"], 2, "above 0"),
        (["--out", "none/here.json"], 2, "no such folder"),
        (["--out", "."], 2, "is there already; replace it with --force"),
        (["--serve", "0", "--cpu", "100000"], 2, "--cpu 100000"),
        (["--width", "33"], 2, "multiple of --heads"),
    ],
)
def test_faulty_arguments_are_named(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PATH), *arguments], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120
    )
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recording_is_replaced_only_on_demand(tmp_path: Path) -> None:
    out = tmp_path / "board.json"
    out.write_text("hours of work\n")
    arguments = [*TINY, "--device", "cpu", "--threads", 1, "--max-repeats", 10, "--warm-up", 1, "--out", out]
    with Program(*arguments) as program:
        assert program.exit_code() == 2
        assert f"error: --out {out}: is there already; replace it with --force" in program.messages
    assert out.read_text() == "hours of work\n"
    with Program(*arguments, "--force") as program:
        assert program.exit_code() == 0, program.messages
    assert read_source(open_source(out)).format == "recorder-json"
