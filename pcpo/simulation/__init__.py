"""Simulation: noise, rollout kernels with their readable reference, estimators and trajectories."""
