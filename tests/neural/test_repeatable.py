"""Models that cannot be cut or compared are refused in words."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
import transformers

from orbitsim.errors import InputError
from orbitsim.neural.evaluation.backbone import evaluation_model
from orbitsim.neural.training.codec_request import CodecRequest
from orbitsim.neural.training.train_codec import train_codec

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32}


def saved(model, folder):
    torch.manual_seed(0)
    model.save_pretrained(folder)
    return str(folder)


def test_a_model_that_draws_in_every_pass_is_refused(tmp_path):
    config = transformers.ViTMAEConfig(**SMALL, patch_size=8, mask_ratio=0.5)
    folder = saved(transformers.ViTMAEModel(config), tmp_path / "mae")
    said = r"--model: expected a model that gives an image the same output each time.*; mae does not"
    with pytest.raises(InputError, match=said):
        evaluation_model(folder)
    with pytest.raises(InputError, match=said):
        train_codec(CodecRequest(model=folder, data=str(tmp_path), cuts=(1,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_dropout_is_no_chance(tmp_path):
    config = transformers.ViTConfig(**SMALL, patch_size=8, hidden_dropout_prob=0.5)
    parts = evaluation_model(saved(transformers.ViTModel(config), tmp_path / "vit"))
    assert len(parts.blocks) == 3


def test_a_model_that_looks_into_its_blocks_is_refused_in_words(tmp_path):
    config = transformers.SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[1, 1], num_heads=[1, 2], window_size=4
    )
    folder = saved(transformers.SwinModel(config), tmp_path / "swin")
    with pytest.raises(InputError, match=r"expected a model that only calls its blocks, .* looks into them"):
        evaluation_model(folder)
    with pytest.raises(InputError, match="looks into them"):
        train_codec(CodecRequest(model=folder, data="nowhere", cuts=(1,)), tmp_path / "out")
