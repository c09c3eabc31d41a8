"""List the claims of CoopLSVI (Dubey and Pentland); their texts are in claims.md."""

from __future__ import annotations

from collections.abc import Sequence

from pcpo.claims.contract import Claim
from pcpo.evidence.coop_lsvi.claims_heterogeneous import HETEROGENEOUS
from pcpo.evidence.coop_lsvi.claims_homogeneous import HOMOGENEOUS
from pcpo.evidence.coop_lsvi.claims_joint import JOINT

__all__ = ["CLAIMS"]

CLAIMS: Sequence[Claim] = [*HOMOGENEOUS, *HETEROGENEOUS, *JOINT]
