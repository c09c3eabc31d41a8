"""Hold measured times, which no job writes: `python -m pcpo.evidence.literal.studies` rewrites this file."""

PROCESSOR = "Intel(R) Xeon(R) Processor @ 2.50GHz"
#: (n, m) → a and b (s): processor time of one rollout of h stages is a + b·h.
SECONDS: dict[tuple[int, int], tuple[float, float]] = {
    (1, 1): (3.49e-08, 3.25e-10),
    (2, 1): (3.21e-08, 7.88e-10),
    (2, 2): (4.89e-08, 7.61e-10),
    (3, 2): (7.05e-08, 1.27e-09),
    (3, 3): (8.99e-08, 1.36e-09),
}
