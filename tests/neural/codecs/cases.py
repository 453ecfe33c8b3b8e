"""Codecs and mini-batches for the tests."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from orbitsim.neural.codecs import Codec, fit_codec, make_codec
from orbitsim.neural.codecs.token_grid import TokenGrid

TOKENS, CHANNELS = 10, 6  # one class token and a grid of three by three
GRID = TokenGrid(n_prefix=1, height=3, width=3, block_height=2, block_width=3)
LARGEST = float(np.finfo(np.float32).max)


def natural(n: int = 24, tokens: int = TOKENS, channels: int = CHANNELS, seed: int = 0) -> Tensor:
    """Return activations whose channels and neighbouring tokens depend on each other, with an outlying channel."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=torch.Generator().manual_seed(99))
    x = torch.randn(n, tokens, channels, generator=generator).cumsum(1) * 0.3 @ mixing
    x[..., :1] = x[..., :1] * 20.0 + 50.0
    return x


def all_codecs() -> dict[str, Codec]:
    """Return a codec of every kind and of every setting that changes how it works, calibrated, in evaluation mode."""
    x = natural()
    form = {"n_tokens": TOKENS, "n_channels": CHANNELS}
    codecs = {
        "identity-32": make_codec("identity"),
        "identity-16": make_codec("identity", bits=16),
        "gumbel-none": make_codec("gumbel", initial_logit=-1.0, **form),
        "gumbel-all": make_codec("gumbel", initial_logit=1.0, bits=5, ranges="channel", **form),
        "gumbel-some": fit_codec("gumbel", x, keep=0.3, centred=True),
        "gumbel-calibrated": fit_codec("gumbel", x, keep=0.5, calibrated=True, ranges="channel", bits=4),
        "topk-sent": make_codec("topk", keep=0.2),
        "topk-one": make_codec("topk", keep=0.001, bits=2),
        "topk-all": make_codec("topk", keep=1.0, ranges="channel"),
        "topk-calibrated": fit_codec("topk", x, keep=0.3, centred=True, calibrated=True),
        "random-topk": make_codec("random-topk", keep=0.3, chance=0.2),
        "transform": fit_codec("transform", x, step=0.5, grid=GRID),
        "transform-coarse": fit_codec("transform", x, step=500.0, grid=GRID),
        "transform-sequence": fit_codec(
            "transform", x, x.flip(0), step=0.2, n_levels=3, grid=TokenGrid(0, TOKENS, 1, 4, 1), n_classes=4, slope=0.0
        ),
        "transform-untrained": make_codec("transform", n_channels=CHANNELS, grid=GRID, n_components=4),
    }
    for bits in range(2, 9):
        for ranges in ("tensor", "channel"):
            codecs[f"uniform-{bits}-{ranges}"] = make_codec("uniform", bits=bits, ranges=ranges)
    codecs["uniform-signed"] = make_codec("uniform", bits=4, signed_zero=True)
    codecs["uniform-calibrated"] = fit_codec("uniform", x, bits=6, ranges="channel", calibrated=True)
    codecs["uniform-centred"] = fit_codec("uniform", x, bits=3, centred=True)
    return {name: codec.eval() for name, codec in codecs.items()}


CODECS = all_codecs()

values = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(-10, 10, width=32),
    st.sampled_from([0.0, -0.0, 1e38, -1e38, LARGEST, -LARGEST, 1e-45, -1e-45, 1e-40, 65504.0, 1e30]),
)


@st.composite
def batches(draw: st.DrawFn, tokens: int = TOKENS, channels: int = CHANNELS, max_batch: int = 3) -> Tensor:
    """Draw a mini-batch: any values, few distinct ones, a constant, or natural ones scaled; of the three types."""
    shape = (draw(st.integers(0, max_batch)), tokens, channels)
    form = draw(st.sampled_from(["any", "few", "constant", "natural"]))
    if form == "natural":
        x = natural(shape[0], tokens, channels, draw(st.integers(0, 99))) * 10.0 ** draw(st.integers(-40, 30))
    elif form == "constant":
        x = torch.full(shape, draw(values))
    else:
        pool = draw(st.lists(values, min_size=1, max_size=3 if form == "few" else 40))
        chosen = np.random.default_rng(draw(st.integers(0, 999))).choice(np.array(pool, dtype=np.float32), size=shape)
        x = torch.from_numpy(chosen)
    x = x.clamp(-LARGEST, LARGEST).to(draw(st.sampled_from([torch.float32, torch.float16, torch.bfloat16])))
    limit = torch.finfo(x.dtype).max
    return x.clamp(-limit, limit)


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors agree in type, shape and every bit, the sign of zero included."""
    whole = {torch.float32: torch.int32, torch.float16: torch.int16, torch.bfloat16: torch.int16}[a.dtype]
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.view(whole), b.view(whole))
