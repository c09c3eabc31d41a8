"""Measure what it costs to send one scalar in place of a gradient, and what it saves."""
