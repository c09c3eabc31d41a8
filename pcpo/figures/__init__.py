"""Figures.  Each module makes a tidy table of the numbers drawn, and draws that table: (table, Figure) → Figure."""
