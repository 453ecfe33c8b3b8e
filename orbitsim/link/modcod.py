"""Modulation and coding: the rate that a real modem reaches at a signal-to-noise ratio, from a table of thresholds."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike

from orbitsim.link.budget import FloatArray


@dataclass(frozen=True, slots=True)
class Modcod:
    """One modulation and code rate.

    Attributes
    ----------
    name : str
        Modulation and code rate, as the standard names them.
    es_n0_db : float
        Least energy per symbol over noise density at which reception is quasi error free. [dB]
    efficiency_bit_per_symbol : float
        Useful bits per transmitted symbol, headers and parity paid for. [bit/symbol]
    """

    name: str
    es_n0_db: float
    efficiency_bit_per_symbol: float


@dataclass(frozen=True)
class ModcodTable:
    """Modulation and coding pairs, and the rate that adapting among them gives.

    Parameters
    ----------
    name : str
        Name of the table.
    source : str
        Where its numbers come from.
    rows : tuple of Modcod
        The pairs, at least one, in any order.

    Raises
    ------
    ValueError
        If there is no row, a name appears twice, or a number is not finite or an efficiency not positive.
    """

    name: str
    source: str
    rows: tuple[Modcod, ...]

    def __post_init__(self) -> None:
        if not self.rows:
            raise ValueError(f"MODCOD table {self.name} has no rows")
        if len({row.name for row in self.rows}) != len(self.rows):
            raise ValueError(f"MODCOD table {self.name} has two rows of one name")
        for row in self.rows:
            if not (np.isfinite(row.es_n0_db) and 0.0 < row.efficiency_bit_per_symbol < np.inf):
                raise ValueError(f"MODCOD {row.name} needs a finite threshold and a positive efficiency")

    @cached_property
    def steps(self) -> tuple[Modcod, ...]:
        """Rows worth using, by rising threshold: those that carry more than every row with a lower threshold."""
        best: list[Modcod] = []
        for row in sorted(self.rows, key=lambda row: (row.es_n0_db, -row.efficiency_bit_per_symbol)):
            if not best or row.efficiency_bit_per_symbol > best[-1].efficiency_bit_per_symbol:
                best.append(row)
        return tuple(best)

    @cached_property
    def _step_arrays(self) -> tuple[FloatArray, FloatArray]:
        thresholds = np.array([row.es_n0_db for row in self.steps])
        efficiencies = np.array([0.0, *(row.efficiency_bit_per_symbol for row in self.steps)])
        return thresholds, efficiencies

    def efficiency_bit_per_symbol(self, es_n0_db: ArrayLike, margin_db: float) -> FloatArray:
        """Efficiency of the best row whose threshold plus margin is reached; 0 below the lowest, nan for nan.

        Parameters
        ----------
        es_n0_db : array_like
            Energy per symbol over noise density. [dB]
        margin_db : float
            Implementation margin: what a real modem needs above the ideal threshold. [dB]

        Returns
        -------
        ndarray of float
            Useful bits per symbol. [bit/symbol]
        """
        available = np.asarray(es_n0_db, dtype=np.float64) - margin_db
        thresholds, efficiencies = self._step_arrays
        reached = efficiencies[np.searchsorted(thresholds, available, side="right")]
        return np.where(np.isnan(available), np.nan, reached)

    def rate_bps(self, snr_db: ArrayLike, bandwidth_hz: float, rolloff: float, margin_db: float) -> FloatArray:
        """Rate of a modem that always uses the best row it can receive.

        Parameters
        ----------
        snr_db : array_like
            Signal over noise power within `bandwidth_hz` (C/N with N = k T B). [dB]
        bandwidth_hz : float
            Occupied bandwidth B, positive. [Hz]
        rolloff : float
            Roll-off of the root-raised-cosine pulse, not negative. [-]
        margin_db : float
            Implementation margin. [dB]

        Returns
        -------
        ndarray of float
            Symbol rate times efficiency; 0 below the lowest threshold. [bit/s]

        Raises
        ------
        ValueError
            If the bandwidth is not positive, or the roll-off or the margin is negative.

        Notes
        -----
        The symbol rate is R_s = B / (1 + rolloff). Es/N0 = C / (R_s N0) while the SNR is C / (B N0), hence
        Es/N0 = SNR + 10 log10(1 + rolloff) dB: the receiver's matched filter has the noise bandwidth R_s, less than B.
        """
        if not (bandwidth_hz > 0.0 and rolloff >= 0.0 and margin_db >= 0.0):
            raise ValueError(
                "bandwidth_hz must be positive, rolloff and margin_db not negative: "
                f"{bandwidth_hz} Hz, {rolloff}, {margin_db} dB"
            )
        es_n0_db = np.asarray(snr_db, dtype=np.float64) + 10.0 * np.log10(1.0 + rolloff)
        return bandwidth_hz / (1.0 + rolloff) * self.efficiency_bit_per_symbol(es_n0_db, margin_db)


@lru_cache(maxsize=1)
def dvb_s2x_table() -> ModcodTable:
    """Return the MODCODs of DVB-S2 and DVB-S2X shipped with orbitsim (normal frames, no pilots, ideal AWGN channel)."""
    text = resources.files("orbitsim").joinpath("data", "modcod-dvb-s2x.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    rows = tuple(
        Modcod(name, float(threshold), float(efficiency))
        for table in content["tables"]
        for name, threshold, efficiency in table["rows"]
    )
    return ModcodTable(content["name"], "; ".join(table["source"] for table in content["tables"]), rows)
