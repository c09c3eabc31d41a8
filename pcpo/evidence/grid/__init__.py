"""Test the paper's statements on a grid of random fleets: N × Δ × T, and shapes, clusters and open loops."""
