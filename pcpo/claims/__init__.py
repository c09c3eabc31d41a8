"""The claims of the paper, one file per group; `GROUPS` has them all, by name."""
