"""What every section of a scenario shares: strictness, and the value types that several sections use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

DAYS_366_S = 366 * 86400

EXAMPLE_TIME = "2026-04-06T00:00:00Z"
# UTC has had whole leap seconds since 1972; tables of the Earth's rotation say little about the next century.
_FIRST_YEAR, _LAST_YEAR = 1972, 2099


class Section(BaseModel):
    """A table of the scenario file: frozen, unknown keys refused, no silent conversion of types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_default=True,
    )


class FrozenTables(dict[str, Any]):
    """Tables by a name of the user's choice, which can neither be changed nor added to; hashable like any section."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenTables], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError("a scenario cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


def to_utc(value: Any) -> Any:
    """Return a time or its ISO 8601 text as a time in UTC; anything else as it is, for the validator to refuse."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return value
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise PydanticCustomError("utc", f"expected a time with its zone, such as {EXAMPLE_TIME}")
    try:
        value = value.astimezone(UTC)
    except OverflowError:  # the zone's offset leads out of the years that Python knows
        value = datetime.min.replace(tzinfo=UTC)
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise PydanticCustomError("utc", f"expected a time in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return value


def to_tuple(value: Any) -> Any:
    """Return a list as a tuple; anything else as it is, for the validator to refuse."""
    return tuple(value) if isinstance(value, list) else value


def _printable(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise PydanticCustomError("printable", "expected printable text that is not empty")
    return value


AsTuple = BeforeValidator(to_tuple)
UtcTime = Annotated[datetime, BeforeValidator(to_utc)]
Text = Annotated[str, AfterValidator(_printable)]
Title = Annotated[str, Field(max_length=120), AfterValidator(_printable)]
Name = Annotated[str, Field(max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
GroundAltitude = Annotated[float, Field(ge=-500, le=9000)]
Elevation = Annotated[float, Field(ge=0, lt=90)]
Memory = Annotated[float, Field(gt=0, le=1e18)]
Share = Annotated[float, Field(ge=0, le=1)]
CodecSpeed = Annotated[float, Field(ge=0, le=1)]
