"""Jobs, attempts, workers, trusted projects, messages, and the talk with agents in the admin."""

from jobs_app.admin.attempts import AttemptAdmin, WorkerAdmin
from jobs_app.admin.jobs import JobAdmin
from jobs_app.admin.options import JobOptionsAdmin, SessionOptionsAdmin
from jobs_app.admin.requests import DraftAdmin, RequestAdmin, SteerAdmin
from jobs_app.admin.sessions import ProjectTrustAdmin, SteeringMessageAdmin

__all__ = [
    "AttemptAdmin",
    "DraftAdmin",
    "JobAdmin",
    "JobOptionsAdmin",
    "ProjectTrustAdmin",
    "RequestAdmin",
    "SessionOptionsAdmin",
    "SteerAdmin",
    "SteeringMessageAdmin",
    "WorkerAdmin",
]
