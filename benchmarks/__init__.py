"""Timings, as ratios within one run. See README.rst in this folder."""
