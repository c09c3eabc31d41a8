"""Test PCPO without the model on nonlinear plants: pendulums and carts with poles."""
