"""What the claims on hierarchical actor-critic have in common: their figures, and two forms."""

from __future__ import annotations

from collections.abc import Sequence

from .contract import Claim, Control, Mode, Never, Power, Tables
from .lemmas_controls import Measure, normal_power, rare

__all__ = ["COMPLEXITY_FIGURE", "CONVERGENCE_FIGURE", "always", "power"]

COMPLEXITY_FIGURE, CONVERGENCE_FIGURE = "hierarchical_complexity", "hierarchical_convergence"


def power(measure: Measure, shift: float, alternative: str) -> Power:
    def value(tables: Tables) -> float:
        found = measure(tables)
        return normal_power(found, shift) if found.high > found.low else float(found.high == found.low)

    return Power(alternative, value)


def always(
    id: str,
    title: str,
    text: tuple[str, str, str],
    measure: Measure,
    least: int,
    controls: Sequence[Control],
    mode: Mode = "exact",
) -> Claim:
    """A claim that one violation refutes; text: source, statement, quantity."""
    source, statement, quantity = text
    return Claim(
        id=id,
        title=title,
        source=source,
        statement=statement,
        quantity=quantity,
        measure=measure,
        rule=Never(least),
        controls=controls,
        power=rare(measure),
        figure=CONVERGENCE_FIGURE,
        mode=mode,
    )
