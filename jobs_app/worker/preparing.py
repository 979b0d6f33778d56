"""What an attempt does on a project's disk: it may hang there, so it is done in a thread."""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from jobs_app.agents import AGENTS
from jobs_app.agents.base import Decision, Driver, Image, Turn
from jobs_app.claiming import Claim, Facts
from jobs_app.models import Approvals, validate_job_data
from jobs_app.processes.spawning import Spawned, spawn
from jobs_app.worker.settings import WorkerSettings
from sessions_app import image_files
from sessions_app.projects import directories, git
from sessions_app.providers import PROVIDERS


@dataclass(frozen=True, slots=True)
class Prepared:
    """An agent's process that has no prompt yet, and the project's commit before it."""

    driver: Driver
    spawned: Spawned
    git_head: str | None


class GivenUp(Exception):
    """The attempt was stopped meanwhile: its agent must not be started."""


def prepare(claim: Claim, settings: WorkerSettings, is_wanted: Callable[[], bool]) -> Prepared:
    """Start the agent of a claimed job.

    Raises ValidationError if the rows were changed behind our back or the project cannot be
    opened, OSError if the agent cannot be started.
    """
    turn = _turn(claim, settings)
    head = git_head(turn.project_path)
    launch = AGENTS[claim.attempt.session.provider].launch(turn)
    directory = directories.open_project(turn.project_path)
    try:
        if not is_wanted():
            remove_private_files(settings, turn.attempt_id)  # made by `launch` just now
            raise GivenUp
        spawned = spawn(launch.command, directory, turn.attempt_id, umask=settings.agent_umask)
    finally:
        os.close(directory)
    return Prepared(launch.driver, spawned, head)


def git_head(project: str) -> str | None:
    with suppress(OSError, ValueError):  # what git says is good to know, but not a reason to fail
        repository = git.find(project)
        return repository.head() if repository else None
    return None


def private_directory(settings: WorkerSettings, attempt_id: str) -> str:
    """Where an attempt keeps its private files, below the data directory; made when needed."""
    return os.path.join(settings.data_directory, "runs", attempt_id)


def remove_private_files(settings: WorkerSettings, attempt_id: str) -> None:
    directory = private_directory(settings, attempt_id)
    if os.path.isdir(directory):
        shutil.rmtree(directory, ignore_errors=True)


def _turn(claim: Claim, settings: WorkerSettings) -> Turn:
    attempt, facts = claim.attempt, claim.facts
    session, data = attempt.session, attempt.job.data
    validate_job_data(data)
    if session.provider not in PROVIDERS:
        raise ValidationError(
            f"The session's provider {session.provider!r} is unknown: correct it in the database."
        )
    path = session.project_path
    return Turn(
        attempt_id=attempt.pk,
        prompt=data["prompt"],
        project_path=path,
        model=data.get("model") or facts.model,
        effort=facts.effort,
        allowed_tools=data.get("allowedTools") or session.allowed_tools,
        context=session.context,
        resume=facts.conversation,
        # A trusted directory may have become a link to one that nobody looked at.
        trusted=facts.is_trusted and os.path.realpath(path) == path,
        private_directory=private_directory(settings, attempt.pk),
        asks=_asks(facts, settings),
        decisions=[Decision(request.asked, request.given) for request in facts.answered],
        # With decisions the prompt is not said again, and neither are its images.
        images=[] if facts.answered else _images(facts.images),
    )


def _asks(facts: Facts, settings: WorkerSettings) -> bool:
    """What was allowed has to be asked about once more to be let through."""
    is_wanted = facts.approvals == Approvals.ASK if facts.approvals else settings.asks
    return is_wanted or bool(facts.answered)


def _images(named: Sequence[Any]) -> list[Image]:
    """Each file, once its bytes are known to be those that were queued."""
    found = image_files.parse(list(named))
    for image in found:
        image_files.read(image)
    return [Image(str(image.path), image.type) for image in found]
