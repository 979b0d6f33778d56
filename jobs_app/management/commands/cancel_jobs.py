from jobs_app.acts import CANCEL
from jobs_app.management.jobs import ActCommand


class Command(ActCommand):
    help = "Cancel jobs: waiting ones at once; running ones are stopped by their worker."
    act = CANCEL
