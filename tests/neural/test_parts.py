"""A chain of parts is the whole model: families of transformers, custom modules, built whole or one part at a time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import nn  # noqa: E402

from orbitsim.errors import InputError  # noqa: E402
from orbitsim.neural.cutting import cut  # noqa: E402
from orbitsim.neural.layout import find_block_list  # noqa: E402
from orbitsim.neural.parts import ModelParts, largest_difference  # noqa: E402
from orbitsim.neural.weights import initialise_plain  # noqa: E402
from orbitsim.neural.zoo import load_model  # noqa: E402

WIDE = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
VISION = {**WIDE, "num_hidden_layers": 3, "patch_size": 8}
DINO = {"num_hidden_layers": 3, "hidden_size": 32, "num_attention_heads": 4, "patch_size": 8}
DECODER = {**WIDE, "num_hidden_layers": 3, "vocab_size": 101}
GROUPED = {**DECODER, "num_key_value_heads": 2}
FAMILIES = {
    "vit": VISION,
    "deit": VISION,
    "beit": VISION,
    "dinov2": DINO,
    "siglip_vision_model": VISION,
    "clip_vision_model": VISION,
    "gpt2": {"n_layer": 3, "n_embd": 32, "n_head": 4, "vocab_size": 101},
    "opt": {**DECODER, "ffn_dim": 64, "word_embed_proj_dim": 32},
    "llama": GROUPED,
    "qwen2": GROUPED,
    "mistral": {**GROUPED, "head_dim": 8},
    "gemma3_text": {**GROUPED, "head_dim": 8, "num_hidden_layers": 7},  # two kinds of attention, two rotary tables
    "mixtral": {**GROUPED, "num_local_experts": 4},
}
FAMILIES["opt"].pop("intermediate_size")


def tiny(family: str, **options: object) -> ModelParts:
    """A random model of a family: 32 px, or 7 tokens."""
    settings = FAMILIES[family]
    size = {"image_px": 32} if "patch_size" in settings else {"seq_len": 7}
    return load_model(family, settings=settings, **size, **options)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_chain_is_the_whole_model(family: str) -> None:
    parts = tiny(family)
    x = parts.example_input(2, torch.Generator().manual_seed(3))
    assert largest_difference(parts, x) <= 1e-6
    assert parts.n_parameters == sum(p.numel() for p in parts.whole.parameters())
    assert parts.whole(x).std() > 1e-3  # random weights that do something


@pytest.mark.parametrize("family", ["vit", "dinov2", "gpt2", "llama"])
def test_parts_built_one_at_a_time_are_those_of_the_whole(family: str) -> None:
    built, laid_out = tiny(family, seed=5), tiny(family, seed=5, one_at_a_time=True)
    assert laid_out.whole is None
    assert all(p.is_meta for part in laid_out.chain for p in part.parameters())
    x = built.example_input(2, torch.Generator().manual_seed(3))
    y = x
    with torch.no_grad():
        for number in range(len(laid_out.chain)):
            y = laid_out.build_part(number)(y)
        torch.testing.assert_close(y, built.whole(x), rtol=0, atol=1e-6)
    assert laid_out.n_parameters == built.n_parameters
    assert all(p.is_meta for part in laid_out.chain for p in part.parameters())


def test_a_block_can_be_built_without_the_embedding_having_run() -> None:
    built, laid_out = tiny("llama"), tiny("llama", one_at_a_time=True)
    x = built.example_input(1, torch.Generator().manual_seed(3))
    with torch.no_grad():
        hidden = built.embedding(x)
        torch.testing.assert_close(laid_out.build_part(2)(hidden), built.blocks[1](hidden), rtol=0, atol=1e-6)


def test_what_parts_remember_fits_every_shape_in_any_order() -> None:
    parts = tiny("llama")
    for batch_size, seq_len in ((3, 7), (1, 5), (3, 7), (2, 11)):
        x = torch.randint(101, (batch_size, seq_len), generator=torch.Generator().manual_seed(seq_len))
        assert largest_difference(parts, x) <= 1e-6


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    parts = tiny("vit").to("cpu", dtype)
    x = parts.example_input(2, torch.Generator().manual_seed(3), dtype=dtype)
    assert parts.whole(x).dtype == dtype
    assert largest_difference(parts, x) <= 1e-6  # the same arithmetic, cut elsewhere


def test_gradients_flow_through_the_parts() -> None:
    parts = tiny("vit")
    x = parts.example_input(2, torch.Generator().manual_seed(3))
    parts.run_chain(x).square().sum().backward()
    by_chain = [p.grad.clone() for p in parts.whole.parameters()]
    parts.whole.zero_grad()
    parts.whole(x).square().sum().backward()
    for ours, whole in zip(by_chain, (p.grad for p in parts.whole.parameters()), strict=True):
        torch.testing.assert_close(ours, whole, rtol=1e-5, atol=1e-6)


def test_parts_remembered_while_timing_can_be_trained_afterwards() -> None:
    parts = tiny("llama")
    x = parts.example_input(2, torch.Generator().manual_seed(3))
    with torch.inference_mode():
        parts.run_chain(x)
    parts.run_chain(x).sum().backward()
    assert all(p.grad is not None for p in parts.blocks[1].parameters())


class Own(nn.Module):
    """A user's model: steps between its submodules that no submodule holds."""

    input_shape = (3, 16, 16)

    def __init__(self, n_blocks: int = 3) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 24, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 24))
        self.small = nn.Sequential(nn.Linear(24, 24), nn.Linear(24, 24))
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(24, 4, 48, batch_first=True) for _ in range(n_blocks)])
        self.classify = nn.Linear(24, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2)
        x = self.small(torch.cat([self.token.expand(len(x), -1, -1), x], dim=1))
        for layer in self.layers:
            x = layer(x)
        return self.classify(x[:, 0])


class Sequence(nn.Sequential):
    """A model that is nothing but its blocks."""

    input_shape = (6,)

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 6))


class Skipping(Own):
    """The second block also gets what went into the first."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch(images).flatten(2).transpose(1, 2)
        for layer in self.layers:
            x = layer(x) + 1.0
        return self.classify(x[:, 0])


@pytest.mark.parametrize(("factory", "path"), [(Own, "layers"), (Sequence, "")])
def test_a_module_of_the_users_own(factory: type[nn.Module], path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "own_model", sys.modules[__name__])
    parts = load_model(f"own_model:{factory.__name__}", seed=4)
    x = parts.example_input(2, torch.Generator().manual_seed(3))
    assert largest_difference(parts, x) <= 1e-6
    assert len(parts.blocks) == 3
    laid_out = load_model(f"own_model:{factory.__name__}", seed=4, one_at_a_time=True)
    with torch.no_grad():
        for number in range(5):
            x = laid_out.build_part(number)(x)
    assert torch.isfinite(x).all()
    if path:
        assert len(load_model(f"own_model:{factory.__name__}", block_list="small").blocks) == 2


def test_blocks_that_are_no_chain_are_refused() -> None:
    with pytest.raises(InputError, match="the tensor that the one before returns"):
        cut(
            Skipping().eval(), "layers", name="x", kind="custom", output="output", input_shape=(3, 16, 16),
            initialise=initialise_plain,
        )  # fmt: skip


def test_a_hierarchical_model_is_refused() -> None:
    with pytest.raises(InputError, match="hierarchical"):
        load_model("swin", one_at_a_time=True)


def test_the_longest_list_is_found() -> None:
    assert find_block_list(Own()) == "layers"
    with pytest.raises(InputError, match="list of at least two blocks"):
        find_block_list(nn.Linear(2, 2))


def test_trained_weights_from_a_folder(tmp_path: Path) -> None:
    parts = tiny("dinov2")
    parts.whole.model.save_pretrained(tmp_path / "trained")
    loaded = load_model(str(tmp_path / "trained"))
    assert loaded.name == "trained"
    x = parts.example_input(2, torch.Generator().manual_seed(3))
    torch.testing.assert_close(loaded.run_chain(x), parts.whole(x), rtol=0, atol=1e-6)
    random = load_model(str(tmp_path / "trained"), weights="random", settings={"num_hidden_layers": 2})
    assert len(random.blocks) == 2


def test_weights_that_need_unpickling_are_refused(tmp_path: Path) -> None:
    parts = tiny("vit")
    parts.whole.model.config.save_pretrained(tmp_path)
    torch.save(parts.whole.model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="safetensors"):
        load_model(str(tmp_path), weights="local")


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    tiny("vit").whole.model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["num_hidden_layers"] = 4
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="missing"):
        load_model(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"not a tensor")
    with pytest.raises(InputError, match="cannot be read"):
        load_model(str(tmp_path))
