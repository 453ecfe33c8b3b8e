"""Models by name: sizes against the catalogue's published figures, and every wrong name answered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from orbitsim.catalog import shipped_catalogue  # noqa: E402
from orbitsim.errors import InputError  # noqa: E402
from orbitsim.neural.zoo import load_model  # noqa: E402
from orbitsim.workload.models import model_graph  # noqa: E402


@pytest.mark.parametrize(
    ("name", "n_blocks", "parameters"),
    [("vit-b", 12, 86.57e6), ("vit-l", 24, 304.33e6), ("vit-h", 32, 632.05e6), ("vit-g", 48, 1844.44e6)],
)
def test_the_catalogues_models_have_their_published_size(name: str, n_blocks: int, parameters: float) -> None:
    # Published figures: timm's results/benchmark-infer files; ViT-H's 630.76 M there lack the head of 1.28 M.
    parts = load_model(name, one_at_a_time=True)
    graph = model_graph(shipped_catalogue().model(name))
    assert len(parts.blocks) == n_blocks
    assert parts.n_parameters == pytest.approx(parameters, abs=0.012e6)
    assert parts.n_parameters == graph.n_unique_parameters
    block = sum(p.numel() for p in parts.blocks[1].parameters())
    assert block == graph.n_parameters[1]


def test_a_json_file_is_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    path.write_text(json.dumps({"model_type": "gpt2", "n_layer": 2, "n_embd": 16, "n_head": 2, "vocab_size": 50}))
    parts = load_model(str(path), seq_len=5)
    assert (parts.name, parts.kind, parts.input_shape, len(parts.blocks)) == ("small", "decoder", (5,), 2)
    assert load_model(str(path), settings={"n_layer": 3}).blocks.__len__() == 3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("vit-bb", {}, "did you mean 'vit-b'.*module:factory"),
        ("org/model", {}, "--allow-download"),
        ("t5", {}, "vision or decoder"),
        ("vit-b", {"weights": "local"}, "folder for local weights"),
        ("vit-b", {"settings": {"n_layers": 2}}, "n_layers: expected a key of ViTConfig"),
        ("vit-b", {"settings": {"num_hidden_layers": "two"}}, "num_hidden_layers"),
        ("vit-b", {"image_px": 225}, "multiple of the patch"),
        ("gpt2", {"seq_len": 1025, "one_at_a_time": True}, "1024 positions"),
        ("vit-b", {"block_list": "layers"}, "only with module:factory"),
        ("no_such_module:factory", {}, "expected module:factory"),
        ("torch.nn:Linear", {"seq_len": 3}, "without settings"),
    ],
)
def test_wrong_names_and_options(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"(?s){message}"):
        load_model(name, **options)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model_type": "nothing"}', '{"model_type": 3}', "\x00"])
def test_a_broken_configuration_is_one_clear_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"config\.json"):
        load_model(str(path))
