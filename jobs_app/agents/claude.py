class ClaudeAgent:
    name = "Claude"
