"""PCPO for people who do not know their model: everything that its schedule needs is measured from rollouts."""
