"""The group of claims `defects`; its claims.md says what it is about."""
