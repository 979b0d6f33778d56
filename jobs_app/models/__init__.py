"""The tables of the queue, by what they are about: `jobs` the prompts, `runs` what runs them,
`talk` what agents and people say to each other meanwhile, `options` what a session or a job
wants otherwise than this host, and its images, `places` the database and the trusted projects."""

from jobs_app.models.jobs import (
    CANCELLABLE,
    FINISHED,
    MOST_ATTEMPTS,
    RETRYABLE,
    UNFINISHED,
    Job,
    JobQuerySet,
    JobStatus,
    default_max_attempts,
    validate_job_data,
)
from jobs_app.models.options import (
    Approvals,
    JobOptions,
    PromptImage,
    SessionOptions,
    validate_approvals,
)
from jobs_app.models.places import DatabaseIdentity, ProjectTrust
from jobs_app.models.runs import JobAttempt, SessionHost, Worker
from jobs_app.models.talk import Closed, JobDraft, JobRequest, JobSteer, RequestKind

__all__ = [
    "CANCELLABLE",
    "FINISHED",
    "MOST_ATTEMPTS",
    "RETRYABLE",
    "UNFINISHED",
    "Approvals",
    "Closed",
    "DatabaseIdentity",
    "Job",
    "JobAttempt",
    "JobDraft",
    "JobOptions",
    "JobQuerySet",
    "JobRequest",
    "JobStatus",
    "JobSteer",
    "ProjectTrust",
    "PromptImage",
    "RequestKind",
    "SessionHost",
    "SessionOptions",
    "Worker",
    "default_max_attempts",
    "validate_approvals",
    "validate_job_data",
]
