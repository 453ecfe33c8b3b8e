"""Codecs of a tiny model trained for real: masks reach their share, nothing ends worse, kills are harmless."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("constriction")

from orbitsim.errors import InputError  # noqa: E402
from orbitsim.neural.codecs import load_codec, make_codec  # noqa: E402
from orbitsim.neural.images import normalised  # noqa: E402
from orbitsim.neural.training.codec_request import CodecRequest  # noqa: E402
from orbitsim.neural.training.codec_setup import make_codecs, real_ratio, take_samples  # noqa: E402
from orbitsim.neural.training.image_data import split_images  # noqa: E402
from orbitsim.neural.training.mask_share import shift_to_share  # noqa: E402
from orbitsim.neural.training.objective import feature_error, output_variance  # noqa: E402
from orbitsim.neural.training.small_vit import small_vit  # noqa: E402
from orbitsim.neural.training.train_backbone import BackboneRequest, train_backbone  # noqa: E402
from orbitsim.neural.training.train_codec import train_codec  # noqa: E402
from orbitsim.neural.zoo import load_model  # noqa: E402

CLASSES = ("blue", "green", "red")


def toy_data(n=36, side=16):
    """Three classes of coloured noise with a bright half."""
    draw = np.random.default_rng(4)
    labels = np.arange(n) % 3
    images = draw.normal(110, 30, size=(n, side, side, 3))
    images[np.arange(n), :, :, labels] += 40
    images[:, : side // 2] += 40
    split = np.arange(n) % 4 == 3
    images = np.clip(images, 0, 255).astype(np.uint8)
    return split_images(images, labels, CLASSES, np.flatnonzero(~split), np.flatnonzero(split), name="toy")


@pytest.fixture(scope="module")
def data():
    return toy_data()


@pytest.fixture(scope="module")
def backbone(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    request = BackboneRequest("vit-micro-16", "unused", n_epochs=12, batch_size=9, mix_alpha=0.0, rate=3e-3)
    found = train_backbone(request, folder, data=data)
    assert found["best"]["accuracy"] > 0.6  # three classes told by colour
    assert found["epochs"][0]["held_out"]["cross_entropy"] > found["best"]["cross_entropy"]
    return folder / "backbone"


def request(backbone, **changed):
    values = {"cuts": (1, 3), "n_epochs": 2, "batch_size": 9, "accumulate": 1, "n_calibration": 18, **changed}
    return CodecRequest(str(backbone), "unused", **values)


def test_the_trained_backbone_is_a_model_of_its_own(backbone, data):
    parts = load_model(str(backbone))
    assert parts.output == "logits"
    assert json.loads((backbone / "config.json").read_text())["id2label"] == {"0": "blue", "1": "green", "2": "red"}
    metrics = json.loads((backbone.parent / "metrics.json").read_text())
    with torch.no_grad():
        classes = parts.whole(normalised(data.held_images)).argmax(1).numpy()
    assert float((classes == data.held_labels).mean()) == pytest.approx(metrics["best"]["accuracy"])


def test_gradients_predict_the_error_of_the_output(data):
    """Small random errors at a cut: their squared error, weighed by the gradients, is that of the output (10 %)."""
    parts = small_vit("vit-micro-16", CLASSES, seed=2)
    images = normalised(data.train_images).repeat(12, 1, 1, 1)
    samples = take_samples(parts, [2], images, seed=3, batch_size=36)
    hidden = samples.activations[0]
    noise = 1e-4 * torch.randn(hidden.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        x = hidden + noise
        for part in (*parts.blocks[2:], parts.head):
            x = part(x)
    found = float(feature_error(x, samples.output, output_variance(samples.output)))
    predicted = 1e-8 * float(samples.gradients[0].double().square().mean())
    assert found == pytest.approx(predicted, rel=0.1)


def test_transforms_reach_a_ratio_in_real_bytes(backbone, data):
    parts = load_model(str(backbone))
    samples = take_samples(parts, [1, 3], normalised(data.train_images), seed=1)
    codecs = make_codecs("transform", samples, {}, target_ratio=6.0)
    assert real_ratio(codecs, samples.activations) == pytest.approx(6.0, rel=0.1)


def test_a_mask_reaches_its_share_from_any_start(backbone, data, tmp_path):
    for name, keep in (("above", 1.0), ("at", 0.3), ("blind", None)):
        wanted = request(backbone, codec="gumbel", target_keep=0.3, settings={"keep": keep}, n_epochs=4, rate=0.15)
        found = train_codec(wanted, tmp_path / name, data=data)
        assert found["best"]["keep_share"] == pytest.approx(0.3, rel=0.02), name
        assert found["start"]["keep_share"] == pytest.approx(1.0 if keep is None else keep, rel=0.01)
        shares = [entry["held_out"]["keep_share"] for entry in found["epochs"]]
        assert all(after <= before + 1e-6 for before, after in pairwise(shares))


def test_a_weight_of_sparsity_thins_masks_out(backbone, data, tmp_path):
    kept = []
    for weight in (0.0, 3.0):
        wanted = request(backbone, codec="gumbel", sparsity_weight=weight, rate=0.3, n_epochs=8)
        found = train_codec(wanted, tmp_path / str(weight), data=data)
        kept.append(found["epochs"][-1]["held_out"]["keep_share"])
    assert kept[1] < 0.5 * kept[0]


def test_one_shift_for_all_masks():
    masks = [make_codec("gumbel", n_tokens=5, n_channels=4) for _ in range(2)]
    masks[0].logits.data.copy_(torch.arange(20.0).reshape(5, 4))
    masks[1].logits.data.copy_(torch.arange(20.0).reshape(5, 4) + 10.5)
    shift_to_share(masks, 0.25)
    assert [round(20 * mask.keep_share()) for mask in masks] == [0, 10]
    shift_to_share(masks, 0.5)
    assert [round(20 * mask.keep_share()) for mask in masks] == [5, 15]
    shift_to_share(masks, 1.0)
    assert all(mask.keep_share() == 1.0 for mask in masks)


def test_cross_entropy_falls_with_the_backbone_in_the_loop(backbone, data, tmp_path):
    wanted = request(backbone, codec="topk", target_keep=0.05, settings={"bits": 3}, finetune="all", finetune_rate=3e-3,
                     n_epochs=10)  # fmt: skip
    found = train_codec(wanted, tmp_path / "out", data=data)
    losses = [entry["train"]["distortion"] for entry in found["epochs"][1:]]
    assert losses[-1] < losses[0]
    assert found["best"]["cross_entropy"] < found["start"]["cross_entropy"]
    tuned = load_model(str(tmp_path / "out" / "backbone"))
    before = load_model(str(backbone))
    assert not torch.equal(tuned.whole.model.classifier.weight, before.whole.model.classifier.weight)


def test_nothing_ends_worse_than_it_began(backbone, data, tmp_path):
    wanted = request(backbone, codec="transform", target_ratio=6.0, objective="features", rate=0.5, n_epochs=1)
    found = train_codec(wanted, tmp_path / "out", data=data)
    assert found["best_epoch"] == 0
    assert found["best"] == found["start"]
    assert found["epochs"][1]["score"] > found["epochs"][0]["score"]


def test_codecs_on_disk_are_those_that_were_measured(backbone, data, tmp_path):
    found = train_codec(request(backbone, codec="transform", target_ratio=6.0), tmp_path / "out", data=data)
    parts = load_model(str(backbone))
    codecs = [load_codec(file) for file in sorted((tmp_path / "out").glob("codec-*.safetensors"))]
    from orbitsim.neural.split import SplitModel

    output, n_bytes = SplitModel(parts, (1, 3), codecs).run_bytes(normalised(data.held_images))
    assert [n / 9 for n in n_bytes] == pytest.approx(found["best"]["bytes_per_sample"])
    accuracy = float((output.argmax(1).numpy() == data.held_labels).mean())
    assert accuracy == pytest.approx(found["best"]["accuracy"])
    assert found["provenance"]["data"]["n_train"] == 27


def test_fine_tuned_codecs_resume_to_the_same_bits(backbone, data, tmp_path, monkeypatch):
    from orbitsim.neural.training import loop

    wanted = request(backbone, codec="gumbel", target_keep=0.4, finetune="norms", finetune_rate=1e-3, n_epochs=3,
                     checkpoint_every_s=0.0)  # fmt: skip
    train_codec(wanted, tmp_path / "whole", data=data)

    class Stopped(Exception):  # noqa: N818
        pass

    real_step = loop._Run._step

    def step(self, samples):
        if self.at.step == 5:
            raise Stopped
        real_step(self, samples)

    with monkeypatch.context() as patch:
        patch.setattr(loop._Run, "_step", step)
        with pytest.raises(Stopped):
            train_codec(wanted, tmp_path / "broken", data=data)
    train_codec(wanted, tmp_path / "broken", data=data, resume=True)
    for name in ("codec-cut001.safetensors", "codec-cut003.safetensors"):
        states = [load_codec(tmp_path / run / name).state_dict() for run in ("whole", "broken")]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    weights = [(tmp_path / run / "backbone" / "model.safetensors").read_bytes() for run in ("whole", "broken")]
    assert weights[0] == weights[1]
    content = [json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("whole", "broken")]
    assert content[0]["epochs"] == content[1]["epochs"]


def test_a_backbone_without_a_head_gets_a_probe(data, tmp_path):
    folder = tmp_path / "dino"
    folder.mkdir()
    values = {"model_type": "dinov2", "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2,
              "image_size": 16, "patch_size": 4, "mlp_ratio": 2, "architectures": ["Dinov2Model"]}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(values))
    wanted = CodecRequest(str(folder), "unused", (1, 2), codec="transform", target_ratio=5.0, n_epochs=1, batch_size=9)
    found = train_codec(wanted, tmp_path / "out", data=data)
    assert found["head"] == "probe"
    assert found["reference"]["accuracy"] > 0.6
    assert found["options"]["objective"] == "features"
    assert found["options"]["trade_off"] > 0.0


@pytest.mark.parametrize(
    ("changed", "messages"),
    [
        ({"codec": "gumble", "finetune": "some", "batch_size": 0}, ["--codec", "--finetune", "--batch-size"]),
        ({"codec": "gumbel"}, ["--target-keep"]),
        ({"codec": "gumbel", "target_keep": 0.1, "sparsity_weight": 1.0}, ["--sparsity-weight"]),
        ({"target_keep": 0.2}, ["only with a mask"]),
        ({"target_ratio": 0.5, "held_out": 1.0}, ["--target-ratio", "--held-out"]),
        ({"precision": "fp16"}, ["only with a CUDA device"]),
        ({"rate": float("nan")}, ["--rate"]),
        ({"cuts": (0, 9)}, ["from 1 to 3"]),
        ({"device": "tpu"}, ["device"]),
    ],
)
def test_bad_requests(backbone, data, tmp_path, changed, messages):
    with pytest.raises(InputError) as caught:
        train_codec(request(backbone, **changed), tmp_path / "out", data=data)
    for message in messages:
        assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_run_is_not_overwritten(backbone, data, tmp_path):
    wanted = request(backbone, codec="uniform", n_epochs=0)
    train_codec(wanted, tmp_path, data=data)
    with pytest.raises(InputError, match="go on with --resume"):
        train_codec(wanted, tmp_path, data=data)
    assert train_codec(wanted, tmp_path, data=data, resume=True)["best_epoch"] == 0
