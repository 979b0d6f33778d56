"""Jobs and trusted projects in the admin; every change of a job goes through the queue's verbs."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.db.models.functions import Substr
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from jobs_app import queue
from jobs_app.admin_forms import JobForm, ProjectTrustForm
from jobs_app.models import UNFINISHED, Job, JobAttempt, JobStatus, ProjectTrust
from sessions_app.admin_base import BaseAdmin, SessionFilter, SessionLinkMixin
from sessions_app.admin_html import EMPTY, clip, isolated, lasted, link, list_link, long_text, when

RUN = "jobs_app.run_job"
TRUST = "jobs_app.trust_project"

RUNS_SHOWN = 10
