"""The group of claims `scaling`; its claims.md says what it is about."""
