"""Orbit mean-elements messages in CSV, JSON and XML, checked field by field, and sgp4's reader."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import ParseError

from sgp4 import omm
from sgp4.api import Satrec

from orbitsim.errors import Problem
from orbitsim.orbit.elements import Element, finite_number, initialised

_OMM_NUMBERS = (
    "MEAN_MOTION",
    "ECCENTRICITY",
    "INCLINATION",
    "RA_OF_ASC_NODE",
    "ARG_OF_PERICENTER",
    "MEAN_ANOMALY",
    "NORAD_CAT_ID",
    "BSTAR",
)
# Fields that do not enter SGP4, with what sgp4's reader is given where a file leaves them out.
_OMM_IRRELEVANT = {
    "CLASSIFICATION_TYPE": "U",
    "OBJECT_ID": "",
    "EPHEMERIS_TYPE": "0",
    "ELEMENT_SET_NO": "0",
    "REV_AT_EPOCH": "0",
    "MEAN_MOTION_DOT": "0",
    "MEAN_MOTION_DDOT": "0",
}


def parse_omm(text: str, problems: list[Problem]) -> list[Element]:
    """Return the element sets of a text of orbit mean-elements messages; the content decides the format.

    Parameters
    ----------
    text : str
        Content of the file: CSV with a header line, a JSON message or list of messages, or XML.
    problems : list of Problem
        Every fault found is appended; its element set is left out of the result.

    Returns
    -------
    list of Element
        In the order of the text.

    References
    ----------
    .. [1] CCSDS 502.0-B-3, "Orbit Data Messages" (2023), section 4.
    """
    elements: list[Element] = []
    try:
        for place, message in _messages(text):
            element = _omm_element(place, message, problems)
            elements.extend([element] if element else [])
    except (ParseError, json.JSONDecodeError, csv.Error, AttributeError, TypeError) as error:
        # sgp4's XML reader meets a missing section as an AttributeError or TypeError.
        problems.append(Problem("", f"expected orbit mean-elements messages as CSV, JSON or XML: {error}"))
    return elements


def _messages(text: str) -> Iterator[tuple[str, Any]]:
    """Yield each message of a file with the place where it stands."""
    if text.lstrip().startswith("<"):
        for i, fields in enumerate(omm.parse_xml(io.StringIO(text)), start=1):
            yield f"segment {i}", fields
    elif text.lstrip().startswith(("[", "{")):
        content = json.loads(text)
        for i, fields in enumerate(content if isinstance(content, list) else [content], start=1):
            yield f"message {i}", fields
    else:
        for i, fields in enumerate(omm.parse_csv(io.StringIO(text)), start=2):
            yield f"line {i}", fields


def _omm_element(place: str, message: Any, problems: list[Problem]) -> Element | None:
    if not isinstance(message, Mapping):
        problems.append(Problem(place, f"expected a message with named fields, found {str(message)[:40]!r}"))
        return None
    given = {key: value for key, value in message.items() if value not in (None, "")}
    faults = [
        Problem(f"{place}.{key}", f"expected a number, found {given.get(key, 'nothing')!r}")
        for key in _OMM_NUMBERS
        if finite_number(given.get(key)) is None
    ]
    epoch = _omm_epoch(given.get("EPOCH"))
    if epoch is None:
        faults.append(
            Problem(f"{place}.EPOCH", f"expected a UTC time in ISO 8601, found {given.get('EPOCH', 'nothing')!r}")
        )
    for key, expected in (("TIME_SYSTEM", "UTC"), ("REF_FRAME", "TEME"), ("CENTER_NAME", "EARTH")):
        if str(given.get(key, expected)).upper() != expected:
            faults.append(Problem(f"{place}.{key}", f"expected {expected}, found {given[key]!r}"))
    problems.extend(faults)
    if faults or epoch is None:
        return None
    number = str(int(float(given["NORAD_CAT_ID"])))
    # sgp4 holds numbers up to 339999; the number does not enter the propagation, so longer ones are kept as text only.
    fields = {**_OMM_IRRELEVANT, **given, "EPOCH": epoch, "NORAD_CAT_ID": number if int(number) <= 339_999 else "0"}
    fields["OBJECT_ID"] = str(fields["OBJECT_ID"])

    def initialise() -> Any:
        satrec = Satrec()
        omm.initialize(satrec, fields)
        return satrec

    return initialised(place, str(given.get("OBJECT_NAME", "")).strip(), number, initialise, problems)


def _omm_epoch(text: Any) -> str | None:
    """Return an epoch in the one spelling that sgp4's reader takes."""
    try:
        epoch = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    if epoch.tzinfo is not None:
        epoch = epoch.astimezone(UTC)
    return epoch.strftime("%Y-%m-%dT%H:%M:%S.%f")
