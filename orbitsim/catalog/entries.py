"""The entries of the catalogue: devices and models, each number with its basis, confidence and citation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Precision = Literal["fp32", "tf32", "fp16", "bf16", "int8"]
BYTES_PER_VALUE: Mapping[str, int] = {"fp32": 4, "tf32": 4, "fp16": 2, "bf16": 2, "int8": 1}

Count = Annotated[int, Field(ge=1)]


class Entry(BaseModel):
    """Base of what a catalogue file holds: frozen, unknown keys refused, no silent conversion of types."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Citation(Entry):
    """Where a number comes from."""

    text: Annotated[str, Field(min_length=1)]
    """Author or repository, title, version and place in it."""
    url: str = ""
    """Address of the source."""
    doi: str = ""
    """Digital object identifier."""


class Figure(Entry):
    """One number with what is known about it."""

    value: Annotated[float, Field(gt=0)]
    """The number; its unit is in the name of the key that holds the figure."""
    basis: Literal["measured", "published", "derived"]
    """Measured by the source on the real device, stated in a specification, or derived by the arithmetic in `note`."""
    confidence: Literal["high", "medium", "low"]
    """High: raw data or first party; medium: one third-party source, or conditions incomplete; low: conflict."""
    cite: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """Keys of the citations."""
    note: str = ""
    """Conditions, or the arithmetic of a derived figure."""

    @model_validator(mode="after")
    def _derived_says_how(self) -> Figure:
        if self.basis == "derived" and not self.note:
            raise ValueError("a derived figure needs a note with its arithmetic")
        return self


class Device(Entry):
    """A computer in one power mode."""

    name: str
    """Its name in the catalogue: the key of its table in the file."""
    title: str
    """What it is, in words."""
    board: str
    """The processor or board without its power mode: `device` of a trace."""
    power_mode: str
    """The power mode: `power_mode` of a trace."""
    memory_bytes: Figure | None = None
    """Memory that computing can use."""
    runtime_memory_bytes: Figure | None = None
    """Memory that the inference runtime takes beside weights and workspace."""
    bandwidth_bytes_s: Figure | None = None
    """Peak memory bandwidth."""
    host_clock_hz: Figure | None = None
    """Highest clock of the processor that launches the work: what overheads scale with."""
    active_power_w: Figure | None = None
    """Power while it computes."""
    power_limit_w: Figure | None = None
    """Power that it may draw at most: an upper bound, never used as consumption."""
    rate_flop_s: Mapping[Precision, Figure] = {}
    """FLOP/s that real work reaches, by precision."""
    throughput_tiles_s: Mapping[Precision, Mapping[str, Figure]] = {}
    """Whole-model tiles (images) a second, by precision and model."""
    peak_flop_s: Mapping[Precision, Figure] = {}
    """FLOP/s that the hardware cannot exceed, by precision: the last resort."""


class Architecture(Entry):
    """Configuration of a transformer: patches of an image, or tokens, through equal blocks to a head."""

    width: Count
    """Channels of a token."""
    mlp_width: Count
    """Hidden channels of the MLP."""
    n_heads: Count
    """Attention heads."""
    n_blocks: Count
    """Blocks: the layers that a plan assigns."""
    n_kv_heads: Count | None = None
    """Key and value heads; omitted: as many as heads."""
    head_width: Count | None = None
    """Channels of a head; omitted: width / n_heads."""
    gated_mlp: bool = False
    """Whether the MLP has a gate beside its first matrix (SwiGLU)."""
    norm: Literal["layer", "rms"] = "layer"
    """LayerNorm (scale and shift) or RMSNorm (scale)."""
    qkv_bias: bool = True
    """Whether query, key and value have biases."""
    bias: bool = True
    """Whether the other matrices of a block have biases."""
    layer_scale: bool = False
    """Whether both branches are scaled per channel before they are added."""
    image_px: Count | None = None
    """Side of the square image; vision models only."""
    patch_px: Count | None = None
    """Side of a patch; vision models only."""
    n_channels: Count = 3
    """Channels of the image."""
    n_extra_tokens: Annotated[int, Field(ge=0)] = 1
    """Tokens beside the patches: class token and registers; vision models only."""
    n_classes: Annotated[int, Field(ge=0)] = 1000
    """Outputs of the head on one token; vision models only; 0: no head."""
    n_vocabulary: Count | None = None
    """Entries of the token table; token models only."""
    n_tokens: Count | None = None
    """Tokens of one sample; token models only."""
    n_positions: Annotated[int, Field(ge=0)] = 0
    """Learned positions; 0: rotary or none; token models only."""
    tied_head: bool = True
    """Whether the head shares the token table's weights; token models only."""

    @model_validator(mode="after")
    def _consistent(self) -> Architecture:
        image = (self.image_px is not None, self.patch_px is not None)
        tokens = (self.n_vocabulary is not None, self.n_tokens is not None)
        if not (all(image) and not any(tokens)) and not (all(tokens) and not any(image)):
            raise ValueError("expected image_px and patch_px (a vision model), or n_vocabulary and n_tokens")
        if self.image_px and self.patch_px and self.image_px % self.patch_px:
            raise ValueError(f"expected image_px as a multiple of patch_px, got {self.image_px} and {self.patch_px}")
        if self.head_width is None and self.width % self.n_heads:
            raise ValueError(f"expected width as a multiple of n_heads, got {self.width} and {self.n_heads}")
        if self.n_kv_heads is not None and self.n_heads % self.n_kv_heads:
            raise ValueError(f"expected n_heads as a multiple of n_kv_heads, got {self.n_heads} and {self.n_kv_heads}")
        if self.n_positions and self.n_tokens and self.n_positions < self.n_tokens:
            raise ValueError(f"expected n_positions of at least n_tokens = {self.n_tokens}, got {self.n_positions}")
        return self


class ModelEntry(Entry):
    """A model: its configuration and what has been published about it."""

    name: str
    """Its name in the catalogue: the key of its table in the file."""
    title: str
    """What it is, in words."""
    architecture: Architecture
    """Its configuration."""
    cite: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """Keys of the citations of the configuration."""
    published_parameters: Figure | None = None
    """Parameters as a source states them, for comparison."""
    published_flop: Figure | None = None
    """FLOP of one sample as a source states them (1 MAC = 2 FLOP), for comparison."""
    published_memory_bytes: Figure | None = None
    """Memory of the whole model as a source states it; used only where a scenario asks for it."""


def cited(entry: Entry) -> Iterator[str]:
    """Yield the keys of all citations in an entry, in order, with repetitions."""
    for name in type(entry).model_fields:
        value = getattr(entry, name)
        if name == "cite":
            yield from value
        else:
            yield from _cited_within(value)


def _cited_within(value: Any) -> Iterator[str]:
    if isinstance(value, Entry):
        yield from cited(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _cited_within(item)
