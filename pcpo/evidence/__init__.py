"""Evidence: groups of claims, a folder each; `registry` finds and loads them."""
