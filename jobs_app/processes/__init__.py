"""A process and its whole tree: started, read, stopped, and cleaned up after.

Knows no provider, no settings and no database. From outside: `spawning.Command` and
`spawning.spawn`, `process.AgentProcess`, `tree`, `host`, `backlog`.
"""
