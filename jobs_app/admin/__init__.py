"""Jobs, attempts, workers and trusted projects in the admin."""

from jobs_app.admin.attempts import AttemptAdmin, WorkerAdmin
from jobs_app.admin.jobs import JobAdmin
from jobs_app.admin.sessions import ProjectTrustAdmin

__all__ = ["AttemptAdmin", "JobAdmin", "ProjectTrustAdmin", "WorkerAdmin"]
