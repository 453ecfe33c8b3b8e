"""Physical constants, each with unit and source on its line."""

from __future__ import annotations

SPEED_OF_LIGHT_M_S = 299_792_458.0  # exact, SI Brochure 9th ed., section 2.2
BOLTZMANN_J_K = 1.380649e-23  # exact, SI Brochure 9th ed., section 2.2
PLANCK_J_S = 6.62607015e-34  # exact, SI Brochure 9th ed., section 2.2

WGS84_A_M = 6_378_137.0  # semi-major axis, NIMA TR8350.2 (3rd ed., 2000), table 3.1
WGS84_F = 1.0 / 298.257223563  # flattening, NIMA TR8350.2 (3rd ed., 2000), table 3.1
EARTH_ROTATION_RAD_S = 7.292115e-5  # nominal mean angular velocity, NIMA TR8350.2, table 3.1

WGS72_RADIUS_M = 6_378_135.0  # equatorial radius SGP4 uses, Vallado et al., AIAA 2006-6753, appendix B
WGS72_GM_M3_S2 = 398_600.8e9  # gravitational parameter SGP4 uses, Vallado et al., AIAA 2006-6753, appendix B

SECONDS_PER_DAY = 86_400.0
BITS_PER_BYTE = 8.0
