"""The trained static mask of paper 001 (Eqs. 1-5), with its errata: one logit for each token and channel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from orbitsim.neural.codecs.base import Shape
from orbitsim.neural.codecs.elementwise import ElementwiseCodec
from orbitsim.neural.codecs.entropy import SymbolReader
from orbitsim.neural.codecs.setting_faults import SettingFaults, is_number
from orbitsim.neural.codecs.straight_through import straight_through


def gumbel_temperature(epoch: float, n_epochs: float, initial: float, smallest: float) -> float:
    """Return the annealed temperature of Eq. (5) [1]."""
    return max(smallest, initial * (1.0 - epoch / n_epochs))


class GumbelCodec(ElementwiseCodec):
    """A mask of zeros and ones, trained with Gumbel noise and a straight-through estimator, then quantisation.

    In training a value is kept if sigmoid((logit + noise) / temperature) > 1/2, where the noise is the difference of
    two Gumbel variables, which is logistic: so the probability of keeping is sigmoid(logit), as Eq. (4) counts it (with
    one Gumbel, as Eq. (1) prints, it would be 1 - exp(-exp(logit))). What is sent is mask * value; Eq. (3) as printed
    would change nothing. In evaluation there is no noise: kept is what has a logit above zero, known to both ends, so
    no index is sent.

    Parameters
    ----------
    n_tokens, n_channels : int
        Tokens and channels of an activation: one logit for each pair.
    initial_logit : float
        Logit of all pairs before training. [1]
    **quantisation
        Those of `ElementwiseCodec`.
    """

    kind = "gumbel"
    number = 3

    def __init__(self, *, n_tokens: int, n_channels: int, initial_logit: float = 1.0, **quantisation: Any) -> None:
        faults = SettingFaults(f"codec {self.kind}")
        form: dict[str, Any] = {"n_tokens": n_tokens, "n_channels": n_channels}
        for name, number in form.items():
            if number is None:  # which other codecs allow
                faults.whole(name, number, 1)
        if not is_number(initial_logit):
            faults.add("initial_logit", f"expected a finite number, got {initial_logit!r}")
        with faults.and_those_inside():
            super().__init__(**form, **quantisation)
        self.logits = nn.Parameter(torch.full((n_tokens, n_channels), float(initial_logit)))
        self.register_buffer("temperature", torch.ones(()))
        self.temperature: Tensor
        self.generator: torch.Generator | None = None  # of the training noise; torch's own where there is none

    def wire_state(self) -> dict[str, Tensor]:
        """Return the mask beside calibrated ranges and centre; the logits themselves are not shared."""
        return {**super().wire_state(), "mask": self.logits.detach() > 0}

    def sparsity_loss(self) -> Tensor:
        """Return the expected share of kept values, Eq. (4) without its weight, 0-dimensional [1]."""
        return torch.sigmoid(self.logits).mean()

    def keep_share(self) -> float:
        """Return the share of values that evaluation keeps [1]."""
        return float((self.logits.detach() > 0).double().mean())

    def _mask(self, x: Tensor) -> Tensor:  # noqa: ARG002 (static: whatever the values)
        return self.logits.detach() > 0

    def _read_mask(self, reader: SymbolReader, shape: Shape) -> Tensor:  # noqa: ARG002
        return self.logits.detach() > 0

    def _soft_mask(self, x: Tensor, mask: Tensor | None) -> Tensor:  # noqa: ARG002
        return self._binarised(self.logits)

    def _drawn_masks(self, x: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        uniform = torch.rand(self.logits.shape, generator=self.generator, device=self.logits.device)
        disturbed = self.logits + torch.logit(uniform, eps=1e-6)
        return disturbed.detach() > 0, self._binarised(disturbed)

    def _binarised(self, logits: Tensor) -> Tensor:
        """Return zeros and ones with the gradient of the sigmoid (Eqs. 1 and 2)."""
        return straight_through((logits.detach() > 0).to(logits.dtype), torch.sigmoid(logits / self.temperature))
