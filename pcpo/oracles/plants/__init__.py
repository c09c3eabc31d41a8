"""Hold plants of the package: compiled dynamics, pendulums and carts with poles, vectorised environments."""
