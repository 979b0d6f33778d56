"""The demo agent's program, started by `agents/demo.py`: the standard library and nothing else."""
