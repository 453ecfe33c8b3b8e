"""Slow, independent twin of the contact search: Skyfield's altaz on a 1 s scan, roots and peaks between by bisection.

Nothing of orbitsim's geometry, interpolation or root finding is used here.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from skyfield.api import EarthSatellite, load, wgs84
from skyfield.framelib import itrs

TIMESCALE = load.timescale(builtin=True)
SCAN_STEP_S = 1.0
# The margin between two scan epochs rises by less than this over the higher of them (30 mrad/s at 250 km, overhead).
NEAR_RAD = 0.05


@lru_cache(maxsize=4)
def scan_time(epoch_utc, duration_s):
    """One Skyfield time for the whole scan; it keeps its nutation, so that many satellites cost little."""
    t_s = np.append(np.arange(0.0, duration_s, SCAN_STEP_S), duration_s)
    return t_s, time_at(epoch_utc, t_s)


def time_at(epoch_utc, t_s):
    start = TIMESCALE.from_datetime(epoch_utc)
    return TIMESCALE.tai_jd(start.whole, start.tai_fraction + np.asarray(t_s) / 86400.0)


class Reference:
    def __init__(self, satrec, epoch_utc, site, mask):
        self.satellite = EarthSatellite.from_satrec(satrec, TIMESCALE)
        self.epoch_utc = epoch_utc
        self.site = wgs84.latlon(site.latitude_deg, site.longitude_deg, site.altitude_m)
        self.mask = mask

    def elevation_rad(self, time):
        return (self.satellite - self.site).at(time).altaz()[0].radians

    def range_m(self, time):
        return (self.satellite - self.site).at(time).distance().m

    def margin(self, time):
        elevation = self.elevation_rad(time)
        if self.mask.min_elevation_deg is not None:
            return elevation - np.radians(self.mask.min_elevation_deg)
        satellite = self.satellite.at(time).frame_xyz(itrs).m
        ground = np.asarray(self.site.itrs_xyz.m)[:, None]
        line = ground - satellite.reshape(3, -1)
        unit = line / np.linalg.norm(line, axis=0)
        down = -satellite.reshape(3, -1) / np.linalg.norm(satellite.reshape(3, -1), axis=0)
        off_nadir = np.arccos(np.clip((unit * down).sum(axis=0), -1.0, 1.0))
        over_radius = np.arcsin((-unit * ground / np.linalg.norm(ground)).sum(axis=0))
        near = np.minimum(elevation, over_radius)
        return np.minimum(np.radians(self.mask.max_off_nadir_deg) - off_nadir, near)

    def windows(self, duration_s):
        """Return (start_s, end_s) of every window."""
        t_s, time = scan_time(self.epoch_utc, duration_s)
        margin = self.margin(time)
        knots_s, knots = [t_s], [margin]
        for sign in (1.0, -1.0):  # peaks just below the mask, then dips just above it
            value = sign * margin
            turning = np.flatnonzero((value[1:-1] >= value[:-2]) & (value[1:-1] >= value[2:])) + 1
            turning = turning[(value[turning] < 0.0) & (value[turning] > -NEAR_RAD)]
            for i in turning:
                at_s = self._turn(t_s[i - 1], t_s[i + 1], sign)
                knots_s.append([at_s])
                knots.append(self.margin(time_at(self.epoch_utc, [at_s])))
        knots_s, knots = np.concatenate(knots_s), np.concatenate(knots)
        order = np.argsort(knots_s, kind="stable")
        knots_s, visible = knots_s[order], knots[order] >= 0.0
        change = np.flatnonzero(visible[1:] != visible[:-1])
        edges = self._roots(knots_s[change], knots_s[change + 1], visible[change])
        starts = edges[~visible[change]]
        ends = edges[visible[change]]
        if visible[0]:
            starts = np.concatenate(([0.0], starts))
        if visible[-1]:
            ends = np.append(ends, duration_s)
        return starts, ends

    def _roots(self, low, high, visible_at_low):
        low, high = low.copy(), high.copy()
        if not low.size:
            return low
        for _ in range(16):
            middle = (low + high) / 2.0
            same = (self.margin(time_at(self.epoch_utc, middle)) >= 0.0) == visible_at_low
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        return (low + high) / 2.0

    def _turn(self, low, high, sign):
        """Golden-section search for the highest (sign 1) or lowest (-1) margin."""
        ratio = (np.sqrt(5.0) - 1.0) / 2.0
        for _ in range(28):
            a, b = high - ratio * (high - low), low + ratio * (high - low)
            at_a, at_b = sign * self.margin(time_at(self.epoch_utc, np.array([a, b])))
            low, high = (low, b) if at_a > at_b else (a, high)
        return (low + high) / 2.0
