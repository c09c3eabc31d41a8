"""The group of claims `practice`; its claims.md says what it is about."""
