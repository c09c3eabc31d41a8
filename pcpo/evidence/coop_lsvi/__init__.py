"""The group of claims `coop_lsvi`; its claims.md says what it is about."""
