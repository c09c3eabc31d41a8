"""Cooperative least-squares value iteration in finite linear MDPs: Dubey and Pentland, arXiv:2103.04972.

Readings and discrepancies of the paper are listed in docs/coop_lsvi.md.
"""
