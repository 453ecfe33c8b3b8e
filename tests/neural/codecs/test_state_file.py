"""Codecs on disk, and their identity."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from neural.codecs.cases import CODECS, natural, same_bits
from safetensors.torch import load_file, save_file

from orbitsim.errors import InputError, OutputError
from orbitsim.neural.codecs import load_codec, make_codec, save_codec
from orbitsim.neural.codecs.state_file import codec_provenance


@pytest.mark.parametrize("name", CODECS)
def test_a_saved_codec_decodes_what_the_first_encoded(name: str, tmp_path: Path) -> None:
    codec, x = CODECS[name], natural(3)
    file = tmp_path / "codec.safetensors"
    save_codec(codec, file, {"model": "none", "seed": 3})
    loaded = load_codec(file)
    assert type(loaded) is type(codec)
    assert not loaded.training
    assert loaded.codec_id == codec.codec_id
    assert loaded.settings() == codec.settings()
    assert same_bits(loaded.decode(codec.encode(x)), codec(x))
    assert codec_provenance(file)["provenance"] == {"model": "none", "seed": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["codec.safetensors"]


def test_identity_depends_on_settings_and_shared_state_only() -> None:
    a, b = make_codec("topk", keep=0.2), make_codec("topk", keep=0.2)
    assert a.codec_id == b.codec_id != make_codec("topk", keep=0.3).codec_id
    mask = make_codec("gumbel", n_tokens=2, n_channels=3)
    first = mask.codec_id
    with torch.no_grad():
        mask.logits.add_(0.5)
    assert mask.codec_id == first
    with torch.no_grad():
        mask.logits.sub_(5.0)
    assert mask.codec_id != first
    mask.load_state_dict(make_codec("gumbel", n_tokens=2, n_channels=3).state_dict())
    assert mask.codec_id == first


def test_files_that_are_no_codecs_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.safetensors"):
        load_codec(tmp_path / "missing.safetensors")
    junk = tmp_path / "junk.safetensors"
    junk.write_bytes(b"no codec at all")
    with pytest.raises(InputError, match="readable safetensors"):
        load_codec(junk)
    other = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, other)
    with pytest.raises(InputError, match="expected a codec"):
        load_codec(other)


def test_a_changed_state_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "codec.safetensors"
    save_codec(CODECS["transform"], file)
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(file)
    tensors["step"] = tensors["step"] * 2
    save_file(tensors, file, metadata=metadata)
    with pytest.raises(InputError, match="do not match their checksum"):
        load_codec(file)
    del metadata["sha256"]  # as files from before it was kept: what streams rest on is still compared
    save_file(tensors, file, metadata=metadata)
    with pytest.raises(InputError, match="as its header says"):
        load_codec(file)
    del tensors["step"]
    save_file(tensors, file, metadata=metadata)
    with pytest.raises(InputError, match="expected the state of a codec transform"):
        load_codec(file)


def test_a_state_that_is_no_number_is_refused(tmp_path: Path) -> None:
    codec = copy.deepcopy(CODECS["transform"])
    with torch.no_grad():
        codec.step.fill_(float("nan"))
    file = tmp_path / "codec.safetensors"
    save_codec(codec, file)
    with pytest.raises(InputError, match="expected numbers in the state of a codec transform"):
        load_codec(file)


def test_any_bit_that_changes_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "codec.safetensors"
    rng = np.random.default_rng(5)
    for name in ("transform", "gumbel"):
        save_codec(next(codec for key, codec in CODECS.items() if key.startswith(name)), file)
        whole = file.read_bytes()
        first = 8 + int.from_bytes(whole[:8], "little")  # of the tensors; before it stands the header
        for _ in range(60):
            damaged = bytearray(whole)
            damaged[int(rng.integers(first, len(whole)))] ^= 1 << int(rng.integers(8))
            file.write_bytes(damaged)
            with pytest.raises(InputError, match=r"checksum|readable safetensors"):
                load_codec(file)
        file.write_bytes(whole)
        assert load_codec(file).codec_id
    assert [path.name for path in tmp_path.iterdir()] == ["codec.safetensors"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        save_codec(CODECS["topk-sent"], tmp_path / "nowhere" / "codec.safetensors")
