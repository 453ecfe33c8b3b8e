"""Pages of the Python reference: which modules stand on which page; the text is that of their docstrings."""

from __future__ import annotations

PYTHON_PAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "api": (
        "Running and planning",
        "What most programs need; the names of `orbitsim.api` are names of `orbitsim` too.",
        ("orbitsim.api", "orbitsim.sweep", "orbitsim.scenario.root", "orbitsim.loading.scenarios"),
    ),
    "contracts": (
        "Types, ports and errors",
        "Values that cross the stages, protocols to implement, and the errors that are raised.",
        (
            "orbitsim.types.route",
            "orbitsim.types.plan",
            "orbitsim.types.profile",
            "orbitsim.types.codec_table",
            "orbitsim.types.contacts",
            "orbitsim.types.tables",
            "orbitsim.ports",
            "orbitsim.testing",
            "orbitsim.errors",
            "orbitsim.constants",
        ),
    ),
    "orbit": (
        "Orbits",
        "Constellations, positions, contacts. The formulas are on [Orbits and contacts](../../background/orbits.md).",
        (
            "orbitsim.orbit.constellation",
            "orbitsim.orbit.catalogues",
            "orbitsim.orbit.ephemeris",
            "orbitsim.orbit.geometry",
            "orbitsim.orbit.sites",
            "orbitsim.orbit.contacts",
            "orbitsim.orbit.visibility",
            "orbitsim.orbit.crosslinks",
            "orbitsim.orbit.neighbours",
            "orbitsim.orbit.topology",
        ),
    ),
    "link": (
        "Links",
        "From geometry to signal, rate and capacity. The formulas are on [Links](../../background/links.md).",
        (
            "orbitsim.link.budget",
            "orbitsim.link.beam",
            "orbitsim.link.models",
            "orbitsim.link.modcod",
            "orbitsim.link.weather",
            "orbitsim.link.capacity",
            "orbitsim.link.propagation",
            "orbitsim.link.fifo",
        ),
    ),
    "workload": (
        "Work",
        "Images, models, traces, costs of a layer. The formulas are on [Work and costs](../../background/work.md).",
        (
            "orbitsim.workload.imagery",
            "orbitsim.workload.models",
            "orbitsim.workload.cost",
            "orbitsim.workload.cost_fit",
            "orbitsim.workload.traces",
            "orbitsim.catalog.entries",
            "orbitsim.catalog.catalogue",
        ),
    ),
    "plan": (
        "Planning",
        "The formulas are on [Delay models](../../background/delay.md) and [Planning](../../background/planning.md).",
        (
            "orbitsim.plan.delay",
            "orbitsim.plan.problem",
            "orbitsim.plan.evaluate",
            "orbitsim.plan.planners",
            "orbitsim.plan.search",
            "orbitsim.plan.front",
            "orbitsim.plan.rivals",
            "orbitsim.plan.rivals_paper",
            "orbitsim.plan.schemes",
            "orbitsim.plan.switching",
        ),
    ),
    "simulation": (
        "Simulation and results",
        "Carrying a scenario out, reading results. The rules are on [Simulation](../../background/simulation.md).",
        (
            "orbitsim.pipeline.run",
            "orbitsim.sim.static",
            "orbitsim.sim.laws",
            "orbitsim.results.metrics",
            "orbitsim.results.reading",
            "orbitsim.results.store",
        ),
    ),
    "codecs": (
        "Codecs",
        "Activation codecs; they need the extra `neural`. The formulas are on [Codecs](../../background/codecs.md).",
        (
            "orbitsim.neural.codecs.base",
            "orbitsim.neural.codecs.registry",
            "orbitsim.neural.codecs.quantiser",
            "orbitsim.neural.codecs.elementwise",
            "orbitsim.neural.codecs.gumbel",
            "orbitsim.neural.codecs.topk",
            "orbitsim.neural.codecs.transform",
            "orbitsim.neural.codecs.entropy",
        ),
    ),
}


def python_page(name: str) -> str:
    """Return a page of the Python reference."""
    title, words, modules = PYTHON_PAGES[name]
    return f"# {title}\n\n{words}\n\n" + "\n\n".join(f"::: {module}" for module in modules) + "\n"
