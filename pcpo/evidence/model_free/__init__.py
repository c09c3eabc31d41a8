"""Test PCPO without the model on random fleets that no constant was tuned on."""
