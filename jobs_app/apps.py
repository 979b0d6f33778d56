from django.apps import AppConfig


class JobsAppConfig(AppConfig):
    name = "jobs_app"
    verbose_name = "Jobs"

    def ready(self) -> None:
        from jobs_app import checks  # noqa: F401 - registers the system checks
