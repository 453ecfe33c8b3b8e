"""All codecs at once: every stage sees what the codec before it restored from a real stream."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orbitsim.neural.codecs.base import Codec
from orbitsim.neural.evaluation.backbone import Precision, arithmetic
from orbitsim.neural.evaluation.clean_run import CleanRun, FloatArray, IntArray, Report, quiet_report
from orbitsim.neural.images import batches
from orbitsim.neural.probe import pooled
from orbitsim.neural.split import SplitModel

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CodedRun:
    """What became of the images of a clean run under codecs.

    Attributes
    ----------
    pooled : ndarray of float32, (n, features)
        What the probe sees, in the order of the clean run.
    token_error, pooled_error : float
        Squared error over variance, of the final features of all tokens and of what the probe sees. [1]
    n_images : ndarray, (n_batches,)
        Images of each mini-batch.
    coded_bytes : ndarray, (n_cuts, n_batches)
        Length of each stream, header and checksum included. [byte]
    stage_bytes : ndarray, (n_cuts, 4)
        Bytes in fp32, sparsified, quantised and coded of the mini-batches that were looked at stage by stage. [byte]
    encode_s, decode_s : ndarray, (n_cuts,)
        Time of all streams of a cut. [s]
    value_bytes : int
        An activation of one image in fp32. [byte]
    """

    pooled: FloatArray
    token_error: float
    pooled_error: float
    n_images: IntArray
    coded_bytes: IntArray
    stage_bytes: IntArray
    encode_s: Array
    decode_s: Array
    value_bytes: int

    @property
    def ratio(self) -> Array:
        """How often the bytes of each cut go into its fp32 activation [1]."""
        ratio: Array = self.value_bytes * self.n_images.sum() / self.coded_bytes.sum(1)
        return ratio

    @property
    def total_ratio(self) -> float:
        """How often the bytes of all cuts go into their fp32 activations [1]."""
        return float(len(self.coded_bytes) * self.value_bytes * self.n_images.sum() / self.coded_bytes.sum())


def run_coded(
    split: SplitModel,
    codecs: Sequence[Codec | None],
    clean: CleanRun,
    order: IntArray,
    *,
    batch_size: int = 64,
    precision: Precision = "bf16",
    n_staged: int = 2,
    report: Report = quiet_report,
) -> CodedRun:
    """Send images through all cuts as real streams, mini-batch by mini-batch.

    Parameters
    ----------
    split : SplitModel
        The model, cut; its own codecs are not looked at.
    codecs : sequence of Codec or None
        One for each cut, in evaluation mode; None sends the activation as it is in fp32.
    clean : CleanRun
        The same model and first cut without codecs.
    order : ndarray
        Images in the order in which they fill the mini-batches.
    batch_size, precision
        Images of a mini-batch; arithmetic of the stages.
    n_staged : int
        Mini-batches whose sizes are taken stage by stage.
    report : callable
        Told of progress.
    """
    device = next(split.parameters()).device
    n_cuts = len(codecs)
    groups = list(batches(order, batch_size))
    sizes = np.zeros((n_cuts, len(groups)), dtype=np.int64)
    staged = np.zeros((n_cuts, 4), dtype=np.int64)
    encode_s, decode_s = np.zeros(n_cuts), np.zeros(n_cuts)
    seen = np.zeros_like(clean.pooled)
    squared_error = 0.0
    value_bytes = 4 * int(np.prod(clean.first.shape[1:]))
    for number, group in enumerate(groups):
        x = torch.from_numpy(np.ascontiguousarray(clean.first[group])).to(device)
        for k, codec in enumerate(codecs):
            if codec is None:
                sizes[k, number] = 4 * x.numel()
                staged[k] += 4 * x.numel() if number < n_staged else 0
            else:
                if number < n_staged:
                    staged[k] += _stages(codec, x)
                x, n_bytes, seconds = _crossed(codec, x)
                sizes[k, number] = n_bytes
                encode_s[k] += seconds[0]
                decode_s[k] += seconds[1]
            with torch.inference_mode(), arithmetic(device, precision):
                x = split.stages[k + 1](x)
            x = x.float()
        wanted = torch.from_numpy(clean.final[group].astype(np.float32)).to(device)
        squared_error += float(((x - wanted).double() ** 2).sum())
        seen[group] = pooled(x).cpu().numpy()
        report("images through codecs", int(sum(len(g) for g in groups[: number + 1])), len(order))
    difference = seen[order].astype(np.float64) - clean.pooled[order]
    spread = clean.pooled[order].astype(np.float64) - clean.pooled[order].mean(0, dtype=np.float64)
    total = float((spread**2).sum())  # nothing for a single image, as a fold of few images may be
    return CodedRun(
        seen,
        squared_error / token_spread(clean, order),
        float((difference**2).sum()) / total if total > 0.0 else math.nan,
        np.array([len(group) for group in groups], dtype=np.int64),
        sizes,
        staged,
        encode_s,
        decode_s,
        value_bytes,
    )


def token_spread(clean: CleanRun, order: IntArray) -> float:
    """Return the squared distance of all final features from the mean of their channel, summed."""
    total, square, n = 0.0, 0.0, 0
    for group in batches(order, 64):
        values = clean.final[group].astype(np.float64).reshape(-1, clean.final.shape[2])
        total = total + values.sum(0)
        square += float((values**2).sum())
        n += len(values)
    return square - float((np.asarray(total) ** 2).sum()) / n


def _crossed(codec: Codec, x: Tensor) -> tuple[Tensor, int, tuple[float, float]]:
    """Return what the receiver restores, the length of the stream, and the seconds of encoding and decoding."""
    begin = time.perf_counter()
    data = codec.encode(x)
    middle = time.perf_counter()
    restored = codec.decode(data)
    return restored, len(data), (middle - begin, time.perf_counter() - middle)


def _stages(codec: Codec, x: Tensor) -> IntArray:
    parts = codec.size_parts(x)
    found = [parts.uncompressed_bytes, parts.sparsified_bytes, parts.quantised_bytes, parts.coded_bytes]
    return np.array(found, dtype=np.int64)
