"""Orbits: satellites, positions, contacts and crosslink topology."""
