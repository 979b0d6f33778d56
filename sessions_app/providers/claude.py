class ClaudeEvents:
    label = "Claude"

    def state_directory(self, project_path: str) -> str:
        return project_path
