"""Simulation: SimPy processes that carry out plans on places; the only users of SimPy."""
