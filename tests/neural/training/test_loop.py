"""The loop: learns, survives kills with the same bits, never ends worse than it began."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from orbitsim.errors import InputError, OrbitsimError  # noqa: E402
from orbitsim.neural.training.checkpoint import read_checkpoint, write_checkpoint  # noqa: E402
from orbitsim.neural.training.loop import CHECKPOINT, train  # noqa: E402

_FILE = Path(__file__).with_name("toy_task.py")
_SPEC = importlib.util.spec_from_file_location("toy_task", _FILE)
toy = importlib.util.module_from_spec(_SPEC)
sys.modules["toy_task"] = toy
_SPEC.loader.exec_module(toy)
PATIENCE_S = 120.0


def bits(task):
    return {name: tensor.detach().numpy().tobytes() for name, tensor in task.model.state_dict().items()}


def start_process(folder):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, str(_FILE), str(folder)], env=environment)


def test_the_loss_falls(tmp_path):
    _, history = toy.run(tmp_path, n_epochs=30, checkpoint_every_s=1e9)
    assert history[-1]["held_out"]["error"] < 0.1 * history[0]["held_out"]["error"]
    assert [entry["epoch"] for entry in history] == list(range(31))
    assert history[1]["steps"] == 8  # 60 samples, 8 a step


@pytest.mark.slow
def test_a_killed_process_goes_on_to_the_same_bits(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    wanted, history = toy.run(whole)
    broken = tmp_path / "broken"
    broken.mkdir()
    draw = np.random.default_rng()
    places = sorted(int(n) for n in draw.choice(np.arange(1, 47), size=2, replace=False))
    for place in places:
        process = start_process(broken)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and process.poll() is None:
            log = broken / "step.txt"
            text = log.read_text() if log.exists() else ""
            if text and int(text) >= place:
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, f"it ended before step {place}"
    process = start_process(broken)
    assert process.wait(timeout=PATIENCE_S) == 0
    found = torch.load(broken / "weights.pt", weights_only=True)
    assert {name: t.numpy().tobytes() for name, t in found.items()} == bits(wanted), f"killed at {places}"
    assert json.loads((broken / "history.json").read_text()) == history


def test_the_first_interrupt_ends_after_a_step_and_can_be_resumed(tmp_path):
    undisturbed = tmp_path / "a"
    undisturbed.mkdir()
    wanted, _ = toy.run(undisturbed)
    folder = tmp_path / "b"
    folder.mkdir()

    class Interrupted(toy.ToyTask):
        def loss(self, samples, place, micro_batch):
            if place.step == 13 and micro_batch == 0:
                signal.raise_signal(signal.SIGINT)
            return super().loss(samples, place, micro_batch)

    with pytest.raises(KeyboardInterrupt):
        train(Interrupted(), toy.settings(), folder, fingerprint={"toy": 1})
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert read_checkpoint(folder / CHECKPOINT)[1]["progress"]["step"] == 14
    task, _ = toy.run(folder, resume=True)
    assert bits(task) == bits(wanted)


def test_evaluations_and_checkpoints_disturb_nothing(tmp_path):
    results = []
    for name, every_s in (("often", 0.0), ("never", 1e9)):
        folder = tmp_path / name
        folder.mkdir()
        torch.rand(17)  # whatever was drawn before
        results.append(bits(toy.run(folder, checkpoint_every_s=every_s)[0]))
    assert results[0] == results[1]


def test_the_seed_matters(tmp_path):
    results = []
    for seed in (5, 6):
        folder = tmp_path / str(seed)
        folder.mkdir()
        results.append(bits(toy.run(folder, n_epochs=1, seed=seed)[0]))
    assert results[0] != results[1]


def test_it_never_ends_worse_than_it_began(tmp_path):
    class Harmful(toy.ToyTask):
        def loss(self, samples, place, micro_batch):
            loss, parts = super().loss(samples, place, micro_batch)
            return -loss, parts

    task = Harmful()
    before = bits(task)
    history = train(task, toy.settings(), tmp_path, fingerprint={})
    assert history[-1]["held_out"]["error"] > history[0]["held_out"]["error"]
    assert [entry["epoch"] for entry in history if entry["best"]] == [0]
    assert bits(task) == before


def test_patience_ends_the_run(tmp_path):
    class Stuck(toy.ToyTask):
        def evaluate(self, report):  # noqa: ARG002
            return [1.0], {"held_out": {}}

    assert len(train(Stuck(), toy.settings(patience=2), tmp_path, fingerprint={})) == 3


def test_gradients_of_micro_batches_add_up(tmp_path):
    """Without noise, passes of 4 and one pass of 8 make the same step but for rounding."""

    class Plain(toy.ToyTask):
        def loss(self, samples, place, micro_batch):  # noqa: ARG002
            self.model.eval()
            error = (self.model(self.x[samples]) - self.y[samples]).square().mean()
            return error, {"error": float(error.detach())}

    weights = []
    for name, batch_size, accumulate in (("parts", 4, 2), ("whole", 8, 1)):
        folder = tmp_path / name
        folder.mkdir()
        task = Plain()
        train(task, toy.settings(2, batch_size=batch_size, accumulate=accumulate), folder, fingerprint={})
        weights.append(task.model[0].weight.detach())
    assert torch.allclose(*weights, atol=1e-4)


def test_another_run_is_refused(tmp_path):
    toy.run(tmp_path, n_epochs=1)
    with pytest.raises(InputError, match=r"toy: expected 1 to go on with, got 2"):
        train(toy.ToyTask(), toy.settings(1), tmp_path, fingerprint={"toy": 2}, resume=True)


def test_a_loss_that_is_not_a_number_ends_the_run(tmp_path):
    class Broken(toy.ToyTask):
        def loss(self, samples, place, micro_batch):
            loss, parts = super().loss(samples, place, micro_batch)
            return loss * float("nan"), parts

    with pytest.raises(OrbitsimError, match="step 0: lower the learning rate"):
        train(Broken(), toy.settings(), tmp_path, fingerprint={})


def test_a_checkpoint_with_one_flipped_bit_is_refused_and_one_without_a_checksum_is_taken(tmp_path):
    path = tmp_path / CHECKPOINT
    groups = {"now": {"w": torch.linspace(-1, 1, 300), "b": torch.ones(7, dtype=torch.bfloat16), "e": torch.zeros(0)}}
    write_checkpoint(path, groups, {"progress": {"step": 14}})
    whole = path.read_bytes()
    for place in (len(whole) - 1, len(whole) - 600, whole.index(b"14") + 1):
        for bit in (0x01, 0x04):
            damaged = bytearray(whole)
            damaged[place] ^= bit
            path.write_bytes(bytes(damaged))
            with pytest.raises(InputError, match=f"{CHECKPOINT}.*(checksum|whole checkpoint)"):
                read_checkpoint(path)
    path.write_bytes(whole)
    assert read_checkpoint(path)[1] == {"progress": {"step": 14}}
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del metadata["sha256"]  # as it was written before there was a checksum
    save_file(tensors, path, metadata=metadata)
    assert torch.equal(read_checkpoint(path)[0]["now"]["w"], groups["now"]["w"])


def test_a_run_with_a_flipped_bit_does_not_go_on(tmp_path):
    toy.run(tmp_path, n_epochs=2)
    file = tmp_path / CHECKPOINT
    damaged = bytearray(file.read_bytes())
    damaged[-3] ^= 0x10
    file.write_bytes(bytes(damaged))
    with pytest.raises(InputError, match="do not match their checksum"):
        toy.run(tmp_path, n_epochs=2, resume=True)


def test_a_checkpoint_keeps_types_and_floats(tmp_path):
    path = tmp_path / "c.safetensors"
    groups = {"a": {"x.y": torch.arange(3), "h": torch.ones(2, dtype=torch.bfloat16)}, "b": {"s": torch.tensor(0.1)}}
    state = {"third": 1 / 3, "list": [1, None, "é"]}
    write_checkpoint(path, groups, state)
    found, content = read_checkpoint(path)
    assert content == state
    assert found.keys() == groups.keys()
    for group, named in groups.items():
        for name, tensor in named.items():
            assert found[group][name].dtype == tensor.dtype
            assert torch.equal(found[group][name], tensor)
    assert [p.name for p in tmp_path.iterdir()] == ["c.safetensors"]


@pytest.mark.parametrize("content", [b"", b"garbage" * 20])
def test_a_damaged_checkpoint_is_named(tmp_path, content):
    path = tmp_path / CHECKPOINT
    path.write_bytes(content)
    with pytest.raises(InputError, match="whole checkpoint"):
        toy.run(tmp_path, resume=True)
    write_checkpoint(path, {"a": {"x": torch.zeros(50)}}, {})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="whole checkpoint"):
        read_checkpoint(path)


def test_nothing_is_unpickled():
    import inspect

    from orbitsim.neural.training import checkpoint, loop

    for module in (checkpoint, loop):
        assert "torch.load" not in inspect.getsource(module)
        assert "pickle" not in inspect.getsource(module).replace("unpickled", "")
