"""The group of claims `clustering`; its claims.md says what it is about."""
