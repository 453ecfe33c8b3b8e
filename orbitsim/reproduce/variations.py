"""What the paper leaves open, what is taken for it, and what else could have been taken.

Every assumption has one variation or more; each is one row of the sensitivity tables, computed in the idealised twin.
Figures come from the paper, the catalogue or the sources cited there. None is chosen to meet a result.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orbitsim.reproduce.idealised import Speed
from orbitsim.reproduce.setting import MODELS, downlink, model_settings, title_of
from orbitsim.types.experiment import Assumption


@dataclass(frozen=True, slots=True)
class Variation:
    """An assumption taken otherwise.

    Attributes
    ----------
    assumption : str
        Name of the assumption.
    words : str
        What is taken instead.
    settings : tuple of str
        Changes of the scenario.
    speed : Speed
        Of the computers.
    """

    assumption: str
    words: str
    settings: tuple[str, ...] = ()
    speed: Speed = field(default_factory=Speed)


ASSUMPTIONS = {
    each.name: each
    for each in (
        Assumption(
            "model",
            "ViT-G",
            "the figure's model is not stated; ViT-G is the one that needs several satellites, and the one that "
            "Figs. 9 and 12 name",
        ),
        Assumption(
            "downlink rate",
            "6 Gbit/s",
            "the figure's rate is not stated; Table II has 6 Gbit/s, Fig. 4 has 0.2 to 0.8 Gbit/s",
        ),
        Assumption(
            "crosslink rate",
            "0.5 Gbit/s, also for what the paper calls T_0",
            "Table II; the terminal of Section VI-A3 would carry 9.3 Gbit/s at the distance of 12 satellites in a "
            "plane",
        ),
        Assumption(
            "board speed",
            "2.64, 5.63 and 7.11 TFLOP/s (FP16) in 15, 30 and 50 W",
            "best matrix product measured in each mode; no ViT at batch 64 on this board is published",
        ),
        Assumption(
            "board order",
            "50, 30, 15, 50 and 30 W along the chain",
            "the paper names the three modes, not which satellite has which",
        ),
        Assumption(
            "ground speed",
            "64 tiles/s of ViT-G (443 of ViT-L, 1,353 of ViT-B)",
            "measured on an RTX 4090 at batch 512 to 1,024, scaled to the RTX 4070 Ti by SM and clock",
        ),
        Assumption(
            "precision", "fp16", "not stated; Tables IV and V rest on trained models in PyTorch, whose default is fp32"
        ),
        Assumption(
            "memory of a satellite",
            "8 GB, and Table III spread over the blocks",
            "Section VI-A1 and Table III; the boards themselves have 64 GB",
        ),
        Assumption(
            "codec",
            "a 23.28th of fp32, at 0.97 points of loss",
            "the worst cut of Fig. 8 and the worst row of Tables IV and V (0.96 points as printed, 93.17 - 92.21, "
            "taken one step of the last digit higher for its rounding), which are of other models",
        ),
        Assumption(
            "delay model",
            "exact: processors and links work at the same time, each on one mini-batch",
            "what a network does; Eqs. (8) to (11) and (14) differ from it wherever transfers are not all equal",
        ),
        Assumption(
            "sensing satellite",
            "is the first of five that compute",
            "Table II has five satellites and four Jetsons, Figs. 8 and 12 five that compute",
        ),
        Assumption(
            "raw pixel", "3 bytes", "Section IV-A2 has S_input = N P without bytes a pixel; the data sets are RGB"
        ),
        Assumption(
            "raw tiles",
            "an image is sent as the padded tiles that the model takes",
            "Section VI-B1 speaks of more mini-batches at higher resolution, not of resizing; padding adds to what "
            "is sent",
        ),
        Assumption(
            "last mini-batch",
            "padded to a full one, in time and in bytes",
            "every mini-batch costs the same in Eqs. (8) to (14); at 240p 1,200 tiles are 18.75 mini-batches, charged "
            "as 19 (1.3 % high), at 1080p 210.9, charged as 211 (0.03 %)",
        ),
        Assumption(
            "activation",
            "4 bytes a value before compression",
            "Section IV-A2 has S_k = N S D without bytes a value; Fig. 8 counts from 32 bits",
        ),
        Assumption(
            "images",
            "300 a task, cut to tiles of 224 px, mini-batches of 64 tiles",
            "Section VI-A1 and Table II; that tiles, not images, fill a mini-batch is read from Section VI-B1",
        ),
    )
}

_GROUND_HALF = Speed(ground=0.5)
ONE_TILE = "every image shrunk to one tile"

VARIATIONS = (
    *(Variation("model", title_of(model), model_settings(model)) for model in MODELS[:-1]),
    Variation("downlink rate", "0.8 Gbit/s, the highest of Fig. 4", (downlink(0.8e9),)),
    Variation("downlink rate", "0.2 Gbit/s, the lowest of Fig. 4", (downlink(0.2e9),)),
    Variation("crosslink rate", "9.3 Gbit/s, from the terminal's figures", ("links.isl.rate_bps=9.3e9",)),
    Variation("board speed", "the data sheet's FP16 peak: 5.0, 10.0 and 26.7 TFLOP/s", (), Speed(boards_at_peak=True)),
    Variation("board speed", "all boards in MAXN, 14.2 TFLOP/s", ('shells.0.devices=["jetson-agx-orin-maxn"]',)),
    Variation(
        "board order",
        "15, 30, 50, 15 and 30 W",
        ('shells.0.devices=["jetson-agx-orin-15w", "jetson-agx-orin-30w", "jetson-agx-orin-50w"]',),
    ),
    Variation("ground speed", "half of that", (), _GROUND_HALF),
    Variation("precision", "fp32", ('workload.precision="fp32"',)),
    Variation("memory of a satellite", "64 GB, as the boards have", ("shells.0.memory_bytes=64e9",)),
    Variation("codec", "none", ("codec.ratio=[1.0]", "codec.accuracy=[1.0]")),
    Variation(
        "codec", "an 11.56th: without entropy coding", (f"codec.ratio=[{1 / 11.56:.6f}]", "codec.accuracy=[1.0]")
    ),
    Variation("delay model", "the paper's, Eqs. (11) and (14)", ('planner.delay_model="paper"',)),
    Variation("delay model", "sequential: a node computes or sends", ('planner.delay_model="sequential"',)),
    Variation(
        "sensing satellite",
        "only senses; four others compute",
        ("workload.sensor_computes=false", "planner.max_compute_nodes=4"),
    ),
    Variation("raw pixel", "1 byte", ("workload.bytes_per_pixel=1.0",)),
    Variation(
        "raw tiles",
        "as many bytes as the image has at 1080p: 2.755 a pixel of a tile",
        (f"workload.bytes_per_pixel={3.0 * 1920 * 1080 / (45 * 224**2):.6f}",),
    ),
    Variation("images", ONE_TILE, ("workload.resolution=[224, 224]",)),
    Variation("images", "30 a task", ("workload.images_per_task=30",)),
    Variation("activation", "2 bytes a value (fp16)", ("workload.activation_bytes_per_value=2",)),
)


def assumptions(*names: str) -> tuple[Assumption, ...]:
    """Return assumptions by name, in the order of the names."""
    return tuple(ASSUMPTIONS[name] for name in names)


def variations(*names: str) -> tuple[Variation, ...]:
    """Return the variations of assumptions, in the order of `VARIATIONS`."""
    return tuple(each for each in VARIATIONS if each.assumption in names)
