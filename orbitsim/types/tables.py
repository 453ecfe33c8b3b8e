"""Schemas of the tables of a run folder: every column with its type, unit and meaning, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dtype = Literal["category", "string", "int64", "int32", "float64", "bool"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name (which ends in its unit), type and meaning."""

    name: str
    dtype: Dtype
    meaning: str
    nullable: bool = False


_SCHEME = Column("scheme", "category", "name of the scheme")

TASKS = (
    _SCHEME,
    Column("task", "int64", "slot in which the task started"),
    Column("start_s", "float64", "start, since the epoch"),
    Column("end_s", "float64", "arrival of its last mini-batch, since the epoch", nullable=True),
    Column("delay_s", "float64", "end less start", nullable=True),
    Column("service_s", "float64", "delay less the last mini-batch's wait for a contact", nullable=True),
    Column("status", "category", "delivered, or unfinished at the horizon"),
    Column("undeliverable", "bool", "no contact was left when it started"),
    Column("n_batches", "int64", "mini-batches"),
    Column("n_delivered", "int64", "mini-batches delivered by the horizon"),
    Column("isl_bytes", "float64", "bytes over crosslinks, once per hop, raw input included"),
    Column("downlink_bytes", "float64", "bytes over downlinks"),
    Column("queue_s", "float64", "waiting for a busy processor or link, or a closed crosslink", nullable=True),
    Column("compute_s", "float64", "computing", nullable=True),
    Column("codec_s", "float64", "encoding and decoding", nullable=True),
    Column("isl_s", "float64", "sending over crosslinks", nullable=True),
    Column("downlink_s", "float64", "sending over the downlink", nullable=True),
    Column("propagation_s", "float64", "travelling at the speed of light", nullable=True),
    Column("contact_wait_s", "float64", "waiting for a contact with the ground", nullable=True),
)
"""One row for each scheme and task; the seven parts are those of the mini-batch delivered last."""

BATCHES = (
    _SCHEME,
    Column("task", "int32", "slot in which the task started"),
    Column("batch", "int32", "mini-batch in the task"),
    Column("place", "category", "processor (p-00) or transmitter (p-00>p-01)"),
    Column("service", "category", "compute, isl or downlink"),
    Column("start_s", "float64", "start of the service, since the epoch"),
    Column("end_s", "float64", "end of the service, since the epoch"),
)
"""One row for each passage of a mini-batch through a processor or a link that ended by the horizon."""

CONTACTS = (
    Column("satellite", "category", "satellite"),
    Column("station", "category", "station or target"),
    Column("kind", "category", "station or target"),
    Column("start_s", "float64", "start of the contact, since the epoch"),
    Column("end_s", "float64", "end of the contact, since the epoch"),
    Column("peak_s", "float64", "time of the highest elevation, since the epoch"),
    Column("max_elevation_deg", "float64", "highest elevation"),
    Column("min_range_m", "float64", "shortest distance"),
    Column("cut_at_start", "bool", "open already when the scenario starts"),
    Column("cut_at_end", "bool", "still open when the scenario ends"),
)
"""One row for each contact of a satellite with a station or target."""

LINKS = (
    Column("link", "category", "source>target"),
    Column("kind", "category", "isl or downlink"),
    Column("t_s", "float64", "middle of the step, since the epoch"),
    Column("range_m", "float64", "distance"),
    Column("elevation_deg", "float64", "elevation at the station; null for crosslinks", nullable=True),
    Column("snr_db", "float64", "signal-to-noise ratio; null in fixed mode and while closed", nullable=True),
    Column("rate_bps", "float64", "rate; 0 while closed"),
    Column("open", "bool", "whether data can cross at that time"),
)
"""One row for each link and step, of a run for the links that carried something in one of its schemes.

A link carried something when a mini-batch was sent over it to the end, as `resources` counts them; links that were only
looked at, in planning or to choose a contact, are left out. `orbitsim links` shows links whatever they carry."""

PLANS = (
    _SCHEME,
    Column("t_s", "float64", "when the planner was asked, since the epoch"),
    Column("reason", "category", "task: one started; window: a contact opened; crosslink: one opened or closed"),
    Column("task", "int64", "slot of the task that started; -1 for a window"),
    Column("changed", "bool", "whether the plan differs from the one before on that route"),
    Column("kept", "bool", "a better plan was found, and not worth loading its weights"),
    Column("switch_s", "float64", "time that loading weights takes for the change that was made, or not worth it"),
    Column("planner_used", "category", "who made the plan"),
    Column("plan_of", "category", "scheme whose plan it is: hybrid may take that of a scheme which it contains"),
    Column("route", "category", "compute chain and station that the answer is for"),
    Column("candidates", "int32", "routes and schemes that were compared; 0 where there was no choice"),
    Column("simulated", "int32", "how many of them were simulated"),
    Column("proved", "bool", "no candidate delivers earlier on an empty network; true where there was no choice"),
    Column("node", "category", "satellite, or station"),
    Column("position", "int32", "position of the node on the route"),
    Column("layer_start", "int32", "first layer of the node"),
    Column("layer_stop", "int32", "layer after its last; equal to layer_start for a relay"),
    Column("ratio", "float64", "codec ratio of what the node sends; null where nothing is encoded", nullable=True),
    Column("expected_s", "float64", "delay of one task that the planner expects, without waits"),
    Column("lower_bound_s", "float64", "delay that the planner proved no plan can beat; 0 when it proves nothing"),
    Column("downlink_bps", "float64", "downlink rate that the planner reckoned with"),
)
"""One row for each answer of the planner and node; an answer that changed nothing is one row, of the first node.

Of answers after a change of crosslinks only those are kept that changed something or were not worth it."""

RESOURCES = (
    _SCHEME,
    Column("place", "category", "processor (p-00) or transmitter (p-00>p-01)"),
    Column("kind", "category", "processor, isl, downlink, input, node or route"),
    Column("busy_s", "float64", "time in service, outages not counted"),
    Column("open_s", "float64", "time in which it could have served"),
    Column("utilisation", "float64", "busy over open; above 1 only with independent tasks, which do not share"),
    Column("n_bytes", "float64", "bytes carried"),
    Column("n_served", "int64", "mini-batches served"),
)
"""One row for each scheme and place that was used."""

DEVICES = (
    _SCHEME,
    Column("device", "category", "computer, by its name in the scenario; satellites with equal ones share a row"),
    Column("method", "category", "source in the cost model that its times come from: trace, throughput, ..."),
    Column("basis", "string", "that source in words"),
    Column("trace", "string", "trace of its times; null where they come from another source", nullable=True),
    Column("trace_sha256", "string", "hash of that file", nullable=True),
    Column(
        "replay",
        "category",
        "mean, bootstrap or in-order: which of the recorded times a mini-batch met; null where no trace gives them",
        nullable=True,
    ),
    Column("n_samples", "int64", "recorded executions of each part of the model, the fewest; 0 where there are none"),
    Column("n_executions", "int64", "stages of mini-batches that it computed, of all satellites with it"),
    Column("compute_s", "float64", "simulated time of computing, encoding and decoding left out"),
    Column("measured_s", "float64", "share of it that rests on measured times"),
    Column("modelled_s", "float64", "share of it that rests on modelled times"),
    Column("published_s", "float64", "share of it that rests on published times"),
    Column("codec_s", "float64", "simulated time of encoding and decoding"),
    Column("energy_j", "float64", "energy of computing; null where power is not known", nullable=True),
    Column("energy_origin", "string", "measured, published or modelled (power times time)", nullable=True),
    Column("mean_power_w", "float64", "that energy over that time; null where nothing was computed", nullable=True),
    Column("max_temperature_k", "float64", "highest of the parts' mean temperatures in the trace", nullable=True),
    Column("throttled_share", "float64", "share of the recorded time on parts marked as throttled", nullable=True),
)
"""One row for each scheme and computer of the scenario."""

TABLES = {
    "tasks": TASKS,
    "batches": BATCHES,
    "contacts": CONTACTS,
    "links": LINKS,
    "plans": PLANS,
    "resources": RESOURCES,
    "devices": DEVICES,
}
