"""CZML: read back as a viewer reads it, satellites are where the ephemeris has them, links when they are open."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from czml3.core import Packet

from orbitsim.errors import InputError
from orbitsim.export.czml import write_czml
from orbitsim.loading import change_scenario, load_scenario
from orbitsim.orbit import geometry
from orbitsim.pipeline.space import Space


def _moment(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def _intervals(packet, epoch):
    given = packet["availability"]
    pairs = [each.split("/") for each in ([given] if isinstance(given, str) else given)]
    return [tuple((_moment(end) - epoch).total_seconds() for end in pair) for pair in pairs]


def _position(position, t_s):
    """Interpolate a sampled position as Cesium's SampledPositionProperty does: Lagrange through the nearest samples."""
    samples = np.array(position["cartesian"]).reshape(-1, 4)
    n_points = min(position["interpolationDegree"], len(samples) - 1) + 1
    after = int(np.searchsorted(samples[:, 0], t_s, side="right"))
    first = int(np.clip(after - position["interpolationDegree"] // 2 - 1, 0, len(samples) - n_points))
    times, places = samples[first : first + n_points, 0], samples[first : first + n_points, 1:]
    total = np.zeros(3)
    for k in range(n_points):
        others = np.delete(times, k)
        total += places[k] * np.prod((t_s - others) / (times[k] - others))
    return total


def _checked(line):
    """Return a line of an element set with its checksum."""
    return f"{line}{sum(int(c) if c.isdigit() else c == '-' for c in line) % 10}\n"


@pytest.fixture(scope="module")
def written(quick, tmp_path_factory):
    path = tmp_path_factory.mktemp("czml") / "day.czml"
    n_packets = write_czml(quick, path)
    packets = json.loads(path.read_text(encoding="utf-8"))
    assert len(packets) == n_packets
    return packets


def test_the_document_is_first_and_every_packet_is_czml(written, quick):
    assert written[0]["id"] == "document"
    assert written[0]["version"] == "1.0"
    assert written[0]["clock"]["interval"] == "2026-04-06T00:00:00.000Z/2026-04-06T01:00:00.000Z"
    assert len({packet["id"] for packet in written}) == len(written)
    for packet in written:
        assert json.loads(Packet.model_validate(packet).dumps()) == packet


def test_satellites_are_where_the_ephemeris_has_them(written, quick):
    space = Space(quick)
    by_id = {packet["id"]: packet for packet in written}
    rng = np.random.default_rng(1)
    t_s = np.concatenate(([0.0, 1.0, 3599.0, 3600.0], rng.uniform(0.0, 3600.0, 40)))
    for index, name in enumerate(space.constellation.names):
        position = by_id[name]["position"]
        assert position["referenceFrame"] == "FIXED"
        ours = np.array([_position(position, moment) for moment in t_s])
        truth = space.ephemeris.positions_m(t_s, [index])[0]
        assert np.linalg.norm(ours - truth, axis=-1).max() < 1.0


def test_samples_get_denser_until_they_are_good_enough(quick, tmp_path):
    molniya = tmp_path / "molniya.tle"
    molniya.write_text(
        "MOLNIYA 1-91\n"
        + _checked("1 25485U 98054A   26096.00000000  .00000100  00000-0  10000-3 0  999")
        + _checked("2 25485  64.0000 100.0000 7000000 270.0000  20.0000  2.36000000 1000")
    )
    scenario = load_scenario("quick", settings={
        "shells": [{"kind": "tle", "name": "m", "file": str(molniya), "devices": ["jetson-agx-orin-50w"]}],
        "workload.sensor": "MOLNIYA 1-91", "links.isl.topology": "none", "clock.duration_s": 43200.0,
    })  # fmt: skip
    path = tmp_path / "molniya.czml"
    write_czml(scenario, path)
    packet = next(packet for packet in json.loads(path.read_text()) if packet["id"] == "MOLNIYA 1-91")
    space = Space(scenario)
    t_s = np.linspace(0.0, 43200.0, 1001)
    ours = np.array([_position(packet["position"], moment) for moment in t_s])
    truth = space.ephemeris.positions_m(t_s, [0])[0]
    assert np.linalg.norm(ours - truth, axis=-1).max() < 1.0
    path.unlink()
    write_czml(scenario, path, max_error_m=1e-4)
    finer = next(packet for packet in json.loads(path.read_text()) if packet["id"] == "MOLNIYA 1-91")["position"]
    assert len(finer["cartesian"]) > len(packet["position"]["cartesian"])
    ours = np.array([_position(finer, moment) for moment in t_s])
    assert np.linalg.norm(ours - truth, axis=-1).max() < 5e-3  # samples are rounded to a millimetre


def test_the_station_is_where_the_scenario_has_it(written, quick):
    station = next(packet for packet in written if packet["id"] == "ground")
    assert station["position"]["cartographicDegrees"] == [180.0, -53.0, 0.0]


def test_links_are_there_exactly_while_they_are_open(written, quick):
    space = Space(quick)
    epoch = quick.clock.epoch_utc
    by_id = {packet["id"]: packet for packet in written}
    contacts = space.contacts.select(space.contacts.site == 0)
    for satellite in set(contacts.satellite.tolist()):
        mine = contacts.for_satellite(satellite)
        packet = by_id[f"{space.names[satellite]}>ground"]
        np.testing.assert_allclose(
            _intervals(packet, epoch), np.column_stack((mine.start_s, mine.end_s)), atol=0.5e-3
        )  # milliseconds are what the file holds
        assert packet["polyline"]["positions"]["references"] == [
            f"{space.names[satellite]}#position",
            "ground#position",
        ]
        assert packet["polyline"]["arcType"] == "NONE"
    lines = {packet["id"] for packet in written if "polyline" in packet}
    crosslinks = {f"{space.names[a]}>{space.names[b]}" for a, b in space.topology.edges.tolist()}
    assert lines == crosslinks | {f"{space.names[s]}>ground" for s in contacts.satellite.tolist()}


def test_when_a_downlink_is_shown_the_station_sees_the_satellite(written, quick):
    """What the file says by itself: within each interval the elevation is above the mask, just outside it is below."""
    epoch = quick.clock.epoch_utc
    by_id = {packet["id"]: packet for packet in written}
    longitude, latitude, height = by_id["ground"]["position"]["cartographicDegrees"]
    site_m = geometry.geodetic_to_ecef_m(np.radians(latitude), np.radians(longitude), height)
    zenith = geometry.zenith_unit(np.radians(latitude), np.radians(longitude))
    mask_deg = quick.links.downlink.min_elevation_deg
    for packet in (packet for packet in written if packet["id"].endswith(">ground")):
        position = by_id[packet["id"].partition(">")[0]]["position"]
        for start_s, end_s in _intervals(packet, epoch):
            moments = [start_s + 0.1, 0.5 * (start_s + end_s), end_s - 0.1]
            places = np.array([_position(position, moment) for moment in moments])
            assert (np.degrees(geometry.elevation_rad(places, site_m, zenith)) >= mask_deg - 1e-3).all()
            if start_s > 1.0:
                before = geometry.elevation_rad(_position(position, start_s - 0.1), site_m, zenith)
                assert np.degrees(before) < mask_deg


def test_names_are_escaped(quick, tmp_path):
    tle = tmp_path / "odd.tle"
    tle.write_text(
        "<b>#1 \\ SAT\n"
        + _checked("1 25544U 98067A   26096.00000000  .00000100  00000-0  10000-3 0  999")
        + _checked("2 25544  51.6400 100.0000 0005000  90.0000  20.0000 15.50000000 1000")
    )
    settings = {
        "shells": [{"kind": "tle", "name": "m", "file": str(tle), "devices": ["jetson-agx-orin-50w"]}],
        "workload.sensor": "<b>#1 \\ SAT", "links.isl.topology": "none", "links.downlink.availability": "always",
    }  # fmt: skip
    path = tmp_path / "odd.czml"
    write_czml(load_scenario("quick", settings=settings), path)
    packets = json.loads(path.read_text())
    line = next(packet for packet in packets if "polyline" in packet)
    assert line["polyline"]["positions"]["references"][0] == "<b>\\#1 \\\\ SAT#position"
    assert all("<b>" not in packet.get("description", "") for packet in packets)


def test_a_target_named_like_a_satellite_stays_apart(quick, tmp_path):
    path = tmp_path / "day.czml"
    write_czml(change_scenario(quick, {"targets.0.name": "p-01", "clock.duration_s": 600.0}), path)
    ids = [packet["id"] for packet in json.loads(path.read_text())]
    assert len(ids) == len(set(ids))
    assert {"p-01", "target p-01"} <= set(ids)


def test_an_existing_file_is_kept(quick, tmp_path):
    path = tmp_path / "day.czml"
    path.write_text("mine")
    with pytest.raises(InputError, match="--force"):
        write_czml(quick, path)
    assert path.read_text() == "mine"


def test_without_czml3_one_message(tmp_path):
    code = (
        "import sys; sys.modules['czml3'] = None\n"
        "from pathlib import Path\n"
        "from orbitsim.export.czml import write_czml\n"
        "from orbitsim.loading import load_scenario\n"
        f"write_czml(load_scenario('quick'), Path({str(tmp_path / 'day.czml')!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "czml3 is not installed; needed here: pip install 'orbitsim[report]'" in done.stderr
    assert list(tmp_path.iterdir()) == []
