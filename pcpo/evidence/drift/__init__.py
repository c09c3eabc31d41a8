"""Test PCPO with an alarm on fleets whose agents change their systems."""
