"""Test PCPO that prunes sets by the distance of gains, for clusters of equal or nearly equal optimal cost."""
