"""Simulate hierarchical actor-critic for LQR with partial exchangeability (Luo, Yang, Wang and Kolar).

`regulator` has the exact quantities of one average-cost LQR (Lemma 2) and the errors that Assumption 4 allows; `system`
holds partially exchangeable systems and their auxiliary systems (Lemma 1, Proposition 1); `instances` draws the
instances of section 6 and others, and counts iterations with exact critics; `identities` checks Lemma 1 and
Propositions 1 and 2; `kernels` and `simulation` run hundreds of agents; `critics` estimates E_K (Algorithm 3 and least
squares); `actor` updates the gains (Algorithms 1 and 2).  Numbers of equations, lemmas and theorems are those of that
paper; docs/hierarchical.md lists how it is read.
"""
