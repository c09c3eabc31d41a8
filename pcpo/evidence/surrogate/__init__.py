"""The group of claims `surrogate`; its claims.md says what it is about."""
