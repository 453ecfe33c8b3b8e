"""The sections of a scenario about links: crosslinks between satellites, and the downlink to the ground."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from orbitsim.scenario.base import Elevation, Section

Decibel = Annotated[float, Field(ge=-300, le=300)]
LossDecibel = Annotated[float, Field(ge=0, le=300)]
Bandwidth = Annotated[float, Field(ge=1, le=1e15)]
NoiseTemperature = Annotated[float, Field(ge=0.1, le=1e6)]
Rate = Annotated[float, Field(ge=1, le=1e15)]


class Optical(Section):
    """An optical terminal at both ends."""

    kind: Literal["optical"]
    """Free-space optical link."""
    wavelength_m: Annotated[float, Field(ge=100e-9, le=100e-6)] = 1550e-9
    """Wavelength of the laser."""
    transmit_power_dbw: Decibel = 10.0
    """Optical power sent, relative to 1 W."""
    divergence_rad: Annotated[float, Field(ge=1e-9, le=0.1)] = 50e-6
    """Full divergence angle of the beam."""
    aperture_m: Annotated[float, Field(ge=1e-3, le=10)] = 0.10
    """Diameter of the receiving aperture."""
    system_loss_db: LossDecibel = 6.0
    """Losses of pointing and hardware together."""
    noise_temperature_k: NoiseTemperature = 290.0
    """Temperature of the thermal noise."""
    noise: Literal["thermal", "quantum"] = "thermal"
    """kTB, as in the paper, or the photon-noise limit."""
    bandwidth_hz: Bandwidth = 0.5e9
    """Noise bandwidth."""
    pointing_jitter_rad: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    """Standard deviation of the pointing error in each axis."""
    acquisition_s: Annotated[float, Field(ge=0, le=86400)] = 0.0
    """Time from a link's opening until it carries data."""


class Radio(Section):
    """A radio terminal at both ends."""

    kind: Literal["radio"]
    """Radio link."""
    frequency_hz: Annotated[float, Field(ge=1e6, le=1e12)] = 40e9
    """Carrier frequency."""
    bandwidth_hz: Bandwidth = 1e9
    """Noise bandwidth."""
    transmit_power_dbm: Decibel = 35.0
    """Power sent, relative to 1 mW."""
    transmit_gain_dbi: Decibel = 37.0
    """Gain of the sending antenna."""
    receive_gain_dbi: Decibel | None = None
    """Gain of the receiving antenna; 37 dBi when neither it nor `receive_g_over_t_db_k` is given (the paper states one
    antenna gain; both ends are taken to have it)."""
    receive_g_over_t_db_k: Decibel | None = None
    """Figure of merit of the receiver, instead of its gain and noise temperature."""
    implementation_loss_db: LossDecibel = 0.0
    """Losses of a real modem and feed."""
    noise_temperature_k: NoiseTemperature = 290.0
    """System noise temperature of the receiver."""
    path_loss_exponent: Annotated[float, Field(ge=1.5, le=6)] = 2.0
    """2 is free space; the paper prints 2.5, with which its link does not close."""
    modulation: Literal["shannon", "dvb-s2x"] = "shannon"
    """Rate from Shannon's bound or from the thresholds of DVB-S2X."""
    rolloff: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Roll-off of the pulse, for DVB-S2X."""

    @property
    def receiver_gain_dbi(self) -> float | None:
        """Gain of the receiving antenna with its default; None where the receiver is given as G/T."""
        if self.receive_g_over_t_db_k is not None:
            return None
        return 37.0 if self.receive_gain_dbi is None else self.receive_gain_dbi


class Isl(Section):
    """Crosslinks between satellites."""

    topology: Literal["ring", "grid", "none"] = "ring"
    """In-plane neighbours; also the two adjacent planes; or no crosslinks."""
    mode: Literal["fixed", "budget"] = "fixed"
    """`fixed` takes `rate_bps`; `budget` computes the rate from the terminal's figures."""
    rate_bps: Rate = 0.5e9
    """Rate while the link is open, in fixed mode."""
    duplex: Literal["full", "half"] = "full"
    """Whether both directions share one transmitter."""
    grazing_altitude_m: Annotated[float, Field(ge=0, le=1000e3)] = 80e3
    """The line of sight must clear the Earth and this height of air."""
    max_range_m: Annotated[float, Field(ge=1, le=1e9)] | None = None
    """Longest distance that the terminal bridges; omitted: no limit but the line of sight."""


class Downlink(Section):
    """Links from satellites to ground stations."""

    mode: Literal["fixed", "budget"] = "fixed"
    """`fixed` takes `rate_bps`; `budget` computes the rate from the terminal's figures."""
    rate_bps: Rate = 0.8e9
    """Rate while the link is open, in fixed mode."""
    availability: Literal["contacts", "always"] = "contacts"
    """Real contacts, or the paper's idealised downlink: open all the time at the last node of the route."""
    min_elevation_deg: Elevation | None = None
    """Elevation mask at the station (this, or `max_off_nadir_deg`)."""
    max_off_nadir_deg: Annotated[float, Field(gt=0, le=90)] | None = None
    """Mask at the satellite: largest angle between the nadir and the station (this, or `min_elevation_deg`)."""


class OpticalIsl(Isl, Optical):
    """Optical crosslinks."""


class RadioIsl(Isl, Radio):
    """Radio crosslinks."""

    # Crosslinks pass above the atmosphere (`grazing_altitude_m`), so no scenario can set these.
    itu_availability_pct: ClassVar[None] = None
    receive_aperture_m: ClassVar[None] = None


class OpticalDownlink(Downlink, Optical):
    """Optical downlinks."""


class RadioDownlink(Downlink, Radio):
    """Radio downlinks."""

    itu_availability_pct: Annotated[float, Field(ge=95, le=99.999)] | None = None
    """Share of an average year in which the link holds: adds ITU-R gas, cloud, rain and scintillation loss."""
    receive_aperture_m: Annotated[float, Field(ge=1e-3, le=100)] | None = None
    """Diameter of the receiving antenna, for ITU-R scintillation; omitted: computed from its gain."""


class Links(Section):
    """All links of the scenario."""

    isl: Annotated[OpticalIsl | RadioIsl, Field(discriminator="kind")]
    """Crosslinks between satellites."""
    downlink: Annotated[RadioDownlink | OpticalDownlink, Field(discriminator="kind")]
    """Links from satellites to ground stations."""
