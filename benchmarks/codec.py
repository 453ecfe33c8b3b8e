"""Activation codecs: speed on one thread and size, beside general compressors on the same activations.

Run ``python benchmarks/codec.py [--images N] [--file ACTIVATIONS.npy]`` (needs the extra ``neural``). Without a file
the mini-batch is made: 257 tokens of 384 channels, of low rank, alike among neighbours, with outlying channels. Times
are CPU seconds of one thread, the median of seven runs, so that a busy machine spoils them less; MB are 10**6 bytes of
float32 input. Rivals are zlib (and zstd where Python has it, from 3.14 on): on the float32 bytes, which loses nothing,
and on the same 8-bit codes as ours, which loses what our codec of 8 bits does. The last column says how many times as
fast as zlib on float32 each is, both ways together: it changes less from machine to machine than MB/s do.
"""

from __future__ import annotations

import argparse
import importlib
import os
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's products; torch's threads are set below

import numpy as np
import torch
from torch import Tensor

from orbitsim.neural.codecs import fit_codec
from orbitsim.neural.codecs.quantiser import dequantise, measure_ranges, quantise, with_zero

RUNS = 7
SIDE, CHANNELS, RANK = 16, 384, 96
AIM_MB_PER_S = 50.0
CODECS: dict[str, tuple[str, dict[str, Any]]] = {
    "identity, fp32": ("identity", {}),
    "identity, fp16": ("identity", {"bits": 16}),
    "uniform, 8 bit": ("uniform", {"bits": 8}),
    "uniform, 8 bit a channel": ("uniform", {"bits": 8, "ranges": "channel", "calibrated": True, "centred": True}),
    "uniform, 5 bit a channel": ("uniform", {"bits": 5, "ranges": "channel"}),
    "uniform, 4 bit a channel": ("uniform", {"bits": 4, "ranges": "channel"}),
    "gumbel 25 %, 8 bit": ("gumbel", {"keep": 0.25}),
    "topk 20 %, 8 bit": ("topk", {"keep": 0.2}),
    "topk 5 %, 8 bit": ("topk", {"keep": 0.05}),
    "random-topk 20 %, 8 bit": ("random-topk", {"keep": 0.2}),
    "transform, error 0.02": ("transform", {"error": 0.02}),
    "transform, error 0.1": ("transform", {"error": 0.1}),
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


class Table:
    """Rows of speeds, sizes and errors; the first row is what the others are compared with."""

    def __init__(self, x: Tensor) -> None:
        self._x = x
        self._input_mb = 4e-6 * x.numel()
        self._spread = float((x - x.mean((0, 1))).double().square().sum())
        self._first_s: float | None = None
        heads = ("enc MB/s", "dec MB/s", "both MB/s", "ratio", "error", "x zlib")
        print(f"  {'':28}" + "".join(f"{head:>10}" for head in heads))

    def row(self, name: str, encode: Callable[[], bytes], decode: Callable[[bytes], Tensor]) -> float:
        """Measure and print one; return the speed of both ways together [MB/s]."""
        data = encode()
        error = float((decode(data) - self._x).double().square().sum()) / self._spread
        encode_s, decode_s = cpu_s(encode), cpu_s(lambda: decode(data))
        both_s = encode_s + decode_s
        self._first_s = both_s if self._first_s is None else self._first_s
        mb = self._input_mb
        speeds = f"{mb / encode_s:10.0f}{mb / decode_s:10.0f}{mb / both_s:10.0f}"
        print(f"  {name:28}{speeds}{1e6 * mb / len(data):10.2f}{error:10.4f}{self._first_s / both_s:10.1f}", flush=True)
        return mb / both_s


def rivals() -> dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]]:
    """Return general compressors by name: to bytes and back."""
    found: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
        "zlib 1": (lambda plain: zlib.compress(plain, 1), zlib.decompress),
    }
    try:
        zstd = importlib.import_module("compression.zstd")
    except ImportError:
        return found
    return {**found, "zstd 3": (lambda plain: zstd.compress(plain, 3), zstd.decompress)}


def measure_rivals(table: Table, x: Tensor) -> None:
    ranges = with_zero(measure_ranges(x, None, per_channel=False), 8)

    def codes_of(x: Tensor) -> bytes:
        return quantise(x, with_zero(measure_ranges(x, None, per_channel=False), 8), 8).numpy().tobytes()

    def from_codes(plain: bytes) -> Tensor:
        return dequantise(torch.frombuffer(bytearray(plain), dtype=torch.uint8).reshape(x.shape), ranges, 8)

    def from_values(plain: bytes) -> Tensor:
        return torch.frombuffer(bytearray(plain), dtype=torch.float32).reshape(x.shape)

    for what, to_plain, from_plain in (
        ("fp32", lambda: x.numpy().tobytes(), from_values),
        ("8 bit codes", lambda: codes_of(x), from_codes),
    ):
        for name, (press, expand) in rivals().items():
            table.row(
                f"{name}, {what}",
                lambda press=press, to_plain=to_plain: press(to_plain()),  # type: ignore[misc]
                lambda data, expand=expand, from_plain=from_plain: from_plain(expand(data)),  # type: ignore[misc]
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=64, help="samples of the mini-batch")
    parser.add_argument("--file", type=Path, help="activations (samples, tokens, channels) to calibrate and measure on")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = torch.from_numpy(np.load(arguments.file)) if arguments.file else made_activations(2 * arguments.images)
    calibration, x = source[: -arguments.images], source[-arguments.images :]
    print(f"codecs on a mini-batch {tuple(x.shape)}, {4e-6 * x.numel():.1f} MB of float32; one thread, CPU time")
    table = Table(x)
    measure_rivals(table, x)
    slow, fits = [], []
    for name, (kind, settings) in CODECS.items():
        start = time.process_time()
        codec = fit_codec(kind, calibration, **settings)
        fits.append(f"{name}: {time.process_time() - start:.1f} s")
        with torch.no_grad():
            assert torch.equal(codec.decode(codec.encode(x)), codec(x))
        if table.row(name, lambda codec=codec: codec.encode(x), codec.decode) < AIM_MB_PER_S:  # type: ignore[misc]
            slow.append(name)
    print(f"  fitted to {len(calibration)} samples: " + "; ".join(fit for fit in fits if "transform" in fit))
    print(f"  below the aim of {AIM_MB_PER_S:.0f} MB/s for both: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
