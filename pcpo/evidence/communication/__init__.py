"""The group of claims `communication`; its claims.md says what it is about."""
