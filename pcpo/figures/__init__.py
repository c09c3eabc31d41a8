"""Draw figures: each entry makes a tidy table of the numbers drawn, and draws that table."""
