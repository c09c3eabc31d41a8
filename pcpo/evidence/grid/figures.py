"""Draw the figures of the grid."""

FIGURES: dict[str, object] = {}
