"""Oracles: what an algorithm may ask about the systems, answered by rollouts, moments or plants."""
