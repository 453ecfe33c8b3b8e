"""Activation codecs: speed on one thread and size, with zlib over the same float32 bytes beside them.

Run ``python benchmarks/codec.py [--images N] [--file ACTIVATIONS.npy]`` (needs the extra ``neural``). Without a file
the mini-batch is made: 257 tokens of 384 channels, of low rank, alike among neighbours, with outlying channels. Times
are CPU seconds of one thread, the median of five runs, so that a busy machine spoils them less; MB are 10**6 bytes of
float32 input.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from orbitsim.neural.codecs import fit_codec

RUNS = 5
SIDE, CHANNELS, RANK = 16, 384, 96
AIM_MB_PER_S = 50.0
CODECS = {
    "identity, fp32": ("identity", {}),
    "identity, fp16": ("identity", {"bits": 16}),
    "uniform, 8 bit": ("uniform", {"bits": 8}),
    "uniform, 5 bit a channel": ("uniform", {"bits": 5, "ranges": "channel"}),
    "uniform, 4 bit a channel": ("uniform", {"bits": 4, "ranges": "channel"}),
    "gumbel 25 %, 8 bit": ("gumbel", {"keep": 0.25}),
    "topk 20 %, 8 bit": ("topk", {"keep": 0.2}),
    "transform, error 0.02": ("transform", {"error": 0.02}),
}


def made_activations(n: int) -> Tensor:
    """Return a mini-batch with what activations have: low rank, smoothness, a class token, outlying channels."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(n, RANK, SIDE // 2, SIDE // 2, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic").flatten(2).transpose(1, 2)
    strength = torch.arange(1.0, RANK + 1.0) ** -0.7
    x = (fine * strength) @ torch.randn(RANK, CHANNELS, generator=generator)
    x = torch.cat([torch.randn(n, 1, CHANNELS, generator=generator), x], dim=1)
    x = x + 0.1 * torch.randn(x.shape, generator=generator)
    x[..., ::100] *= 15.0
    return x


def cpu_s(job: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return float(np.median(times))


def report(name: str, n_input: int, n_coded: int, encode_s: float, decode_s: float, error: float) -> float:
    mb = n_input / 1e6
    both = mb / (encode_s + decode_s)
    row = f"{mb / encode_s:10.0f}{mb / decode_s:10.0f}{both:10.0f}"
    print(f"  {name:28}{row}{n_input / n_coded:10.2f}{error:10.4f}", flush=True)
    return both


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=64, help="samples of the mini-batch")
    parser.add_argument("--file", type=Path, help="activations (samples, tokens, channels) to calibrate and measure on")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = torch.from_numpy(np.load(arguments.file)) if arguments.file else made_activations(2 * arguments.images)
    calibration, x = source[: -arguments.images], source[-arguments.images :]
    n_input = 4 * x.numel()
    spread = float((x - x.mean((0, 1))).double().square().sum())
    print(f"codecs on a mini-batch {tuple(x.shape)}, {n_input / 1e6:.1f} MB of float32; one thread, CPU time")
    print(f"  {'':28}{'enc MB/s':>10}{'dec MB/s':>10}{'both MB/s':>10}{'ratio':>10}{'error':>10}")
    plain = x.numpy().tobytes()
    packed = zlib.compress(plain, 1)
    report(
        "zlib, level 1",
        n_input,
        len(packed),
        cpu_s(lambda: zlib.compress(plain, 1)),
        cpu_s(lambda: zlib.decompress(packed)),
        0.0,
    )
    slow = []
    for name, (kind, settings) in CODECS.items():
        codec = fit_codec(kind, calibration, **settings)
        data = codec.encode(x)
        restored = codec.decode(data)
        with torch.no_grad():
            assert torch.equal(restored, codec(x))
        error = float((restored - x).double().square().sum()) / spread
        encode_s, decode_s = cpu_s(lambda c=codec: c.encode(x)), cpu_s(lambda c=codec, d=data: c.decode(d))
        if report(name, n_input, len(data), encode_s, decode_s, error) < AIM_MB_PER_S:
            slow.append(name)
    print(f"  below the aim of {AIM_MB_PER_S:.0f} MB/s for both: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
