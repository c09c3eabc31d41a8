"""Compute the constants and bounds of the paper as they are printed, and how loose they are."""
