"""Jobs, attempts, workers, trusted projects and messages in the admin."""

from jobs_app.admin.attempts import AttemptAdmin, WorkerAdmin
from jobs_app.admin.jobs import JobAdmin
from jobs_app.admin.sessions import ProjectTrustAdmin, SteeringMessageAdmin

__all__ = ["AttemptAdmin", "JobAdmin", "ProjectTrustAdmin", "SteeringMessageAdmin", "WorkerAdmin"]
