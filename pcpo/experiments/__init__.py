"""Experiments: the driver of all algorithms, tuning, records of runs, and comparisons."""
