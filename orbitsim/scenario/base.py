"""What every section of a scenario shares: strictness, and the value types that several sections use."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


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


def _to_utc(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise PydanticCustomError("utc", "expected an ISO 8601 time with Z, such as 2026-04-06T00:00:00Z") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise PydanticCustomError("utc", "expected a time with its zone, such as 2026-04-06T00:00:00Z")
        return value.astimezone(UTC)
    return value


def _to_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _printable(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise PydanticCustomError("printable", "expected printable text that is not empty")
    return value


UtcTime = Annotated[datetime, BeforeValidator(_to_utc)]
Title = Annotated[str, Field(max_length=120), AfterValidator(_printable)]
Name = Annotated[str, Field(max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Elevation = Annotated[float, Field(ge=0, lt=90)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
AsTuple = BeforeValidator(_to_tuple)
