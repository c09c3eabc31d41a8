"""Hierarchical actor-critic for LQR with partial exchangeability (Luo, Yang, Wang and Kolar), in simulation.

`blocks` and `system` build partially exchangeable systems and their auxiliary systems (Lemma 1, Proposition 1),
`regulator` has the exact quantities of one average-cost LQR (Lemma 2), `section6` draws the instances of section 6 and
others, `kernels` and `simulation` run hundreds of agents, `critics` estimates E_K (Algorithm 3 and two others), `actor`
updates the gains (Algorithms 1 and 2).  Numbers of equations, lemmas and theorems are those of that paper.
"""
