"""`up --demo`: a data directory of its own, and the demo agent in place of the real ones."""

import os
import shlex
import sys
from pathlib import Path

from django.conf import settings

from jobs_app.demo.project import create as create_sample_project
from jobs_app.models import Job
from sessions_app.models import Provider, Session

# The last of each waits for an answer, so that a first look at the pages finds a question.
PROMPTS = {
    Provider.CLAUDE_CODE: [
        "Show me the last change as a diff.",
        "What is in this project? Give me a short tour, and write notes of it.",
    ],
    Provider.CODEX_CLI: ["Make a plan for tidying up this project, and write it down as notes."],
}


def environment(*kept_settings: str) -> dict[str, str]:
    """This process's environment with every setting but those kept replaced by the demo's own.

    The demo lives in the data directory, under `demo`. Its project root is made
    here, because a root must exist.
    """
    directory = settings.POKECODE_DATA_DIR / "demo"
    projects = directory / "projects"
    projects.mkdir(parents=True, exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in kept_settings or not _is_setting(name)
    }
    return kept | {
        "POKECODE_DEMO": "1",
        "POKECODE_DATA_DIR": str(directory),
        "POKECODE_PROJECT_ROOTS": str(projects),
        "POKECODE_CLAUDE_COMMAND": _agent("claude"),
        "POKECODE_CODEX_COMMAND": _agent("codex"),
    }


def prepare() -> None:
    """Make the sample project and, on the first start, a session with prompts for each agent."""
    project = settings.POKECODE_PROJECT_ROOTS[0] / "sample"
    create_sample_project(project)
    if Session.objects.exists():
        return
    for provider, prompts in PROMPTS.items():
        session = Session.objects.create_for_path(
            project, provider=provider, name=f"{provider.label} demo"
        )
        for prompt in prompts:
            Job.objects.enqueue(session, prompt)


def _is_setting(name: str) -> bool:
    return name == "DATABASE_URL" or name.startswith("POKECODE_")


def _agent(protocol: str) -> str:
    program = Path(__file__).resolve().with_name("agent.py")
    return shlex.join([sys.executable, "-I", str(program), protocol])
