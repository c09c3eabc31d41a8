"""Methods that PCPO is compared with: one file each, on one sequence of policies."""
