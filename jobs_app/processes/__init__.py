"""A process and its whole tree: started, read, stopped, and cleaned up after.

Knows no provider and no database. From outside: `process.AgentProcess`, `tree`, `backlog`.
"""
