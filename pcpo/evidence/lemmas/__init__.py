"""The group of claims `lemmas`; its claims.md says what it is about."""
