"""The queue under faults: real workers, real agents, and an oracle on the agents' side."""
