"""From shells and stations to geometry: satellites over time, contacts with the ground, crosslinks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orbitsim import catalog
from orbitsim.errors import InputError
from orbitsim.errors import Problem as Fault
from orbitsim.orbit import geometry
from orbitsim.orbit.catalogues import read_omm, read_tle
from orbitsim.orbit.constellation import Constellation, Shell, walker_shell
from orbitsim.orbit.contacts import find_contacts
from orbitsim.orbit.ephemeris import Ephemeris
from orbitsim.orbit.sites import Mask, Site
from orbitsim.orbit.topology import Topology, build_topology
from orbitsim.pipeline.stages import Stages, content_hash
from orbitsim.plan.routing import plane_successors
from orbitsim.scenario import Scenario, WalkerShell
from orbitsim.scenario.checks import suggestion
from orbitsim.types.contacts import Contacts

FloatArray = NDArray[np.float64]


class Space:
    """Geometry of a scenario; every part is computed when it is first asked for.

    Nodes are numbered satellites first, shell after shell, then stations.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    stages : Stages, optional
        Parts that earlier runs have left; omitted: everything is computed.

    Raises
    ------
    InputError
        When a file of element sets cannot be read, or the sensor is not among its satellites.
    """

    def __init__(self, scenario: Scenario, stages: Stages | None = None) -> None:
        self.scenario = scenario
        self.stages = Stages() if stages is None else stages
        self.ephemeris = self.stages.once("ephemeris", self.orbit_key, self._ephemeris)
        self.constellation = self.ephemeris.constellation
        names = self.constellation.names
        taken = set(names) & {station.name for station in scenario.stations}
        if taken:
            raise InputError(Fault("stations", f"expected names that no satellite has, got {', '.join(sorted(taken))}"))
        if scenario.workload.sensor not in self.constellation.index:
            hint = suggestion(scenario.workload.sensor, names)
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise InputError(
                Fault("workload.sensor", f"expected a satellite ({shown}), got {scenario.workload.sensor!r}{hint}")
            )

    def _ephemeris(self) -> Ephemeris:
        return Ephemeris(Constellation(_shells(self.scenario)), self.scenario.clock.epoch_utc)

    # -- what the parts depend on --------------------------------------------------------------------------------

    @cached_property
    def orbit_key(self) -> str:
        """Hash of all that positions and names of satellites depend on, the content of their files included."""
        shells = [shell.model_dump(mode="json", exclude={"devices", "memory_bytes"}) for shell in self.scenario.shells]
        for shell in shells:
            if "file" in shell and Path(shell["file"]).is_file():
                shell["file"] = hashlib.sha256(Path(shell["file"]).read_bytes()).hexdigest()
        return content_hash([shells, self.scenario.clock.epoch_utc])

    @cached_property
    def contacts_key(self) -> str:
        """Hash of all that contacts depend on."""
        down = self.scenario.links.downlink
        mask = [down.min_elevation_deg, down.max_off_nadir_deg, self.scenario.clock.duration_s]
        stations = [station.model_dump(exclude={"device", "memory_bytes"}) for station in self.scenario.stations]
        return content_hash([self.orbit_key, mask, stations, self.scenario.targets])

    @cached_property
    def topology_key(self) -> str:
        """Hash of all that the windows of crosslinks depend on."""
        isl = self.scenario.links.isl
        limits = [isl.topology, isl.grazing_altitude_m, isl.max_range_m, self.scenario.clock.duration_s]
        return content_hash([self.orbit_key, limits])

    # -- who is there --------------------------------------------------------------------------------------------

    @property
    def n_satellites(self) -> int:
        """Number of satellites."""
        return len(self.constellation)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of satellites, then stations."""
        return (*self.constellation.names, *(station.name for station in self.scenario.stations))

    @property
    def sensor(self) -> int:
        """Index of the sensing satellite."""
        return self.constellation.index[self.scenario.workload.sensor]

    def _shell_of(self, satellite: int) -> tuple[int, int]:
        """Return the shell of a satellite and its position within the shell."""
        for index, part in enumerate(self.constellation.slices):
            if satellite < part.stop:
                return index, satellite - part.start
        raise IndexError(satellite)

    def device_of(self, satellite: int) -> str:
        """Return the catalogue name of a satellite's computer: devices are dealt in order, repeating."""
        shell, position = self._shell_of(satellite)
        devices = self.scenario.shells[shell].devices
        return devices[position % len(devices)]

    def memory_of(self, satellite: int) -> float | None:
        """Return the memory that a satellite gives to the model: its shell's or its device's; None if unknown. [B]"""
        given = self.scenario.shells[self._shell_of(satellite)[0]].memory_bytes
        if given is not None:
            return given
        name = self.device_of(satellite)
        if name in self.scenario.device and self.scenario.device[name].memory_bytes is not None:
            return self.scenario.device[name].memory_bytes
        figure = catalog.device(name).memory_bytes if name in catalog.names("device") else None
        return None if figure is None else figure.value

    @cached_property
    def successors(self) -> Sequence[int]:
        """For each satellite the one ahead in its plane; itself where no crosslink between them ever opens."""
        parts = [
            plane_successors(shell.plane, shell.slot) + part.start
            for shell, part in zip(self.constellation.shells, self.constellation.slices, strict=True)
        ]
        ahead = [int(after) for after in np.concatenate(parts)]
        return [after if after in self.neighbours(satellite) else satellite for satellite, after in enumerate(ahead)]

    def neighbours(self, satellite: int) -> Sequence[int]:
        """Return the satellites to which a satellite has a crosslink that ever opens, in order."""
        return self._neighbours.get(satellite, ())

    def reachable(self, satellite: int) -> frozenset[int]:
        """Return the satellites that a satellite is connected with over crosslinks that ever open, itself included."""
        if satellite not in self._reachable:
            found, frontier = {satellite}, {satellite}
            while frontier:
                frontier = {node for at in frontier for node in self.neighbours(at)} - found
                found |= frontier
            self._reachable |= dict.fromkeys(found, frozenset(found))
        return self._reachable[satellite]

    @cached_property
    def _reachable(self) -> dict[int, frozenset[int]]:
        return {}

    @cached_property
    def _neighbours(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for a, b in self.topology.edges[np.unique(self.topology.windows.edge)].tolist():
            found.setdefault(a, []).append(b)
            found.setdefault(b, []).append(a)
        return {satellite: sorted(others) for satellite, others in found.items()}

    # -- where things are ----------------------------------------------------------------------------------------

    def positions_m(self, node: int, epochs: Any, t_s: FloatArray) -> FloatArray:
        """Return the Earth-fixed positions of a node, shape (n_t, 3). [m]

        Parameters
        ----------
        node : int
            Satellite or station.
        epochs : Epochs or array
            Moments as `Ephemeris.positions_m` takes them.
        t_s : (n_t,) array
            The same moments. [s]
        """
        if node < self.n_satellites:
            return np.asarray(self.ephemeris.positions_m(epochs, [node])[0])
        return np.broadcast_to(self._station_m[node - self.n_satellites], (len(t_s), 3))

    @cached_property
    def _station_rad(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        stations = self.scenario.stations
        return (
            np.radians([station.latitude_deg for station in stations]),
            np.radians([station.longitude_deg for station in stations]),
            np.array([station.altitude_m for station in stations]),
        )

    @cached_property
    def _station_m(self) -> FloatArray:
        return geometry.geodetic_to_ecef_m(*self._station_rad)

    def look(self, station: int, position_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return range and elevation of positions from a station (by node index). [m, rad]"""
        index = station - self.n_satellites
        site_m = self._station_m[index]
        zenith = geometry.zenith_unit(self._station_rad[0][index], self._station_rad[1][index])
        return geometry.slant_range_m(position_m, site_m), geometry.elevation_rad(position_m, site_m, zenith)

    def height_m(self, satellite: int) -> float:
        """Return the height of a satellite over the ellipsoid at the epoch. [m]"""
        position_m = self.ephemeris.positions_m(np.zeros(1), [satellite])[0]
        return float(geometry.ecef_to_geodetic(position_m)[2][0])

    # -- who sees whom -------------------------------------------------------------------------------------------

    @cached_property
    def stations(self) -> tuple[Site, ...]:
        """Ground stations as sites."""
        return tuple(
            Site(s.name, s.latitude_deg, s.longitude_deg, s.altitude_m, "station") for s in self.scenario.stations
        )

    @cached_property
    def targets(self) -> tuple[Site, ...]:
        """Targets as sites."""
        return tuple(
            Site(t.name, t.latitude_deg, t.longitude_deg, t.altitude_m, "target") for t in self.scenario.targets
        )

    @property
    def sites(self) -> tuple[Site, ...]:
        """Stations, then targets: the numbering of `contacts`."""
        return (*self.stations, *self.targets)

    @property
    def downlink_mask(self) -> Mask:
        """Mask of the downlink."""
        down = self.scenario.links.downlink
        return Mask(down.min_elevation_deg, down.max_off_nadir_deg)

    @cached_property
    def contacts(self) -> Contacts:
        """Contacts of all satellites with all stations and targets."""
        masks = [self.downlink_mask] * len(self.stations)
        masks += [
            self.downlink_mask if target.min_elevation_deg is None else Mask(min_elevation_deg=target.min_elevation_deg)
            for target in self.scenario.targets
        ]
        return self.stages.once(
            "contacts",
            self.contacts_key,
            lambda: find_contacts(self.ephemeris, self.sites, masks, self.scenario.clock.duration_s),
        )

    def lowest_elevation_deg(self, station: int) -> float:
        """Return the elevation below which no contact with a station reaches: its mask, or the lowest edge. [deg]"""
        mask = self.downlink_mask.min_elevation_deg
        if mask is not None:
            return mask
        contacts = self.contacts.for_site(station - self.n_satellites)
        edges = [
            self.look(station, self.ephemeris.positions_m([start_s, end_s], [satellite])[0])[1].min()
            for satellite, start_s, end_s in zip(contacts.satellite, contacts.start_s, contacts.end_s, strict=True)
        ]
        return float(np.degrees(min(edges))) if edges else 90.0

    def contact_windows(self, satellite: int, station: int) -> tuple[FloatArray, FloatArray]:
        """Return starts and ends of the contacts of a satellite with a station (by node index). [s]"""
        contacts = self.contacts
        rows = (contacts.satellite == satellite) & (contacts.site == station - self.n_satellites)
        return contacts.start_s[rows], contacts.end_s[rows]

    @cached_property
    def topology(self) -> Topology:
        """Crosslinks over time."""
        isl = self.scenario.links.isl
        return self.stages.once(
            "crosslinks",
            self.topology_key,
            lambda: build_topology(
                self.ephemeris,
                isl.topology,
                duration_s=self.scenario.clock.duration_s,
                grazing_altitude_m=isl.grazing_altitude_m,
                max_range_m=np.inf if isl.max_range_m is None else isl.max_range_m,
            ),
        )

    def crosslink_windows(self, source: int, target: int) -> tuple[FloatArray, FloatArray]:
        """Return starts and ends of the windows of a crosslink, in either direction. [s]"""
        windows = self.topology.windows
        rows = windows.edge == self.topology.edge_between(source, target)
        return windows.start_s[rows], windows.end_s[rows]

    def n_hops(self, satellite: int, t_s: float) -> list[int]:
        """Return the hops from a satellite to every satellite at a time; -1 where there is no way."""
        n_hops, _ = self.topology.hops_from(satellite, self._within(t_s))
        known = self._hop_lists.get(id(n_hops))
        if known is None:
            known = self._hop_lists[id(n_hops)] = (n_hops, n_hops.tolist())
        return known[1]

    def _within(self, t_s: float) -> float:
        """Return a time no later than the end of the scenario, which the event loop may pass by a rounding."""
        return min(t_s, self.scenario.clock.duration_s)

    @cached_property
    def _hop_lists(self) -> dict[int, tuple[Any, list[int]]]:
        """Hop counts as lists, by the identity of the topology's cached array, which is kept alive beside them."""
        return {}

    def path(self, source: int, target: int, t_s: float) -> Sequence[int]:
        """Return the satellites on the way from one to another with the fewest hops, both ends included."""
        path = self.topology.path(source, target, self._within(t_s))
        if path is None:
            raise LookupError(f"no way from {self.names[source]} to {self.names[target]} at {t_s} s")
        return path


def _shells(scenario: Scenario) -> list[Shell]:
    epoch_utc = scenario.clock.epoch_utc
    shells: list[Shell] = []
    for index, shell in enumerate(scenario.shells):
        if isinstance(shell, WalkerShell):
            shells.append(
                walker_shell(
                    name=shell.name,
                    kind=shell.kind,
                    altitude_m=shell.altitude_m,
                    inclination_deg=shell.inclination_deg,
                    n_satellites=shell.n_satellites,
                    n_planes=shell.n_planes,
                    phasing=shell.phasing,
                    raan_deg=shell.raan_deg,
                    epoch_utc=epoch_utc,
                )
            )
            continue
        read = read_tle if shell.kind == "tle" else read_omm
        try:
            shells.append(read(shell.file, shell.name, epoch_utc=epoch_utc))
        except InputError as error:
            raise InputError(
                Fault(p.key or f"shells.{index}.file", p.message, p.source) for p in error.problems
            ) from None
    return shells
