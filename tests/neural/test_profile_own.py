"""Profiles of a module of the user's own: going on, its list of blocks, and what its factory may raise."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import nn  # noqa: E402

from orbitsim.errors import InputError  # noqa: E402
from orbitsim.neural.layout import find_block_list  # noqa: E402
from orbitsim.neural.profile import ProfileRequest, default_path, profile  # noqa: E402
from orbitsim.neural.timing import Limits  # noqa: E402
from orbitsim.workload.traces import read_trace  # noqa: E402

MODULE = """
from torch import nn

class Chain(nn.Module):
    def __init__(self, *lengths):
        super().__init__()
        for name, n in zip(("first", "second"), lengths):
            setattr(self, name, nn.Sequential(*(nn.Linear(4, 4) for _ in range(n))))

    def forward(self, x):
        for blocks in self.children():
            x = blocks(x)
        return x

def one():
    return Chain(2)

def tied():
    return Chain(2, 2)

def longer():
    return Chain(2, 3)

def broken():
    raise KeyError("weights of v2")
"""


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_chains.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return "my_chains"


def request(model: str, *, streamed: bool = False, **options: object) -> ProfileRequest:
    return ProfileRequest(
        model=model, model_options={"seed": 1, "input_shape": (3, 4), **options}, threads=(1,), allow_busy=True,
        limits=Limits(0.5, 0.05, 3, 5), streamed=streamed,
    )  # fmt: skip


def test_a_profile_with_an_input_shape_is_gone_on_with(factories: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    profile(request(f"{factories}:one"), path, command="c")
    notes: list[tuple[str, str]] = []
    profile(request(f"{factories}:one"), path, command="c", resume=True, note=lambda *words: notes.append(words))
    assert ("resumed", "1 of 1 combinations were measured before") in notes
    with pytest.raises(InputError, match=r"model.options.input_shape: expected \[3, 4\] to go on with, got \[5, 4\]"):
        profile(request(f"{factories}:one", input_shape=(5, 4)), path, command="c", resume=True)


@pytest.mark.parametrize("streamed", [False, True])
def test_the_list_that_was_found_is_said(factories: str, tmp_path: Path, *, streamed: bool) -> None:
    for options, said in (
        ({}, ["found 3 in second; choose another list with --blocks"]),
        ({"block_list": "first"}, []),
    ):
        notes: list[tuple[str, str]] = []
        profile(
            request(f"{factories}:longer", streamed=streamed, **options), tmp_path / "t.parquet", command="c",
            force=True, note=lambda *words, notes=notes: notes.append(words),
        )  # fmt: skip
        assert [message for label, message in notes if label == "blocks"] == said
        n = 2 if options else 3
        assert sum(row.block_kind == "block" for row in read_trace(tmp_path / "t.parquet").rows) == n


def test_lists_of_one_length_are_a_choice_of_the_users(factories: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found 2 of 2 blocks each \(first, second\); choose one with --blocks"):
        profile(request(f"{factories}:tied"), tmp_path / "t.parquet", command="c")
    profile(request(f"{factories}:tied", block_list="second"), tmp_path / "t.parquet", command="c")


def test_an_inner_list_of_the_same_length_is_no_rival() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)) for _ in range(2))

    assert find_block_list(Outer()) == "layers"


def test_a_factory_that_raises_is_told_in_words(factories: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"my_chains:broken to return .* it raised KeyError: 'weights of v2'"):
        profile(request(f"{factories}:broken"), tmp_path / "t.parquet", command="c")
    assert not (tmp_path / "t.parquet").exists()


@pytest.mark.parametrize(
    ("board", "model", "name"),
    [
        ("jetson-agx-orin", "vit-b", "jetson-agx-orin-vit-b.parquet"),
        ("my desk", "facebook/dinov2-base", "my-desk-facebook-dinov2-base.parquet"),
        ("../up", "/abs/model", "up-abs-model.parquet"),
    ],
)
def test_the_name_of_a_trace_is_a_name_in_this_folder(board: str, model: str, name: str) -> None:
    assert default_path(board, model) == Path(name)
