"""The group of claims `fedlqr`; its claims.md says what it is about."""
