"""Files: atomic writing, tables, checkpoints, provenance, verification, and sources of jobs."""
