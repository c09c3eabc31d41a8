"""Fleets: agents with their systems, clusters and initial gains; random fleets and fleet files."""
