"""The framework for claims: declarations, rules, judging, findings, controls and power; no claim is declared here."""
