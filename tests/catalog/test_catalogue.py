from __future__ import annotations

import math
import tomllib
from importlib import resources

import pytest
from pydantic import ValidationError

from orbitsim import catalog
from orbitsim.catalog import Device, ModelEntry, shipped_catalogue
from orbitsim.catalog.entries import Figure, cited
from orbitsim.errors import InputError

OWN_FILE = """
[citations.bench-2026]
text = "Own measurement, 2026"

[devices.my-board]
title = "A board of my own"
board = "my-board"
power_mode = "20W"
rate_flop_s = { fp16 = { value = 1e12, basis = "measured", confidence = "high", cite = ["bench-2026"] } }

[models.gpt2]
title = "GPT-2"
cite = ["bench-2026"]
[models.gpt2.architecture]
width = 768
mlp_width = 3072
n_heads = 12
n_blocks = 12
n_vocabulary = 50257
n_tokens = 1024
n_positions = 1024
"""


def figures(entry):
    for name in type(entry).model_fields:
        value = getattr(entry, name)
        stack = [value]
        while stack:
            item = stack.pop()
            if isinstance(item, Figure):
                yield name, item
            elif isinstance(item, dict):
                stack += item.values()


def test_names():
    assert catalog.names("model") == ("vit-b", "vit-g", "vit-h", "vit-l")
    assert {
        "jetson-agx-orin-15w",
        "jetson-agx-orin-30w",
        "jetson-agx-orin-50w",
        "jetson-agx-orin-maxn",
        "rtx-4070-ti",
    } <= set(catalog.names("device"))
    assert {"gumbel-8bit", "identity"} <= set(catalog.names("codec_table"))


@pytest.mark.parametrize("kind", ["device", "model"])
def test_every_entry_knows_its_name_and_its_sources(kind):
    for name in catalog.names(kind):
        entry = getattr(catalog, kind)(name)
        assert entry.name == name
        sources = catalog.citations(kind, name)
        assert sources
        assert len({source.text for source in sources}) == len(sources)


def test_every_citation_is_used():
    used = {
        key
        for kind in ("device", "model")
        for name in catalog.names(kind)
        for key in cited(getattr(catalog, kind)(name))
    }
    assert used == set(shipped_catalogue().sources)


def test_unknown_name_helps():
    with pytest.raises(InputError, match=r"did you mean 'jetson-agx-orin-50w'\?.*rtx-4070-ti"):
        catalog.device("jetson-agx-orin-50W")
    with pytest.raises(InputError, match=r"known model, got 'vit-x'.*vit-b, vit-g, vit-h, vit-l"):
        catalog.model("vit-x")


# Second transcription of the figures that results rest on, typed from the sources' own tables, not from the catalogue.
# GEMM: [GFLOP/s]; three power rails of the busy window: [W].
GEMM_GFLOPS = {
    "15w": {"fp16": 2642.2, "tf32": 1556.3, "fp32": 379.9},
    "30w": {"fp16": 5627.3, "tf32": 3267.6, "fp32": 755},
    "50w": {"fp16": 7110.4, "tf32": 4277.1, "fp32": 1730.4},
}
RAILS_W = {"15w": 10.41, "30w": 13.32, "50w": 24.97, "maxn": 43.73}
RTX_4090_IMAGES_S = {"vit-b": 2787.15, "vit-l": 912.7, "vit-h": 346.11, "vit-g": 131.1}


@pytest.mark.parametrize("mode", GEMM_GFLOPS)
def test_orin_rates_are_the_best_matrix_products(mode):
    rates = catalog.device(f"jetson-agx-orin-{mode}").rate_flop_s
    assert {precision: figure.value / 1e9 for precision, figure in rates.items()} == pytest.approx(GEMM_GFLOPS[mode])


@pytest.mark.parametrize("mode", RAILS_W)
def test_orin_power_and_board(mode):
    device = catalog.device(f"jetson-agx-orin-{mode}")
    assert device.active_power_w.value == RAILS_W[mode]
    assert (device.board, device.power_mode.lower()) == ("jetson-agx-orin", mode)


def test_maxn_rate_is_derived_from_batch_64_ratios_and_not_from_its_own_sweep():
    rates = catalog.device("jetson-agx-orin-maxn").rate_flop_s
    # ResNet-152, batch 64, TensorRT: milliseconds in 15W, 30W, MAXN
    for precision, (at_15w, at_30w, at_maxn) in {"fp16": (427.2, 235.9, 86.1), "fp32": (884.3, 493.5, 158.8)}.items():
        low, high = (
            GEMM_GFLOPS[mode][precision] * 1e9 * ms / at_maxn for mode, ms in (("15w", at_15w), ("30w", at_30w))
        )
        assert rates[precision].value == pytest.approx(math.sqrt(low * high), rel=1e-3)
        assert rates[precision].basis == "derived"
    assert rates["fp16"].value > 2 * 4684.9e9  # the clock-limited sweep


def test_rtx_4070_ti_is_scaled_from_the_rtx_4090():
    figures = catalog.device("rtx-4070-ti").throughput_tiles_s["fp16"]
    for model, images_s in RTX_4090_IMAGES_S.items():
        # SM x clock; ViT-G is printed as 64 where the arithmetic gives 63.65
        assert figures[model].value == pytest.approx(images_s * 60 * 2.61 / (128 * 2.52), rel=6e-3)
        assert catalog.device("rtx-4090").throughput_tiles_s["fp16"][model].value == images_s


def test_table_iii_of_the_paper():
    memory = {name: catalog.model(name).published_memory_bytes.value for name in catalog.names("model")}
    assert memory == {"vit-b": 2e9, "vit-l": 4e9, "vit-h": 7e9, "vit-g": 12e9}


def test_derived_figures_show_their_arithmetic():
    for name in catalog.names("device"):
        for key, figure in figures(catalog.device(name)):
            assert figure.basis != "derived" or any(c.isdigit() for c in figure.note) or "mean" in figure.note, (
                name,
                key,
            )


def test_entries_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        catalog.device("rtx-4070-ti").board = "other"


def test_own_file_adds_entries(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(OWN_FILE)
    mine = shipped_catalogue().with_file(path)
    assert mine.device("my-board").rate_flop_s["fp16"].value == 1e12
    assert mine.model("gpt2").architecture.n_blocks == 12
    assert mine.device("rtx-4070-ti") == catalog.device("rtx-4070-ti")
    assert [source.text for source in mine.citations("device", "my-board")] == ["Own measurement, 2026"]
    assert "my-board" not in catalog.names("device")


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ("value = 1e12", "value = -1.0", "devices.my-board.rate_flop_s.fp16.value", "greater than 0"),
        ("value = 1e12", "value = nan", "devices.my-board.rate_flop_s.fp16.value", "finite"),
        ("fp16 =", "fp12 =", "devices.my-board.rate_flop_s.fp12", "'fp32'"),
        (
            'basis = "measured"',
            'basis = "guessed"',
            "devices.my-board.rate_flop_s.fp16.basis",
            "'measured', 'published'",
        ),
        ('basis = "measured"', 'basis = "derived"', "devices.my-board.rate_flop_s.fp16", "needs a note"),
        (
            'cite = ["bench-2026"] } }',
            'cite = ["nobody"] } }',
            "devices.my-board",
            "expected a table [citations.nobody]",
        ),
        ('cite = ["bench-2026"] } }', "cite = [] } }", "devices.my-board.rate_flop_s.fp16.cite", "at least 1"),
        ("[devices.my-board]", "[devices.rtx-4070-ti]", "devices.rtx-4070-ti", "in the catalogue already"),
        (
            "[devices.my-board]",
            "[gadgets.my-board]",
            "gadgets",
            "expected one of the tables devices, models, citations",
        ),
        ('power_mode = "20W"', "speed = 3", "devices.my-board.speed", "not permitted"),
        ("n_heads = 12", "n_heads = 7", "models.gpt2.architecture", "width as a multiple of n_heads"),
        ("n_tokens = 1024", "patch_px = 14", "models.gpt2.architecture", "image_px and patch_px"),
        ("n_positions = 1024", "n_positions = 10", "models.gpt2.architecture", "n_positions of at least"),
        ("n_blocks = 12", "n_blocks = 0", "models.gpt2.architecture.n_blocks", "greater than or equal to 1"),
        ("width = 768", 'width = "768"', "models.gpt2.architecture.width", "valid integer"),
        ("[devices.my-board]", "[devices", "", "expected TOML"),
        ('text = "Own measurement, 2026"', 'text = ""', "citations.bench-2026.text", "at least 1 character"),
    ],
)
def test_faults_of_an_own_file_are_named(tmp_path, old, new, key, message):
    assert old in OWN_FILE
    path = tmp_path / "mine.toml"
    path.write_text(OWN_FILE.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        shipped_catalogue().with_file(path)
    assert all(problem.source == str(path) for problem in caught.value.problems)
    assert any(problem.key == key and message in problem.message for problem in caught.value.problems), str(
        caught.value
    )


def test_all_faults_at_once(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(OWN_FILE.replace("1e12", "-1.0").replace("n_blocks = 12", "n_blocks = 0"))
    with pytest.raises(InputError) as caught:
        shipped_catalogue().with_file(path)
    assert len(caught.value.problems) == 2


def test_missing_and_binary_files(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        shipped_catalogue().with_file(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        shipped_catalogue().with_file(tmp_path / "binary.toml")


def test_shipped_files_have_the_documented_tables_only():
    for name, entry_type in (("devices", Device), ("models", ModelEntry)):
        data = tomllib.loads(resources.files("orbitsim").joinpath("data", f"{name}.toml").read_text(encoding="utf-8"))
        assert set(data) == {name, "citations"}
        assert all(entry_type.model_validate({**fields, "name": key}) for key, fields in data[name].items())
