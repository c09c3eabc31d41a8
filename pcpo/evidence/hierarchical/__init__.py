"""The group of claims `hierarchical`; its claims.md says what it is about."""
