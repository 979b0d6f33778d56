"""JSON of a wrong shape gets a clear error on every way into the database, and nothing is saved."""

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from jobs_app.models import Job
from sessions_app.models import Session

pytestmark = [pytest.mark.queue, pytest.mark.django_db]

WRONG_METADATA = [
    ("main", "must be a JSON object"),
    (["main"], "must be a JSON object"),
    ({"color": "red"}, "unknown key 'color': it takes repository, branch, allowedTools"),
    ({"branch": 1}, "key 'branch' must be a string"),
    ({"repository": None}, "key 'repository' must be a string"),
    ({"allowedTools": "Bash"}, "key 'allowedTools' must be a list of strings"),
    ({"allowedTools": [1]}, "'1' is not a tool"),
    ({"allowedTools": ["Bash(a),Bash(*)"]}, "is not a tool"),
]

PATH = "/srv/project"
WRONG_DATA = [
    ("Hello", "must be a JSON object"),
    ({"projectPath": PATH}, "needs the key 'prompt'"),
    ({"prompt": "Hello"}, "needs the key 'projectPath'"),
    ({"prompt": "Hello", "projectPath": PATH, "color": "red"}, "unknown key 'color'"),
    ({"prompt": ["Hello"], "projectPath": PATH}, "key 'prompt' must be a string"),
    ({"prompt": "  ", "projectPath": PATH}, "The prompt is empty"),
    ({"prompt": "a\x00b", "projectPath": PATH}, "NUL character"),
    ({"prompt": "\ud800", "projectPath": PATH}, "not valid UTF-8"),
    ({"prompt": "Hello", "projectPath": PATH, "model": "--settings=x"}, "is not a model name"),
    ({"prompt": "Hello", "projectPath": PATH, "allowedTools": ["a\nb"]}, "is not a tool"),
]


def _metadata_ways(session: Session, value):
    copy = Session(provider="claude-code", project_path=PATH, name="New", metadata=value)
    return {
        "save": copy.save,
        "create": lambda: Session.objects.create(
            provider="claude-code", project_path=PATH, name="New", metadata=value
        ),
        "bulk_create": lambda: Session.objects.bulk_create([copy]),
        "update": lambda: Session.objects.filter(pk=session.pk).update(metadata=value),
        "bulk_update": lambda: _bulk_update(session, "metadata", value),
        "full_clean": copy.full_clean,
    }


def _data_ways(job: Job, value):
    copy = Job(session=job.session, data=value)
    return {
        "save": copy.save,
        "create": lambda: Job.objects.create(session=job.session, data=value),
        "bulk_create": lambda: Job.objects.bulk_create([copy]),
        "update": lambda: Job.objects.filter(pk=job.pk).update(data=value),
        "bulk_update": lambda: _bulk_update(job, "data", value),
        "full_clean": copy.full_clean,
    }


def _bulk_update(row, field: str, value) -> None:
    changed = type(row).objects.get(pk=row.pk)
    setattr(changed, field, value)
    type(row).objects.bulk_update([changed], [field])


WAYS = ["save", "create", "bulk_create", "update", "bulk_update", "full_clean"]


@pytest.fixture
def job(session):
    return Job.objects.create(session=session, data={"prompt": "Hello", "projectPath": PATH})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("value", "sentence"), WRONG_METADATA)
def test_wrong_metadata_is_refused_and_nothing_is_saved(session, way, value, sentence):
    stored = list(Session.objects.values())
    with pytest.raises(ValidationError) as caught, transaction.atomic():
        _metadata_ways(session, value)[way]()
    assert sentence in " ".join(caught.value.messages)
    assert list(Session.objects.values()) == stored


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("value", "sentence"), WRONG_DATA)
def test_wrong_job_data_is_refused_and_nothing_is_saved(job, way, value, sentence):
    stored = list(Job.objects.values())
    with pytest.raises(ValidationError) as caught, transaction.atomic():
        _data_ways(job, value)[way]()
    assert sentence in " ".join(caught.value.messages)
    assert list(Job.objects.values()) == stored


def test_the_error_names_the_column(session):
    with transaction.atomic(), pytest.raises(ValidationError, match="metadata has an unknown key"):
        Session.objects.filter(pk=session.pk).update(metadata={"color": "red"})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"provider": "gemini"}, "'gemini' is not a valid choice"),
        ({"allowed_tools": ["--help"]}, "'--help' is not a tool"),
        ({"allowed_tools": ["Read"], "provider": "codex-cli"}, "Codex takes no list"),
        ({"name": "a\x00b"}, "The name holds a NUL character"),
        ({"context": "\ud800"}, "The context is not valid UTF-8"),
    ],
)
def test_a_session_with_wrong_input_is_not_created(db, project, options, sentence):
    with pytest.raises(ValidationError) as caught:
        Session.objects.create_for_path(project, **options)
    assert sentence in " ".join(caught.value.messages)
    assert not Session.objects.exists()


def test_a_session_outside_the_roots_is_not_created(db, tmp_path, project, settings):
    settings.POKECODE_PROJECT_ROOTS = [project]
    link = project / "link"
    link.symlink_to(tmp_path)
    for path in (tmp_path, link, project / ".."):
        with pytest.raises(ValidationError, match="outside the project roots"):
            Session.objects.create_for_path(path)
    assert not Session.objects.exists()


def test_a_session_knows_its_repository_and_branch(db, git_project):
    session = Session.objects.create_for_path(git_project, allowed_tools=["Bash(npm test:*)"])
    session.refresh_from_db()
    assert session.metadata == {"branch": "main", "allowedTools": ["Bash(npm test:*)"]}
    assert session.name == git_project.name


def test_right_shapes_come_back_as_they_were_saved(session):
    whole = {"repository": "https://example.org/x", "branch": "é\u2028", "allowedTools": []}
    for metadata in (None, {}, whole):
        Session.objects.filter(pk=session.pk).update(metadata=metadata)
        assert Session.objects.get(pk=session.pk).metadata == metadata
