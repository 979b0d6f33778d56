"""How fast PokéCode is, beside its peers and the machine's limits: `python -m tests.benchmarks`."""
