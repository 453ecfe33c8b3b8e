"""From terminals and geometry to links over time: capacity curves and delays, made when they are first used."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orbitsim.constants import SPEED_OF_LIGHT_M_S
from orbitsim.link import budget
from orbitsim.link.capacity import CapacityCurve
from orbitsim.link.modcod import dvb_s2x_table
from orbitsim.link.models import Attenuation, FixedLink, OpticalLink, RadioLink, windows_after_acquisition
from orbitsim.link.propagation import PropagationDelay
from orbitsim.link.schedule import LinkSchedule
from orbitsim.orbit import geometry
from orbitsim.orbit.ephemeris import Epochs
from orbitsim.pipeline.space import Space
from orbitsim.plan.delivery import ContactWindow
from orbitsim.scenario import OpticalDownlink, OpticalIsl, RadioDownlink, RadioIsl, Station

FloatArray = NDArray[np.float64]
_DBW_PER_DBM = -30.0
_KEPT_BYTES = 64_000_000  # of positions at the steps of the clock: those of neighbouring links are asked for together


def link_model(
    terminal: OpticalIsl | RadioIsl | OpticalDownlink | RadioDownlink,
    station: Station | None = None,
    min_elevation_deg: float = 90.0,
) -> FixedLink | RadioLink | OpticalLink:
    """Return the link model that a section of the scenario describes.

    Parameters
    ----------
    terminal : section
        ``links.isl`` or ``links.downlink``.
    station : Station, optional
        Where the downlink ends; ITU-R losses depend on the place.
    min_elevation_deg : float
        Lowest elevation at which the downlink is used. [deg]
    """
    acquisition_s = terminal.acquisition_s if isinstance(terminal, OpticalIsl | OpticalDownlink) else 0.0
    if terminal.mode == "fixed":
        return FixedLink(terminal.rate_bps, acquisition_s)
    if isinstance(terminal, OpticalIsl | OpticalDownlink):
        return OpticalLink(
            wavelength_m=terminal.wavelength_m,
            transmit_power_dbw=terminal.transmit_power_dbw,
            divergence_rad=terminal.divergence_rad,
            aperture_m=terminal.aperture_m,
            system_loss_db=terminal.system_loss_db,
            bandwidth_hz=terminal.bandwidth_hz,
            noise=terminal.noise,
            noise_temperature_k=terminal.noise_temperature_k,
            pointing_jitter_rad=terminal.pointing_jitter_rad,
            acquisition_s=acquisition_s,
        )
    gain_dbi = terminal.receiver_gain_dbi
    return RadioLink(
        frequency_hz=terminal.frequency_hz,
        bandwidth_hz=terminal.bandwidth_hz,
        transmit_power_dbw=terminal.transmit_power_dbm + _DBW_PER_DBM,
        transmit_gain_dbi=terminal.transmit_gain_dbi,
        path_loss_exponent=terminal.path_loss_exponent,
        receive_gain_dbi=gain_dbi,
        noise_temperature_k=None if gain_dbi is None else terminal.noise_temperature_k,
        receive_g_over_t_db_k=terminal.receive_g_over_t_db_k,
        implementation_loss_db=terminal.implementation_loss_db,
        attenuation=_attenuation(terminal, station, min_elevation_deg),
        modcods=dvb_s2x_table() if terminal.modulation == "dvb-s2x" else None,
        rolloff=terminal.rolloff if terminal.modulation == "dvb-s2x" else 0.0,
    )


class LinkBook:
    """All links of a scenario by their ends (satellites first, then stations), each computed once.

    Parameters
    ----------
    space : Space
        Satellites, stations, contacts and crosslinks.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._scenario = space.scenario
        self._links: dict[tuple[int, int], LinkSchedule] = {}
        self._at_steps_m: OrderedDict[int, FloatArray] = OrderedDict()
        self._downlink_models: dict[int, FixedLink | RadioLink | OpticalLink] = {}

    def link(self, source: int, target: int) -> LinkSchedule:
        """Return the link from one node to another."""
        key = (source, target)
        if key not in self._links:
            is_crosslink = target < self.space.n_satellites
            self._links[key] = self._crosslink(source, target) if is_crosslink else self._downlink(source, target)
        return self._links[key]

    @property
    def used(self) -> dict[tuple[int, int], LinkSchedule]:
        """Links that were asked for so far."""
        return dict(self._links)

    def curve(self, satellite: int, station: int) -> CapacityCurve:
        """Return the capacity from a satellite to a station (both by index, stations after satellites)."""
        return self.link(satellite, station).curve

    # -- steps of the clock --------------------------------------------------------------------------------------

    @cached_property
    def step_starts_s(self) -> FloatArray:
        """Starts of the steps of the clock. [s]"""
        clock = self._scenario.clock
        n_steps = math.ceil(clock.duration_s / clock.step_s - 1e-9)
        return np.arange(n_steps, dtype=np.float64) * clock.step_s

    @cached_property
    def step_middles_s(self) -> FloatArray:
        """Middles of the steps, the last one cut at the end of the scenario. [s]"""
        clock = self._scenario.clock
        return 0.5 * (self.step_starts_s + np.minimum(self.step_starts_s + clock.step_s, clock.duration_s))

    @cached_property
    def step_epochs(self) -> Epochs:
        """Middles of the steps, prepared for propagation."""
        return self.space.ephemeris.epochs(self.step_middles_s)

    @cached_property
    def _clock_key(self) -> list[float]:
        """What sampling at the steps of the clock depends on."""
        return [self._scenario.clock.step_s, self._scenario.clock.duration_s]

    def ranges_m(self, source: int, target: int) -> FloatArray:
        """Return the distance between two nodes at the middle of each step. [m]"""
        places = [
            self._scenario.stations[n - self.space.n_satellites]
            for n in (source, target)
            if n >= self.space.n_satellites
        ]
        inputs = [self.space.orbit_key, self._clock_key, source, target, places]
        return self.space.stages.once("ranges", inputs, lambda: self._ranges_m(source, target))

    def _ranges_m(self, source: int, target: int) -> FloatArray:
        return np.asarray(geometry.slant_range_m(self.at_steps_m(source), self.at_steps_m(target)), dtype=np.float64)

    def at_steps_m(self, node: int) -> FloatArray:
        """Return the positions of a node at the middle of each step, shape (n_steps, 3); a few are kept. [m]"""
        kept = self._at_steps_m
        if node not in kept:
            kept[node] = self.space.positions_m(node, self.step_epochs, self.step_middles_s)
            if len(kept) > max(2, _KEPT_BYTES // kept[node].nbytes):
                kept.popitem(last=False)
        kept.move_to_end(node)
        return kept[node]

    # -- crosslinks ----------------------------------------------------------------------------------------------

    @cached_property
    def isl_model(self) -> FixedLink | RadioLink | OpticalLink:
        """Model of the crosslinks."""
        return link_model(self._scenario.links.isl)

    def typical_isl(self) -> tuple[float, float]:
        """Return rate and delay of a typical crosslink: the first one, at its mean range. [bit/s, s]"""
        edges = self.space.topology.edges
        range_m = float(self.ranges_m(int(edges[0][0]), int(edges[0][1])).mean()) if len(edges) else 1.0
        rate_bps = float(np.asarray(self.isl_model.rate_bps(np.array([range_m]), None))[0])
        return max(rate_bps, 1.0), range_m / SPEED_OF_LIGHT_M_S

    def _crosslink(self, source: int, target: int) -> LinkSchedule:
        ranges = self.ranges_m(source, target)

        def capacity() -> CapacityCurve:
            starts, ends = self.space.crosslink_windows(source, target)
            starts, ends = windows_after_acquisition(starts, ends, self.isl_model.acquisition_s, tracked_at_s=0.0)
            return self._curve(starts, ends, self.isl_model, lambda t_s: (self._range_at(source, target, t_s), None))

        once, pair = self.space.stages.once, [source, target, self._clock_key]
        curve = once("capacities", [self.space.topology_key, self._scenario.links.isl, pair], capacity)
        delay = once(
            "delays",
            [self.space.orbit_key, pair],
            lambda: PropagationDelay.from_ranges(self.step_starts_s, ranges),
        )
        return LinkSchedule("isl", curve, delay.delay_at)

    def _range_at(self, source: int, target: int, t_s: FloatArray) -> FloatArray:
        space = self.space
        return geometry.slant_range_m(space.positions_m(source, t_s, t_s), space.positions_m(target, t_s, t_s))

    # -- downlinks -----------------------------------------------------------------------------------------------

    def downlink_model(self, station: int) -> FixedLink | RadioLink | OpticalLink:
        """Model of the downlinks to a station (by index, stations after satellites)."""
        if station not in self._downlink_models:
            place = self._scenario.stations[station - self.space.n_satellites]
            model = link_model(self._scenario.links.downlink, place, self.space.lowest_elevation_deg(station))
            self._downlink_models[station] = model
        return self._downlink_models[station]

    def _downlink(self, satellite: int, station: int) -> LinkSchedule:
        down = self._scenario.links.downlink
        if down.availability == "always":
            # No geometry lies behind an idealised downlink; the shortest way there is, straight down, bounds its delay.
            delay_s = self.space.height_m(satellite) / SPEED_OF_LIGHT_M_S
            return LinkSchedule(
                "downlink", CapacityCurve.constant(down.rate_bps), PropagationDelay.constant(delay_s).delay_at
            )
        place = self._scenario.stations[station - self.space.n_satellites]
        inputs = [self.space.contacts_key, satellite, station, place, self._clock_key]
        once = self.space.stages.once
        curve = once("capacities", [*inputs, down], lambda: self._downlink_curve(satellite, station))
        acquisition_s = self.downlink_model(station).acquisition_s
        delay = once("delays", [*inputs, acquisition_s], lambda: self._downlink_delay(satellite, station))
        return LinkSchedule("downlink", curve, None if delay is None else delay.delay_at)

    def _downlink_windows(self, satellite: int, station: int) -> tuple[FloatArray, FloatArray]:
        starts, ends = self.space.contact_windows(satellite, station)
        acquisition_s = self.downlink_model(station).acquisition_s
        return windows_after_acquisition(starts, ends, acquisition_s, tracked_at_s=0.0)

    def _downlink_curve(self, satellite: int, station: int) -> CapacityCurve:
        def look(t_s: FloatArray) -> tuple[FloatArray, FloatArray | None]:
            return self.space.look(station, self.space.positions_m(satellite, t_s, t_s))

        starts, ends = self._downlink_windows(satellite, station)
        return self._curve(starts, ends, self.downlink_model(station), look)

    def _downlink_delay(self, satellite: int, station: int) -> PropagationDelay | None:
        """Return the delay while the link is open; None where it never is."""
        starts, ends = self._downlink_windows(satellite, station)
        if not len(starts):
            return None
        step_s = self._scenario.clock.step_s
        steps = np.unique(
            np.concatenate(
                [np.arange(math.floor(a / step_s), math.ceil(b / step_s)) for a, b in zip(starts, ends, strict=True)]
            )
        )
        middles_s = (steps + 0.5) * step_s
        position_m = self.space.positions_m(satellite, middles_s, middles_s)
        return PropagationDelay.from_ranges(steps * step_s, self.space.look(station, position_m)[0])

    def _curve(
        self,
        starts_s: FloatArray,
        ends_s: FloatArray,
        model: FixedLink | RadioLink | OpticalLink,
        look: Callable[[FloatArray], tuple[FloatArray, FloatArray | None]],
    ) -> CapacityCurve:
        """Return the capacity in windows: constant in fixed mode, else sampled at the middle of each step."""
        clock = self._scenario.clock
        if not len(starts_s):
            return CapacityCurve.from_windows([], [], [])
        if isinstance(model, FixedLink):
            curve = CapacityCurve.from_windows(starts_s, ends_s, model.fixed_rate_bps)
        else:
            curve = CapacityCurve.from_steps(starts_s, ends_s, clock.step_s, lambda t_s: model.rate_bps(*look(t_s)))
        if (
            len(starts_s) == 1
            and starts_s[0] <= 0.0
            and ends_s[0] >= clock.duration_s
            and (curve.rates_bps > 0.0).all()
        ):
            # Open all the time: nothing happens at the horizon that a transfer could meet.
            return CapacityCurve(np.append(curve.edges_s[:-1], np.inf), curve.rates_bps)
        return curve

    # -- what may be delivered -----------------------------------------------------------------------------------

    def contact_windows(self) -> tuple[ContactWindow, ...]:
        """Return all contacts with stations, in order of their start."""
        contacts = self.space.contacts
        is_station = contacts.site < len(self.space.stations)
        n = self.space.n_satellites
        rows = zip(
            contacts.satellite[is_station].tolist(),
            contacts.site[is_station].tolist(),
            contacts.start_s[is_station].tolist(),
            contacts.end_s[is_station].tolist(),
            strict=True,
        )
        return tuple(ContactWindow(s, n + site, start, end, self.curve) for s, site, start, end in rows)


def _attenuation(
    terminal: RadioIsl | RadioDownlink, station: Station | None, min_elevation_deg: float
) -> Attenuation | None:
    """Return the ITU-R loss at a station, or None where none is asked for."""
    if terminal.itu_availability_pct is None or station is None:
        return None
    from orbitsim.link.weather import slant_path_loss

    return slant_path_loss(
        latitude_deg=station.latitude_deg,
        longitude_deg=station.longitude_deg,
        altitude_m=station.altitude_m,
        frequency_hz=terminal.frequency_hz,
        effective_aperture_m=_effective_aperture_m(terminal),
        availability_pct=terminal.itu_availability_pct,
        min_elevation_deg=min_elevation_deg,
    )


def _effective_aperture_m(terminal: RadioIsl | RadioDownlink) -> float:
    """Diameter whose full area would collect what the receiving antenna does, for scintillation. [m]"""
    if terminal.receive_aperture_m is not None:
        return math.sqrt(0.5) * terminal.receive_aperture_m  # efficiency 0.5, the default of ITU-R P.618-13, 2.4.1
    gain_dbi = terminal.receiver_gain_dbi or 0.0
    return float(budget.effective_aperture_diameter_m(gain_dbi, terminal.frequency_hz))
