"""The Django shell as the README shows it."""

import re
from pathlib import Path

from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]


def _example(project: Path) -> str:
    (found,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    found = found.replace("job.wait(timeout=600)", "job.cancel()")  # nothing runs here
    return found.replace("~/code/shop", str(project))


def test_the_readmes_example_works_with_what_the_shell_imports(db, project, capsys):
    show = "print(session.provider, job.status, session.messages.display())"
    call_command("shell", command=_example(project) + show)
    assert "codex-cli cancelled []\n" in capsys.readouterr().out


def test_a_conversation_is_shown_in_order_as_shapes(session):
    from sessions_app import transcript
    from sessions_app.transcript import NewMessage

    lines = ("one", "two", "three")
    transcript.append([NewMessage(session.pk, "claude-code", "system", line) for line in lines])
    assert [shape.raw for shape in session.messages.display()] == list(lines)
