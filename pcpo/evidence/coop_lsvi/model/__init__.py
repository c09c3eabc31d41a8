"""Run cooperative least-squares value iteration in finite linear MDPs (Dubey and Pentland, arXiv:2103.04972).

`mdp` holds linear MDPs and solves them by dynamic programming, `draws` makes random ones; `bounds` has the paper's
bounds and the widths β; `kernels` are the compiled episodes, `parallel` Algorithms 1 and 3, `joint` Algorithm 2 with
Pareto fronts and Bayes regrets; `environments` offers the MDPs to agents of other packages.  docs/coop_lsvi.md lists
how the paper is read.
"""
