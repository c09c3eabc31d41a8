"""The group of claims `literal`; its claims.md says what it is about."""
