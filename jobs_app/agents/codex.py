class CodexAgent:
    name = "Codex"
