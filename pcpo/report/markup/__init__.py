"""Write HTML, formulas and embedded pictures for the report."""
