from jobs_app.acts import RETRY
from jobs_app.management.jobs import ActCommand


class Command(ActCommand):
    help = "Queue failed or cancelled jobs again, each with all its attempts."
    act = RETRY
