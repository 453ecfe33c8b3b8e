"""TLE and OMM files: what is read, and that every fault of a file is reported with its place."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgp4.api import Satrec
from sgp4.exporter import export_omm
from sgp4.io import fix_checksum

from orbitsim.errors import InputError, OrbitsimError
from orbitsim.orbit.catalogues import read_omm, read_tle

EPOCH = datetime(2006, 6, 26, tzinfo=UTC)
REAL = Path(__file__).parent / "data" / "real-2006-06.tle"
LINES = [line for line in REAL.read_text().splitlines() if not line.startswith("#")]
MOLNIYA = LINES[4:6]


def write(tmp_path, text, name="file.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def elements(shell):
    keys = ("jdsatepoch", "jdsatepochF", "bstar", "inclo", "nodeo", "ecco", "argpo", "mo", "no_kozai")
    return np.array([[getattr(satrec, key) for key in keys] for satrec in shell.satrecs])


def messages():
    triples = zip(LINES[::3], LINES[1::3], LINES[2::3], strict=True)
    return [export_omm(Satrec.twoline2rv(a, b), name.removeprefix("0 ")) for name, a, b in triples]


def as_csv(fields):
    text = io.StringIO()
    writer = csv.DictWriter(text, fields[0].keys())
    writer.writeheader()
    writer.writerows(fields)
    return text.getvalue()


def as_xml(fields):
    places = {
        "metadata": ("OBJECT_NAME", "OBJECT_ID", "CENTER_NAME", "REF_FRAME", "TIME_SYSTEM", "MEAN_ELEMENT_THEORY")
    }
    places["tleParameters"] = ("EPHEMERIS_TYPE", "CLASSIFICATION_TYPE", "NORAD_CAT_ID", "ELEMENT_SET_NO")
    places["tleParameters"] += ("REV_AT_EPOCH", "BSTAR", "MEAN_MOTION_DOT", "MEAN_MOTION_DDOT")
    parts = []
    for one in fields:
        groups = {"metadata": "", "meanElements": "", "tleParameters": ""}
        for key, value in one.items():
            group = next((place for place, keys in places.items() if key in keys), "meanElements")
            groups[group] += f"<{key}>{value}</{key}>"
        inner = "".join(f"<{group}>{groups[group]}</{group}>" for group in ("meanElements", "tleParameters"))
        parts.append(f"<segment><metadata>{groups['metadata']}</metadata><data>{inner}</data></segment>")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<ndm><omm><body>{"".join(parts)}</body></omm></ndm>'


def test_three_and_two_line_sets_with_mixed_epochs(tmp_path):
    named = read_tle(REAL, "real", epoch_utc=EPOCH)
    assert named.names[:2] == ("DELTA 1 DEB", "MOLNIYA 2-14")
    assert "CBERS 2" in named.names  # a name line without the leading 0
    assert len(np.unique(elements(named)[:, 0] + elements(named)[:, 1])) == 10
    two_lines = "\n".join(line for line in LINES if line[:2] in ("1 ", "2 "))
    nameless = read_tle(write(tmp_path, two_lines), "real", epoch_utc=EPOCH)
    assert nameless.names[:2] == ("06251", "08195")
    assert np.array_equal(elements(named), elements(nameless))


def test_slots_follow_the_argument_of_latitude_at_the_scenarios_epoch():
    shell = read_tle(REAL, "real", epoch_utc=EPOCH)
    assert (shell.kind, shell.n_planes, shell.phasing) == ("tle", 1, 0)
    assert sorted(shell.slot) == list(range(10))
    ordered = np.argsort(shell.slot)
    angles = []
    for i in ordered:
        # SGP4 stores the mean elements of its last call: argument of perigee plus true anomaly from the eccentricity
        _, r, v = shell.satrecs[i].sgp4(2453912.5, 0.0)
        normal = np.cross(r, v)
        node = np.cross([0.0, 0.0, 1.0], normal)
        angle = np.arccos(np.dot(node, r) / np.linalg.norm(node) / np.linalg.norm(r))
        angles.append(angle if r[2] >= 0.0 else 2 * np.pi - angle)
    assert np.all(np.diff(angles) > 0.0)


@pytest.mark.parametrize("form", ["csv", "json", "json-one", "xml"])
def test_omm_gives_the_elements_of_the_tle(tmp_path, form):
    fields = messages()
    if form == "json-one":
        fields = fields[:1]
    text = {"csv": as_csv, "xml": as_xml, "json": json.dumps, "json-one": lambda f: json.dumps(f[0])}[form](fields)
    shell = read_omm(write(tmp_path, text), "real", epoch_utc=EPOCH)
    expected = read_tle(REAL, "real", epoch_utc=EPOCH)
    assert shell.kind == "omm"
    assert shell.names == expected.names[: len(fields)]
    # OMM epochs are written to the microsecond, TLE epochs to 1e-8 day
    epochs, expected_epochs = elements(shell)[:, :2].sum(axis=1), elements(expected)[: len(fields), :2].sum(axis=1)
    np.testing.assert_allclose(epochs, expected_epochs, rtol=0.0, atol=2e-9)
    np.testing.assert_allclose(elements(shell)[:, 2:], elements(expected)[: len(fields), 2:], rtol=1e-9, atol=1e-12)


def test_omm_epochs_without_fraction_and_with_z(tmp_path):
    fields = messages()[:2]
    fields[0]["EPOCH"], fields[1]["EPOCH"] = "2006-06-25T12:00:00", "2006-06-25T12:00:00.5Z"
    shell = read_omm(write(tmp_path, json.dumps(fields)), "real", epoch_utc=EPOCH)
    assert elements(shell)[:, :2].sum(axis=1).tolist() == pytest.approx([2453912.0, 2453912.0 + 0.5 / 86400], abs=1e-9)


def test_catalogue_numbers_beyond_five_digits(tmp_path):
    alpha5 = [fix_checksum(line[:2] + "E8493" + line[7:]) for line in MOLNIYA]
    shell = read_tle(write(tmp_path, "\n".join(alpha5)), "real", epoch_utc=EPOCH)
    assert shell.satrecs[0].satnum == 148493
    fields = messages()[:2]
    fields[0] |= {"NORAD_CAT_ID": 148493, "OBJECT_NAME": ""}
    fields[1] |= {"NORAD_CAT_ID": 799500123, "OBJECT_NAME": ""}
    shell = read_omm(write(tmp_path, json.dumps(fields)), "real", epoch_utc=EPOCH)
    assert shell.names == ("148493", "799500123")


def test_repeated_names_get_their_catalogue_number(tmp_path):
    text = "\n".join(["DEB", *LINES[1:3], "DEB", *MOLNIYA, "OTHER", *LINES[7:9]])
    assert read_tle(write(tmp_path, text), "real", epoch_utc=EPOCH).names == ("DEB 06251", "DEB 08195", "OTHER")


def test_a_satellite_twice_is_refused(tmp_path):
    text = "\n".join([*MOLNIYA, "", *MOLNIYA])
    with pytest.raises(InputError, match=r"each satellite once, found '08195' in line 1, line 4"):
        read_tle(write(tmp_path, text), "real", epoch_utc=EPOCH)


def test_every_bad_line_is_listed(tmp_path):
    bad = list(LINES[:12])
    bad[1] = bad[1][:-1] + str((int(bad[1][-1]) + 1) % 10)  # checksum
    bad[4] = bad[4][:60]  # too short
    bad[8] = fix_checksum(bad[8].replace(".", ",", 1))  # decimal point
    bad[11] = fix_checksum(bad[11][:2] + "99999" + bad[11][7:])  # another satellite's second line
    with pytest.raises(InputError) as caught:
        read_tle(write(tmp_path, "\n".join(bad), "bad.tle"), "real", epoch_utc=EPOCH)
    problems = {problem.key: problem for problem in caught.value.problems}
    assert list(problems) == ["line 2", "line 5", "line 9", "line 12"]
    assert "checksum" in problems["line 2"].message
    assert "69 characters, found 60" in problems["line 5"].message
    assert "column 12" in problems["line 9"].message
    assert "99999" in problems["line 12"].message
    assert all(problem.source.endswith("bad.tle") for problem in problems.values())
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one element set"),
        ("# only a comment\n\n", "at least one element set"),
        (MOLNIYA[0], "line 1: expected line 2"),
        (MOLNIYA[1], "line 1: expected line 1"),
        ("NAME\nOTHER\n" + "\n".join(MOLNIYA), "line 2: expected the element set of 'NAME'"),
        ("\n".join([*MOLNIYA, "LAST"]), "'LAST' before the end"),
        (fix_checksum(MOLNIYA[0][:53] + " 1x873-3" + MOLNIYA[0][61:]) + "\n" + MOLNIYA[1], "drag term"),
        (MOLNIYA[0] + "\n" + fix_checksum(MOLNIYA[1][:8] + " 6x.1586" + MOLNIYA[1][16:]), "inclination"),
        (MOLNIYA[0] + "\n" + fix_checksum(MOLNIYA[1][:52] + " 0.00000000" + MOLNIYA[1][63:]), "line 1: expected"),
    ],
)
def test_malformed_tle_files(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_tle(write(tmp_path, text), "real", epoch_utc=EPOCH)


def test_every_bad_message_is_listed(tmp_path):
    fields = messages()[:4]
    fields[0]["MEAN_MOTION"] = "fast"
    del fields[1]["INCLINATION"]
    fields[2]["EPOCH"] = "yesterday"
    fields[3]["TIME_SYSTEM"] = "TAI"
    with pytest.raises(InputError) as caught:
        read_omm(write(tmp_path, json.dumps(fields)), "real", epoch_utc=EPOCH)
    assert [problem.key for problem in caught.value.problems] == [
        "message 1.MEAN_MOTION",
        "message 2.INCLINATION",
        "message 3.EPOCH",
        "message 4.TIME_SYSTEM",
    ]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "[1, 2]", "<ndm>", "<ndm></ndm>", "a,b\n1,2\n", "<ndm><segment/></ndm>", "{}", '{"a": {}}']
)
def test_malformed_omm_files(tmp_path, text):
    with pytest.raises(InputError, match="expected"):
        read_omm(write(tmp_path, text), "real", epoch_utc=EPOCH)


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match=r"absent\.tle: expected a readable file"):
        read_tle(tmp_path / "absent.tle", "real", epoch_utc=EPOCH)
    (tmp_path / "binary.tle").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="not UTF-8"):
        read_omm(tmp_path / "binary.tle", "real", epoch_utc=EPOCH)


@settings(deadline=None)
@given(st.integers(0, 137), st.characters(codec="latin-1"))
def test_a_damaged_character_never_shows_a_traceback(tmp_path_factory, place, character):
    text = "\n".join(MOLNIYA)
    path = write(tmp_path_factory.mktemp("fuzz"), text[:place] + character + text[place + 1 :])
    try:
        read_tle(path, "real", epoch_utc=EPOCH)
    except OrbitsimError as error:
        assert str(error)  # noqa: PT017 - either outcome is fine, any other exception is not


@settings(deadline=None)
@given(st.text(max_size=200))
def test_arbitrary_text_never_shows_a_traceback(tmp_path_factory, text):
    path = write(tmp_path_factory.mktemp("fuzz"), text)
    for read in (read_tle, read_omm):
        with pytest.raises(InputError):
            read(path, "real", epoch_utc=EPOCH)
