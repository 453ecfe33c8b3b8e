"""Masks held at a share of kept values."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from orbitsim.neural.codecs.gumbel import GumbelCodec


def shift_to_share(masks: Sequence[GumbelCodec], share: float) -> None:
    """Shift the logits of all masks by one number, so that together they keep a share of their values, in place.

    Parameters
    ----------
    masks : sequence of GumbelCodec
        Masks; where logits are equal the share is met as far as it can be.
    share : float
        In (0, 1]. [1]
    """
    logits = torch.cat([mask.logits.detach().flatten() for mask in masks])
    n_kept = min(max(round(share * len(logits)), 1), len(logits))
    ordered = logits.sort(descending=True).values
    last = ordered[n_kept - 1]
    border = (last + ordered[n_kept]) / 2.0 if n_kept < len(logits) else last - 1.0
    if n_kept < len(logits) or last <= 0.0:
        with torch.no_grad():
            for mask in masks:
                mask.logits.sub_(border)
