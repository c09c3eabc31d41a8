"""Theory: calibrated and literal constants, bounds and predictions without fitted parameters."""
