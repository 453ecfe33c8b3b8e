"""The sections of a scenario that are not about links: time, satellites, places, work, codec, planner, run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from orbitsim.scenario.base import (
    DAYS_366_S,
    AsTuple,
    CodecSpeed,
    Elevation,
    GroundAltitude,
    Latitude,
    Longitude,
    Memory,
    Name,
    Section,
    Share,
    Text,
    UtcTime,
)

SchemeName = Literal[
    "collaborative",
    "single-satellite",
    "ground-only",
    "hybrid",
    "collaborative-uniform",
    "collaborative-proportional",
]
DelayModel = Literal["exact", "paper", "sequential", "serial"]
Pixels = Annotated[int, Field(ge=1, le=100_000)]


def _resolution_form(value: Any) -> str | None:
    """Tell the two forms of a resolution apart, so that only the faults of the one that is meant are reported."""
    return "name" if isinstance(value, str) else "pixels" if isinstance(value, list | tuple) else None


Resolution = Annotated[
    Annotated[Text, Tag("name")] | Annotated[tuple[Pixels, Pixels], AsTuple, Tag("pixels")],
    Discriminator(_resolution_form),
]


class Clock(Section):
    """When the scenario happens."""

    epoch_utc: UtcTime
    """Start of the scenario, UTC."""
    duration_s: Annotated[float, Field(gt=0, le=DAYS_366_S)] = 86400.0
    """Length of the scenario; a whole number of slots."""
    slot_s: Annotated[float, Field(gt=0, le=DAYS_366_S)] = 600.0
    """Length of a slot; one imaging task starts at the beginning of each."""
    step_s: Annotated[float, Field(ge=0.1, le=DAYS_366_S)] = 15.0
    """Link rates are constant within a step."""


class AnyShell(Section):
    """A group of satellites, whatever its kind."""

    name: Name
    """Name of the group; generated satellites are called after it: `p` gives p-00, p-01, ..."""
    devices: Annotated[tuple[Text, ...], AsTuple, Field(min_length=1)]
    """Onboard computers, named in the catalogue or in `[device.NAME]`, dealt to the satellites in order, repeating."""
    memory_bytes: Memory | None = None
    """Memory that a satellite gives to the model; omitted: that of its device."""


class WalkerShell(AnyShell):
    """A generated Walker shell of circular orbits, propagated with SGP4 like real satellites."""

    kind: Literal["walker-delta", "walker-star"]
    """Planes spread over 360 deg of ascending nodes (Delta) or 180 deg (Star)."""
    altitude_m: Annotated[float, Field(ge=120e3, le=50_000e3)]
    """Mean altitude over the equatorial radius that SGP4 uses (6378.135 km)."""
    inclination_deg: Annotated[float, Field(ge=0, le=180)]
    """Inclination of every plane."""
    n_satellites: Annotated[int, Field(ge=1, le=100_000)]
    """Satellites in the shell, all planes together; a multiple of `n_planes`."""
    n_planes: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Orbital planes."""
    phasing: Annotated[int, Field(ge=0, lt=100_000)] = 0
    """Walker's F: neighbouring planes are shifted by 360 F / T degrees; below `n_planes`."""
    raan_deg: Annotated[float, Field(ge=-360, le=360)] = 0.0
    """Right ascension of the first plane's ascending node."""


class FileShell(AnyShell):
    """Real satellites from a file of element sets; treated as one plane in order of argument of latitude."""

    kind: Literal["tle", "omm"]
    """Two- or three-line element sets, or an Orbit Mean-elements Message (CSV, JSON or XML)."""
    file: Text
    """Path of the file, relative to the scenario's folder."""


Shell = Annotated[WalkerShell | FileShell, Field(discriminator="kind")]


class Station(Section):
    """A ground station on the WGS-84 ellipsoid."""

    name: Name
    """Name of the station."""
    latitude_deg: Latitude
    """Geodetic latitude."""
    longitude_deg: Longitude
    """Longitude, east positive."""
    altitude_m: GroundAltitude = 0.0
    """Height over the ellipsoid."""
    device: Text | None = None
    """Its computer, by a name of the catalogue or of `[device.NAME]`; a station without one cannot compute."""
    memory_bytes: Memory | None = None
    """Memory that the station gives to the model; omitted: no limit."""


class Target(Section):
    """A place to be observed."""

    name: Name
    """Name of the target."""
    latitude_deg: Latitude
    """Geodetic latitude."""
    longitude_deg: Longitude
    """Longitude, east positive."""
    altitude_m: GroundAltitude = 0.0
    """Height over the ellipsoid."""
    min_elevation_deg: Elevation | None = None
    """Elevation from which the sensor sees it; omitted: the downlink's mask."""


class Workload(Section):
    """What is to be inferred."""

    model: Text = "vit-g"
    """Catalogue name of the model."""
    sensor: Text
    """Name of the satellite that takes the images."""
    trigger: Literal["slot", "target"] = "slot"
    """A task in every slot, or only in slots in which the sensor sees a target."""
    images_per_task: Annotated[int, Field(ge=1, le=1_000_000)] = 300
    """Images of a task."""
    resolution: Resolution = "1080p"
    """240p 480p 720p 1080p 2K 4K 8K 16K, or [width, height] in pixels."""
    bytes_per_pixel: Annotated[float, Field(gt=0, le=10_000)] = 3.0
    """Bytes of a pixel of a raw tile."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Tiles in a mini-batch."""
    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp16"
    """Of computing: chooses the profile and the size of the weights."""
    model_memory_bytes: Memory | None = None
    """Memory of the whole model, spread over its blocks; omitted: weights, workspace and runtime are computed."""
    activation_bytes_per_value: Annotated[int, Field(ge=1, le=8)] = 4
    """Bytes of one value of an uncompressed activation; ratio 1 of a codec is this size."""
    sensor_computes: bool = True
    """The sensor satellite is the first computing node; false: it only sends raw tiles over a crosslink."""


class Codec(Section):
    """How activations are compressed before a hop."""

    table: Text | None = None
    """Calibration (ratio, loss) by name or file; or give `ratio` and `accuracy` here. Neither: no compression."""
    ratio: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], AsTuple] | None = None
    """Bytes kept, relative to the uncompressed activation."""
    accuracy: Annotated[tuple[Share, ...], AsTuple] | None = None
    """Accuracy reached at each ratio."""
    max_accuracy_loss: Share = 0.01
    """Largest loss of accuracy against the table's best."""
    rule: Literal["per-hop", "cumulative"] = "per-hop"
    """Whether the loss is bounded on each compressed hop (the paper's Eq. 12) or over all of them together."""
    encode_s_per_byte: CodecSpeed = 0.0
    """Seconds to encode one uncompressed byte on any node."""
    decode_s_per_byte: CodecSpeed = 0.0
    """Seconds to decode into one uncompressed byte on any node."""
    replay: Literal["mean", "bootstrap"] = "mean"
    """Bytes of a mini-batch's activation: the mean of its setting, or drawn for each from how the table's scatter."""


class Planner(Section):
    """Who decides the split."""

    kind: Text = "optimal"
    """Name of a planner (`optimal`, `proportional`, `uniform`, `paper-astar`, ...) or `module:Name` of your own."""
    delay_model: DelayModel = "exact"
    """Delay model under which plans are compared."""
    max_compute_nodes: Annotated[int, Field(ge=1, le=1000)] = 5
    """Satellites that may compute, at most."""
    route: Literal["first", "choose"] = "first"
    """The compute chain of a task: the first satellites from the sensor on along its plane, or the chain over the
    crosslinks with the earliest delivery, chosen when the task starts."""
    judge: Literal["simulation", "model"] = "simulation"
    """Who decides between plans that use the ground and plans that do not (scheme `hybrid`, real contacts): a
    simulation of the task on an empty network, which knows when results have to wait for a contact, or the delay
    model, which does not."""
    most_simulated_routes: Annotated[int, Field(ge=1, le=10_000)] = 16
    """Candidate chains that are simulated for one choice, at most."""
    weights_from: Literal["memory", "storage", "isl"] = "memory"
    """Where a node gets the weights of layers that a change of split gives it: it holds all of them, it loads them from
    its storage, or over a crosslink (at the rate of `links.isl`)."""
    storage_rate_bytes_s: Annotated[float, Field(gt=0, le=1e15)] = 1e9
    """Rate at which weights are loaded from storage."""


class Run(Section):
    """How the scenario is carried out."""

    backlog: Literal["carry", "independent"] = "carry"
    """Tasks queue behind earlier ones, or every task runs alone on an empty network."""
    schemes: Annotated[tuple[SchemeName, ...], AsTuple, Field(min_length=1)] = (
        "collaborative",
        "single-satellite",
        "ground-only",
        "hybrid",
    )
    """Schemes to compare."""
    record: Literal["batches", "tasks"] = "batches"
    """Keep every mini-batch's start and end in every stage, or task rows only."""
    execution: Literal["overlapped", "sequential", "serial"] | None = None
    """How nodes work: computing and sending overlap, one of both at a time, or one mini-batch at a time in the whole
    route. Omitted: as the planner's delay model assumes (`exact` and `paper`: overlapped)."""
    engine: Literal["simpy", "vectorised"] = "simpy"
    """What simulates: the event loop, or the (max,+) recursion, which gives the same times much faster and leaves what
    it cannot express to the event loop (a note says so)."""
