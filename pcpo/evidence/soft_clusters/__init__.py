"""Test soft clusters: averages over chosen sets where clusters are too close to be told apart."""
