"""The numerics behind the group of claims `fedlqr`."""
