"""Numbers as a reader wants them: three significant digits, an interval with the digits that its width deserves."""

from __future__ import annotations

import math

__all__ = ["NOTHING", "interval", "number", "p_text"]

#: Stands for a number that is not there.
NOTHING = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """`value` with some significant digits: 0.0123, 1,230, 4.56 × 10⁻⁷, ∞, – for NaN."""
    if math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}"))))
    if size < -3 or size > 6:
        mantissa = _short(f"{value / 10.0**size:.{digits - 1}f}")
        return f"{mantissa} × 10{str(size).translate(_SUPERSCRIPT)}".replace("-", "−")
    if size >= digits or value == int(value):
        return f"{value:,.0f}".replace("-", "−")
    return _short(f"{value:.{max(0, digits - 1 - size)}f}").replace("-", "−")


def _short(text: str) -> str:
    """Without zeros at the end of decimals."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def interval(estimate: float, low: float, high: float) -> str:
    """`estimate [low, high]`, all with as many decimals as give the half-width two digits or more."""
    ends = (estimate, low, high)
    if not all(map(math.isfinite, ends)) or low == high:
        return f"{number(estimate)} [{number(low)}, {number(high)}]"
    decimals = 1 - math.floor(math.log10((high - low) / 2))
    largest = max(map(abs, ends))
    if largest >= 1e7 or decimals > 6:
        return f"{number(estimate)} [{number(low)}, {number(high)}]"
    texts = ["0" if value == 0 else f"{value:,.{max(0, decimals)}f}".replace("-", "−") for value in ends]
    return f"{texts[0]} [{texts[1]}, {texts[2]}]"


def p_text(p_value: float) -> str:
    """`p = 0.012`; below a thousandth `p < 0.001`; nothing for NaN."""
    if math.isnan(p_value):
        return ""
    return "p < 0.001" if p_value < 0.001 else f"p = {number(p_value, 2)}"
