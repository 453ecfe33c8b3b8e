"""Tables II and III: the parameters of the paper's simulation beside what its own figures give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from orbitsim import catalog
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.space import Space
from orbitsim.report.palette import COLORS
from orbitsim.reproduce.figures import PUBLISHED, new_figure
from orbitsim.reproduce.setting import MODELS, PAPER, TABLE3_MEMORY_BYTES, Setting, model_settings, title_of
from orbitsim.results.wording import size
from orbitsim.types.experiment import Assumption, Bench, Data, Effect, Experiment, Finding, Statement
from orbitsim.workload.cost import layer_costs
from orbitsim.workload.models import model_graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTING = Setting(base="leo12-vitg-budget")
STATED_DOWNLINK_BPS, STATED_ISL_BPS, STATED_WINDOW_S = 6e9, 0.5e9, 600.0
STATED_PARAMETERS = {"vit-b": 0.086e9, "vit-l": 0.307e9, "vit-h": 0.632e9, "vit-g": 1.8e9}
MASKS_DEG = (0.0, 10.0, 50.0)
_BOARD = "jetson-agx-orin-50w"

STATEMENTS = (
    Statement(
        "downlink rate", "Table II", "the link to the ground carries 6 Gbit/s", {"rate_bps": STATED_DOWNLINK_BPS}
    ),
    Statement("crosslink rate", "Table II", "a crosslink carries 0.5 Gbit/s", {"rate_bps": STATED_ISL_BPS}),
    Statement("window", "Table II", "a satellite's downlink window is 10 minutes", {"window_s": STATED_WINDOW_S}),
    Statement(
        "parameters",
        "Table III",
        "ViT-B, -L, -H and -G have 0.086, 0.307, 0.632 and 1.8 billion parameters",
        {title_of(model): n for model, n in STATED_PARAMETERS.items()},
    ),
    Statement(
        "memory",
        "Table III",
        "they take 2, 4, 7 and 12 GB of memory",
        {title_of(model): n for model, n in TABLE3_MEMORY_BYTES.items()},
    ),
    Statement(
        "one satellite", "Section III-A", "the whole model (ViT-G) cannot be deployed on a single 8 GB satellite"
    ),
)

ASSUMED = (
    Assumption("path loss exponent", "2", "free space; the paper's 2.5 leaves the link below a hundredth of Table II"),
    Assumption("receiving antenna", "37 dBi, as the satellite's", "the paper states one antenna gain"),
    Assumption("optical noise", "thermal, k T B", "Section VI-A3; it lies 15 dB below the quantum limit"),
    Assumption("visibility angle", "50 deg of elevation", "Section VI-A3 does not say where the angle is measured"),
    Assumption(
        "memory of a model", "fp16 weights, workspace of one block at batch 64, runtime", "Table III says only what"
    ),
)


def measure(bench: Bench) -> dict[str, Any]:
    """Compute rates and contacts from terminals and geometry, sizes from the models' configurations."""
    day = ("clock.duration_s=7200.0", "shells.0.raan_deg=130.0") if bench.small else ()
    base = SETTING.plus(*day)
    variants = {
        "exponent 2.5": base.plus("links.downlink.path_loss_exponent=2.5"),
        "no receiving antenna": base.plus("links.downlink.receive_gain_dbi=0.0"),
        "quantum noise": base.plus('links.isl.noise="quantum"'),
        "50 deg off nadir": base.plus("links.downlink.max_off_nadir_deg=50.0"),
        "0 deg of elevation": base.plus("links.downlink.min_elevation_deg=0.0"),
        "10 deg of elevation": base.plus("links.downlink.min_elevation_deg=10.0"),
    }
    return {
        "base": _links(base),
        "variants": {name: _links(setting) for name, setting in variants.items()},
        "models": {title_of(model): _model(model) for model in MODELS},
        "fits": {
            f"{precision}, 8 GB": {title_of(model): _model(model)["memory_bytes"][precision] <= 8e9 for model in MODELS}
            for precision in ("fp16", "fp32")
        },
    }


def _links(setting: Setting) -> dict[str, Any]:
    space = Space(setting.scenario())
    links = LinkBook(space)
    station = space.n_satellites
    rates = np.concatenate([links.link(s, station).curve.rates_bps for s in range(space.n_satellites)])
    isl = links.link(space.sensor, int(space.successors[space.sensor])).curve.rates_bps
    contacts = space.contacts.for_site(0)
    spans_s = contacts.end_s - contacts.start_s
    open_bps = rates[rates > 0.0]
    return {
        "downlink_bps": [float(open_bps.min()), float(open_bps.max())] if open_bps.size else None,
        "isl_bps": [float(isl[isl > 0.0].min()), float(isl.max())],
        "contacts": len(spans_s),
        "window_s": [float(spans_s.mean()), float(spans_s.max())] if len(spans_s) else None,
        "share": float(spans_s.sum() / setting.scenario().clock.duration_s),
    }


def _model(model: str) -> dict[str, Any]:
    graph = model_graph(catalog.model(model))
    memory = {}
    for precision in ("fp16", "fp32"):
        costs = layer_costs(
            catalog.device(_BOARD), graph, precision=precision, batch_size=64, bytes_per_pixel=3.0,
            activation_bytes_per_value=4,
        )  # fmt: skip
        memory[precision] = float(costs.memory_bytes.sum() + costs.memory_overhead_bytes)
    return {"n_parameters": float(graph.n_parameters.sum()), "memory_bytes": memory, "n_layers": graph.n_layers}


def _gbps(span: list[float] | None) -> str:
    if span is None:
        return "nothing"
    low, high = (value / 1e9 for value in span)
    return f"{low:.3g} Gbit/s" if high < 1.01 * low else f"{low:.3g} to {high:.3g} Gbit/s"


def judge(data: Data) -> list[Finding]:
    """Set the statements beside what was found."""
    base, variants = data["base"], data["variants"]
    top_bps = base["downlink_bps"][1]
    models = data["models"]
    parameters = {name: item["n_parameters"] for name, item in models.items()}
    close = all(abs(parameters[title_of(m)] / n - 1.0) < 0.03 for m, n in STATED_PARAMETERS.items())
    memory = {name: item["memory_bytes"]["fp16"] for name, item in models.items()}
    fits = {title_of(m): memory[title_of(m)] / n for m, n in TABLE3_MEMORY_BYTES.items()}
    zero = variants["0 deg of elevation"]["window_s"]
    return [
        Finding(
            "downlink rate",
            {"computed": f"{_gbps(base['downlink_bps'])} above 50 deg, from the terminals' figures"},
            "yes"
            if top_bps >= 0.95 * STATED_DOWNLINK_BPS
            else "partly"
            if top_bps >= 0.5 * STATED_DOWNLINK_BPS
            else "no",
            f"the terminals of Section VI-A3 in free space carry {_gbps(base['downlink_bps'])}; with the printed "
            "path-loss "
            f"exponent of 2.5 {_gbps(variants['exponent 2.5']['downlink_bps'])}, without a receiving antenna "
            f"{_gbps(variants['no receiving antenna']['downlink_bps'])}; Fig. 4 uses 0.2 to 0.8 Gbit/s",
        ),
        Finding(
            "crosslink rate",
            {"computed": f"{_gbps(base['isl_bps'])}, from the terminals' figures"},
            "no",
            f"the optical terminal of Section VI-A3 carries {_gbps(base['isl_bps'])} at the distance of neighbours "
            "in the "
            f"plane, {_gbps(variants['quantum noise']['isl_bps'])} at the quantum limit: Table II is cautious by a "
            "factor of "
            f"{base['isl_bps'][0] / STATED_ISL_BPS:.0f}",
        ),
        Finding(
            "window",
            {
                "computed": f"mean {base['window_s'][0]:.0f} s, longest {base['window_s'][1]:.0f} s of "
                f"{base['contacts']} "
                f"contacts; {100.0 * base['share']:.1f} % of the day"
                if base["window_s"]
                else "no contact"
            },
            "no",
            f"the longest contact above 50 deg of elevation takes {base['window_s'][1]:.0f} s, without any mask "
            f"{zero[1]:.0f} s; 10 minutes are the slot of Section VI-A1, not the contact"
            if zero and base["window_s"]
            else "no contact in this run",
        ),
        Finding(
            "parameters",
            {"computed": ", ".join(f"{name} {n / 1e9:.4g} billion" for name, n in parameters.items())},
            "yes" if close else "partly",
            "" if close else "see the figures",
        ),
        Finding(
            "memory",
            {"computed": ", ".join(f"{name} {size(n)}" for name, n in memory.items()) + " (fp16, batch 64)"},
            "yes" if all(0.8 <= ratio <= 1.25 for ratio in fits.values()) else "no",
            "weights, workspace of one block and runtime take less than Table III says: in fp32 "
            + ", ".join(f"{name} {size(item['memory_bytes']['fp32'])}" for name, item in models.items()),
        ),
        Finding(
            "one satellite",
            {
                "computed": f"ViT-G takes {size(memory['ViT-G'])} in fp16, "
                f"{size(models['ViT-G']['memory_bytes']['fp32'])} in fp32"
            },
            "yes" if memory["ViT-G"] > 8e9 else "partly" if models["ViT-G"]["memory_bytes"]["fp32"] > 8e9 else "no",
            "the statement rests on Table III's 12 GB; by its own size the model fits in fp16"
            + (" and in fp32" if models["ViT-G"]["memory_bytes"]["fp32"] <= 8e9 else ", not in fp32"),
        ),
    ]


def effects(data: Data) -> list[Effect]:
    """Return what each assumption does to the parameters."""
    base, variants = data["base"], data["variants"]

    def top(item: Mapping[str, Any], key: str) -> float | None:
        return None if item[key] is None else item[key][-1] / 1e9

    rows = [
        Effect(assumption, name, f"highest rate of the {what} [Gbit/s]", top(base, key), top(variants[name], key))
        for assumption, name, what, key in (
            ("path loss exponent", "exponent 2.5", "downlink", "downlink_bps"),
            ("receiving antenna", "no receiving antenna", "downlink", "downlink_bps"),
            ("optical noise", "quantum noise", "crosslink", "isl_bps"),
        )
    ]
    for name in ("50 deg off nadir", "10 deg of elevation", "0 deg of elevation"):
        window = variants[name]["window_s"]
        rows.append(
            Effect(
                "visibility angle",
                name,
                "mean contact [s]",
                None if base["window_s"] is None else base["window_s"][0],
                None if window is None else window[0],
                f"{100.0 * variants[name]['share']:.1f} % of the time in contact",
            )
        )
    rows.append(
        Effect(
            "memory of a model",
            "fp32",
            "memory of ViT-G [GB]",
            data["models"]["ViT-G"]["memory_bytes"]["fp16"] / 1e9,
            data["models"]["ViT-G"]["memory_bytes"]["fp32"] / 1e9,
        )
    )
    return rows


def draw(data: Data) -> Mapping[str, Figure]:
    """Draw each parameter as a multiple of what the tables state."""
    base = data["base"]
    rows: list[tuple[str, float, float]] = []
    for name, span, stated in (
        ("rate to the ground", base["downlink_bps"], STATED_DOWNLINK_BPS),
        ("rate of a crosslink", base["isl_bps"], STATED_ISL_BPS),
        ("contact, mean to longest", base["window_s"], STATED_WINDOW_S),
    ):
        low, high = span or (np.nan, np.nan)
        rows.append((name, low / stated, high / stated))
    for model in MODELS:
        n = data["models"][title_of(model)]["n_parameters"] / STATED_PARAMETERS[model]
        rows.append((f"parameters of {title_of(model)}", n, n))
    for model in MODELS:
        memory = data["models"][title_of(model)]["memory_bytes"]
        words = f"memory of {title_of(model)}, fp16 to fp32"
        low, high = (memory[precision] / TABLE3_MEMORY_BYTES[model] for precision in ("fp16", "fp32"))
        rows.append((words, low, high))
    figure, axes = new_figure(size=(7.2, 3.6))
    color = COLORS["blue"].light
    for at, (_, low, high) in enumerate(rows):
        axes.plot([low, high], [at, at], color=color, linewidth=3.0, solid_capstyle="butt", zorder=2)
        axes.plot([low, high], [at, at], linestyle="none", marker="o", color=color, zorder=3)
    axes.axvline(1.0, color=PUBLISHED, linewidth=1.2, linestyle=(0, (4, 2)), label="as Tables II and III state")
    axes.set_xscale("log")
    axes.set_xticks((0.1, 0.2, 0.5, 1, 2, 5, 10, 20), ("0.1", "0.2", "0.5", "1", "2", "5", "10", "20"))
    axes.minorticks_off()
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("computed over stated")
    axes.set_title("parameters computed from the paper's own figures, and from the models")
    axes.legend(loc="lower right")
    return {"table2": figure}


EXPERIMENT = Experiment(
    name="table2",
    title="Parameters of Tables II and III",
    source=PAPER,
    statements=STATEMENTS,
    assumptions=ASSUMED,
    settings=(SETTING.in_words(), *(f"{title_of(m)}: {', '.join(model_settings(m))}" for m in MODELS)),
    measure=measure,
    judge=judge,
    draw=draw,
    effects=effects,
)
