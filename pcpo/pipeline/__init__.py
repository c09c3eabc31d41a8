"""The workflow's own code: configurations, jobs, what jobs are made of, checksums, progress."""
