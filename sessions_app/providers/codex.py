class CodexEvents:
    label = "Codex"

    def state_directory(self, project_path: str) -> str:
        return project_path
