"""The DVB-S2X table against its own code parameters, a second transcription, and Shannon."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orbitsim.link.modcod import Modcod, ModcodTable, dvb_s2x_table

BITS_PER_SYMBOL = {
    "QPSK": 2, "8PSK": 3, "8APSK": 3, "16APSK": 4, "32APSK": 5, "64APSK": 6, "128APSK": 7, "256APSK": 8,
}  # fmt: skip
# Errors that the BCH code of a normal frame corrects: EN 302 307-1, Table 5a, where it is not 12.
CORRECTED = {"2/3": 10, "5/6": 10, "8/9": 8, "9/10": 8}

# A second, independent transcription: the table of a public simulator of LEO routing (SatCom-TELMA,
# MA-DRL_Routing_Simulator, SimulationRL.py, get_data_rate), which lists the useful rows of both parts of the standard
# with Es/N0 as a power ratio. (efficiency, Es/N0 ratio)
SECOND_SOURCE = [
    (0.434841, 0.5188000389), (0.490243, 0.5821032178), (0.567805, 0.6266138647), (0.656448, 0.751622894),
    (0.789412, 0.9332543008), (0.889135, 1.051961874), (0.988858, 1.258925412), (1.088581, 1.396368361),
    (1.188304, 1.671090614), (1.322253, 2.041737945), (1.487473, 2.529297996), (1.587196, 2.937649652),
    (1.647211, 2.971666032), (1.713601, 3.25836701), (1.779991, 3.548133892), (1.972253, 3.953666201),
    (2.10485, 4.518559444), (2.193247, 4.83058802), (2.370043, 5.508076964), (2.458441, 6.45654229),
    (2.524739, 6.886522963), (2.635236, 6.966265141), (2.637201, 7.888601176), (2.745734, 8.452788452),
    (2.856231, 9.354056741), (2.966728, 10.49542429), (3.077225, 11.61448614), (3.165623, 12.67651866),
    (3.289502, 12.88249552), (3.300184, 14.48771854), (3.510192, 14.96235656), (3.620536, 16.48162392),
    (3.703295, 18.74994508), (3.841226, 20.18366364), (3.951571, 23.1206479), (4.206428, 25.00345362),
    (4.338659, 30.26913428), (4.603122, 35.2370871), (4.735354, 38.63669771), (4.933701, 45.18559444),
    (5.06569, 49.88844875), (5.241514, 52.96634439), (5.417338, 64.5654229), (5.593162, 72.27698036),
    (5.768987, 76.55966069), (5.900855, 90.57326009),
]  # fmt: skip
# The remaining rows: of part 1 from OpenSatCom (modem module, DVB-S2 table), of part 2 from pylink
# (pylink/tributaries/modulation.py, which names V1.1.1 of part 2, page 52). (name, Es/N0 dB)
THIRD_SOURCES = {
    "QPSK 5/6": 5.18, "QPSK 8/9": 6.20, "QPSK 9/10": 6.42, "8PSK 2/3": 6.62, "8PSK 3/4": 7.91, "8PSK 5/6": 9.35,
    "8PSK 8/9": 10.69, "8PSK 9/10": 10.98, "16APSK 8/9": 12.89, "16APSK 9/10": 13.13, "32APSK 5/6": 14.28,
    "32APSK 8/9": 15.69, "32APSK 9/10": 16.05, "8PSK 23/36": 6.12, "8PSK 25/36": 7.02, "8PSK 13/18": 7.49,
    "16APSK 26/45": 7.51, "16APSK 3/5": 7.80, "16APSK 77/90": 11.99, "128APSK 3/4": 17.73, "128APSK 7/9": 18.53,
}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return dvb_s2x_table()


def test_the_table_is_whole(table):
    """28 MODCODs of part 1, Table 13; 39 of part 2, Table 20a."""
    assert len(table.rows) == 28 + 39
    assert "302 307-1" in table.source
    assert "302 307-2" in table.source


def test_efficiencies_follow_from_the_code_parameters(table):
    """(Kbch - 80) / (90 (slots + 1)): 80 bits of base-band header, one slot of PL header, frames filled to slots."""
    for row in table.rows:
        modulation, code = row.name.split()
        k_ldpc = 64_800 * Fraction(code.removesuffix("-L"))
        k_bch = k_ldpc - 16 * (12 if code.endswith("-L") else CORRECTED.get(code, 12))
        slots = math.ceil(64_800 / BITS_PER_SYMBOL[modulation] / 90)
        assert row.efficiency_bit_per_symbol == pytest.approx(float((k_bch - 80) / (90 * (slots + 1))), abs=6e-7)


def test_useful_rows_agree_with_a_second_transcription(table):
    """Thresholds within 0.005 dB; efficiencies alike but for 64APSK 5/6, where the sources disagree by 0.06 %."""
    assert len(table.steps) == len(SECOND_SOURCE)
    for row, (efficiency, ratio) in zip(table.steps, SECOND_SOURCE, strict=True):
        assert row.es_n0_db == pytest.approx(10 * math.log10(ratio), abs=0.005)
        assert row.efficiency_bit_per_symbol == pytest.approx(
            efficiency, rel=7e-4 if row.name == "64APSK 5/6" else 1e-9
        )


def test_other_rows_agree_with_further_transcriptions(table):
    useful = {row.name for row in table.steps}
    others = {row.name: row.es_n0_db for row in table.rows if row.name not in useful}
    assert others.items() <= THIRD_SOURCES.items()


def test_thresholds_lie_above_shannon(table):
    """No code beats 10 log10(2^efficiency - 1); these come within 0.9 to 3.7 dB of it."""
    for row in table.rows:
        gap_db = row.es_n0_db - 10 * math.log10(2**row.efficiency_bit_per_symbol - 1)
        assert 0.9 < gap_db < 3.7, row.name


@given(st.floats(-10.0, 30.0), st.floats(0.0, 5.0))
def test_the_best_receivable_row_is_chosen(es_n0_db, margin_db):
    table = dvb_s2x_table()
    receivable = [row.efficiency_bit_per_symbol for row in table.rows if row.es_n0_db <= es_n0_db - margin_db]
    assert float(table.efficiency_bit_per_symbol(es_n0_db, margin_db)) == max(receivable, default=0.0)


def test_es_n0_against_snr_by_hand(table):
    """SNR 0 dB in 1 MHz, roll-off 0.25: 0.8 Msymbol/s, Es/N0 0.969 dB: QPSK 9/20 (0.22 dB), not 1/2 (1.00 dB)."""
    assert float(table.rate_bps(0.0, 1e6, 0.25, 0.0)) == pytest.approx(0.8e6 * 0.889135, rel=1e-12)
    assert float(table.rate_bps(0.031, 1e6, 0.25, 0.0)) == pytest.approx(0.8e6 * 0.988858, rel=1e-12)


def test_below_the_lowest_threshold_nothing_crosses(table):
    assert table.rate_bps([-2.86, -2.85, 19.57, 60.0], 1.0, 0.0, 0.0).tolist() == [0.0, 0.434841, 5.900855, 5.900855]
    assert np.isnan(table.rate_bps(math.nan, 1.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModcodTable("t", "s", ()), "no rows"),
        (lambda: ModcodTable("t", "s", (Modcod("a", 0.0, 1.0), Modcod("a", 1.0, 2.0))), "one name"),
        (lambda: ModcodTable("t", "s", (Modcod("a", math.nan, 1.0),)), "finite"),
        (lambda: ModcodTable("t", "s", (Modcod("a", 0.0, 0.0),)), "positive"),
        (lambda: dvb_s2x_table().rate_bps(0.0, 0.0, 0.2, 0.0), "bandwidth_hz"),
        (lambda: dvb_s2x_table().rate_bps(0.0, 1.0, -0.2, 0.0), "rolloff"),
        (lambda: dvb_s2x_table().rate_bps(0.0, 1.0, 0.2, -1.0), "margin_db"),
    ],
)
def test_bad_tables_and_questions_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
