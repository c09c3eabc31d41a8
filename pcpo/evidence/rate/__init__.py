"""Test the radius that makes the mean gap smallest: its rate, its constant and what it wins over the paper's."""
