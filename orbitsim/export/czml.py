"""The constellation and its links as CZML, which opens in Cesium: satellites, sites, and links while they are open.

Positions are Earth-fixed (Cesium's frame ``FIXED``), as everything in orbitsim is after the ephemeris, so that the
picture does not depend on how the viewer turns the Earth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from orbitsim.errors import InputError
from orbitsim.export.sampling import DEGREE, sample_times
from orbitsim.export.windows import pairs_of, windows_of
from orbitsim.orbit.sites import Site
from orbitsim.pipeline.links import LinkBook
from orbitsim.pipeline.space import Space
from orbitsim.results.files import whole_file
from orbitsim.results.wording import utc_ms
from orbitsim.scenario import Scenario

MAX_ERROR_M = 1.0
"""Bound on the distance between what the viewer interpolates and what SGP4 gives. [m]"""

# Okabe and Ito's hues, which are told apart with any colour vision.
_SATELLITE, _SENSOR, _STATION, _TARGET = (86, 180, 233), (230, 159, 0), (0, 158, 115), (240, 228, 66)
_COLORS = {"isl": (150, 160, 170), "downlink": (0, 158, 115)}
_TRAIL_S = 3000.0  # of a satellite's path behind it: about half a revolution in low orbit
_MOST_LABELS = 100  # satellites: more labels would hide the Earth


def write_czml(scenario: Scenario, out: Path, *, max_error_m: float = MAX_ERROR_M, force: bool = False) -> int:
    """Write a scenario as CZML and return the number of its packets.

    Parameters
    ----------
    scenario : Scenario
        Its orbits and links; nothing is simulated.
    out : Path
        File to write.
    max_error_m : float
        Bound on the error of interpolation between the samples of a position. [m]
    force : bool
        Replace an existing file.

    Raises
    ------
    InputError
        When czml3 is not installed, something that the scenario names is missing, or the file must not be replaced.
    OutputError
        When it cannot be written.
    """
    packets = _packets(scenario, max_error_m)
    n_packets = 0
    with whole_file(out, force=force) as work, work.open("w", encoding="utf-8", newline="\n") as file:
        for packet in packets:
            file.write("[\n" if n_packets == 0 else ",\n")
            file.write(packet.dumps())
            n_packets += 1
        file.write("\n]\n")
    return n_packets


def _packets(scenario: Scenario, max_error_m: float) -> Iterator[Any]:
    """Yield the document, then satellites, sites and links; one at a time, so that memory stays bounded."""
    try:
        import czml3  # noqa: F401
    except ImportError:
        raise InputError("czml3 is not installed; needed here: pip install 'orbitsim[report]'") from None
    space = Space(scenario)
    book = LinkBook(space)
    moments = _Moments(scenario)
    yield moments.document()
    yield from _satellites(space, moments, max_error_m)
    yield from (_site(site, moments) for site in space.sites)
    for source, target in pairs_of(book):
        if target < space.n_satellites and source > target:
            continue  # a crosslink is one line for both directions
        windows = [(window.start_s, window.end_s) for window in windows_of(book, source, target)]
        if windows:
            yield _link(space.names[source], space.names[target], book.link(source, target).kind, windows, moments)


class _Moments:
    """Times of a scenario in CZML's words."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.epoch = utc_ms(scenario.clock.epoch_utc, 0.0)

    def interval(self, start_s: float, end_s: float) -> Any:
        """Return an interval, to a millisecond."""
        from czml3.types import TimeInterval

        epoch = self.scenario.clock.epoch_utc
        return TimeInterval(start=utc_ms(epoch, start_s), end=utc_ms(epoch, end_s))

    @property
    def all(self) -> Any:
        """The whole scenario."""
        return self.interval(0.0, self.scenario.clock.duration_s)

    def document(self) -> Any:
        """Return the first packet: name and clock."""
        from czml3.core import Packet
        from czml3.enums import ClockRanges, ClockSteps
        from czml3.properties import Clock

        clock = Clock(
            interval=self.all,
            currentTime=self.epoch,
            multiplier=60.0,
            range=ClockRanges.LOOP_STOP,
            step=ClockSteps.SYSTEM_CLOCK_MULTIPLIER,
        )
        return Packet(id="document", name=self.scenario.name, version="1.0", clock=clock)


def _satellites(space: Space, moments: _Moments, max_error_m: float) -> Iterator[Any]:
    from czml3.core import Packet
    from czml3.enums import InterpolationAlgorithms
    from czml3.properties import Path as Trail
    from czml3.properties import Position

    t_s = sample_times(space.ephemeris, space.scenario.clock.duration_s, max_error_m)
    epochs = space.ephemeris.epochs(t_s)
    labelled = space.n_satellites <= _MOST_LABELS
    for satellites, positions_m in space.ephemeris.iter_positions_m(epochs, max_bytes=8_000_000):
        for satellite, positions in zip(satellites.tolist(), positions_m, strict=True):
            name = space.constellation.names[satellite]
            color = _SENSOR if satellite == space.sensor else _SATELLITE
            yield Packet(
                id=name,
                name=name,
                description=_html(("computer", space.device_of(satellite))),
                availability=moments.all,
                position=Position(
                    referenceFrame="FIXED",
                    epoch=moments.epoch,
                    interpolationAlgorithm=InterpolationAlgorithms.LAGRANGE,
                    interpolationDegree=DEGREE,
                    cartesian=np.round(np.column_stack((t_s, positions)), 3).ravel().tolist(),
                ),
                point=_point(color, 6.0),
                label=_label(name) if labelled else None,
                path=Trail(leadTime=0.0, trailTime=_TRAIL_S, width=1.0, material=_material(color, 120)),
            )


def _site(site: Site, moments: _Moments) -> Any:
    from czml3.core import Packet
    from czml3.properties import Position

    place = [site.longitude_deg, site.latitude_deg, site.altitude_m]
    return Packet(
        id=site.name if site.kind == "station" else f"target {site.name}",  # a target may share a satellite's name
        name=site.name,
        description=_html(("kind", site.kind)),
        availability=moments.all,
        position=Position(cartographicDegrees=place),
        point=_point(_STATION if site.kind == "station" else _TARGET, 9.0),
        label=_label(site.name),
    )


def _link(source: str, target: str, kind: str, windows: Sequence[tuple[float, float]], moments: _Moments) -> Any:
    from czml3.core import Packet
    from czml3.enums import ArcTypes
    from czml3.properties import Polyline, PositionList
    from czml3.types import TimeIntervalCollection

    intervals = [moments.interval(start_s, end_s) for start_s, end_s in windows]
    return Packet(
        id=f"{source}>{target}",
        name=f"{source} to {target}",
        description=_html(("kind", kind)),
        availability=TimeIntervalCollection(values=intervals) if len(intervals) > 1 else intervals[0],
        polyline=Polyline(
            positions=PositionList(references=[f"{_identifier(end)}#position" for end in (source, target)]),
            arcType=ArcTypes.NONE,
            width=1.0 if kind == "isl" else 3.0,
            material=_material(_COLORS[kind], 160 if kind == "isl" else 255),
        ),
    )


def _identifier(name: str) -> str:
    """Return an identifier as references spell it: what separates it from the property is escaped."""
    return name.replace("\\", "\\\\").replace("#", "\\#")


def _html(*facts: tuple[str, str]) -> str:
    """Return facts as the HTML that Cesium shows in its box; names are a user's text."""
    return "<br>".join(f"{escape(label)}: {escape(value)}" for label, value in facts)


def _point(color: tuple[int, int, int], size_px: float) -> Any:
    from czml3.properties import Color, Point

    return Point(pixelSize=size_px, color=Color(rgba=[*color, 255]))


def _label(text: str) -> Any:
    from czml3.enums import HorizontalOrigins
    from czml3.properties import Label

    return Label(text=text, font="11pt sans-serif", horizontalOrigin=HorizontalOrigins.LEFT)


def _material(color: tuple[int, int, int], opacity: int) -> Any:
    from czml3.properties import Color, PolylineMaterial, SolidColorMaterial

    return PolylineMaterial(solidColor=SolidColorMaterial(color=Color(rgba=[*color, opacity])))
