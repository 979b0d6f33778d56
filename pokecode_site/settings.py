"""All settings: Django's, and PokéCode's own, each read once from the environment.

Importing this module makes nothing and changes nothing: see `conf.start`.
"""

from csp.constants import NONE, SELF

from pokecode_site.conf import data_directory, database, env, hostnames, logs, umask

VERSION = "0.1.0"

# Agents get the umask that we were started with, not our own stricter one.
AGENT_UMASK = umask.inherited()

# --- PokéCode -------------------------------------------------------------

POKECODE_DATA_DIR = data_directory.path()
POKECODE_DEMO = env.boolean("POKECODE_DEMO")
POKECODE_PROJECT_ROOTS = env.directories("POKECODE_PROJECT_ROOTS", "~")
POKECODE_CLAUDE_COMMAND = env.command_line("POKECODE_CLAUDE_COMMAND", "claude")
POKECODE_CODEX_COMMAND = env.command_line("POKECODE_CODEX_COMMAND", "codex")
POKECODE_CLAUDE_PERMISSION_MODE = env.choice(
    "POKECODE_CLAUDE_PERMISSION_MODE",
    "acceptEdits",
    ("acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "manual", "plan"),
)
POKECODE_CODEX_SANDBOX = env.choice(
    "POKECODE_CODEX_SANDBOX",
    "workspace-write",
    ("read-only", "workspace-write", "danger-full-access"),
)
POKECODE_WORKER_CONCURRENCY = env.integer("POKECODE_WORKER_CONCURRENCY", 4, minimum=1, maximum=1000)
POKECODE_JOB_TIMEOUT = env.seconds("POKECODE_JOB_TIMEOUT", 3600, minimum=1)
POKECODE_APPROVALS = env.choice("POKECODE_APPROVALS", "ask", ("ask", "deny"))
POKECODE_REQUEST_WAIT = env.seconds("POKECODE_REQUEST_WAIT", 300, minimum=1)
POKECODE_CANCEL_GRACE = env.seconds("POKECODE_CANCEL_GRACE", 5, minimum=0)
POKECODE_JOB_MAX_ATTEMPTS = env.integer("POKECODE_JOB_MAX_ATTEMPTS", 3, minimum=1, maximum=100)
POKECODE_JOB_RETENTION_DAYS = env.integer(
    "POKECODE_JOB_RETENTION_DAYS", 30, minimum=1, maximum=36500
)
POKECODE_HEARTBEAT_INTERVAL = env.seconds("POKECODE_HEARTBEAT_INTERVAL", 5, minimum=0.05)
POKECODE_WORKER_TIMEOUT = env.seconds("POKECODE_WORKER_TIMEOUT", 30, minimum=0.1)
# Connections of visitors that may be open at once, if the system's limit allows as many.
POKECODE_MAX_CONNECTIONS = env.integer(
    "POKECODE_MAX_CONNECTIONS", 1000, minimum=10, maximum=100_000
)
# How many reverse proxies in front of the site are trusted to tell a visitor's
# address; none unless the operator says so.
POKECODE_TRUSTED_PROXIES = env.integer("POKECODE_TRUSTED_PROXIES", 0, minimum=0, maximum=10)

# --- Django ---------------------------------------------------------------

DEBUG = env.boolean("POKECODE_DEBUG")
SECRET_KEY = env.secret("POKECODE_SECRET_KEY") or data_directory.read_key(POKECODE_DATA_DIR)
ALLOWED_HOSTS = hostnames.allowed(is_private=env.boolean("POKECODE_PRIVATE_NAME"), key=SECRET_KEY)
CSRF_TRUSTED_ORIGINS = env.origins("POKECODE_CSRF_TRUSTED_ORIGINS")
CSRF_FAILURE_VIEW = "pokecode_site.pages.returning.csrf_failure"
# Whoever names https:// origins serves over TLS, and over nothing else.
HTTPS = any(origin.startswith("https:") for origin in CSRF_TRUSTED_ORIGINS)

INSTALLED_APPS = [
    "pokecode_site",  # before the admin, some of whose templates it replaces
    "pokecode_site.apps.PokeCodeAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_extensions",
    "axes",
    "csp",
    "sessions_app",
    "jobs_app",
]

# The headers come first, so that static files, redirects and refusals carry them too.
MIDDLEWARE = [
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "pokecode_site.pages.health.known_by_any_name",
    "django.middleware.security.SecurityMiddleware",
    "pokecode_site.pages.nonsense.NonsenseGuard",
    "pokecode_site.pages.middleware.own_hostname",
    "pokecode_site.pages.static_files.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pokecode_site.pages.request_bodies.limited_bodies",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "pokecode_site.urls"
WSGI_APPLICATION = "pokecode_site.wsgi.application"
ASGI_APPLICATION = "pokecode_site.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": database.configuration(database.url(POKECODE_DATA_DIR))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SERIALIZATION_MODULES = {
    "json": "pokecode_site.conf.dump_json",
    "jsonl": "pokecode_site.conf.dump_jsonl",
}

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

# A visitor is locked out by name and address together, so that somebody guessing
# from elsewhere does not lock out the owner; an address also for all names together.
AXES_HANDLER = "pokecode_site.pages.lockout.CountFirst"
AXES_FAILURE_LIMIT = 5
LOGIN_ADDRESS_LIMIT = 20
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "pokecode_site.pages.middleware.client_address"
AXES_LOCKOUT_TEMPLATE = "pokecode_site/locked_out.html"
AXES_VERBOSE = False

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
STORAGES = {"staticfiles": {"BACKEND": "pokecode_site.pages.static_files.StaticFiles"}}
# Straight from the packages: there are few files, and no collectstatic step to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_ALLOW_ALL_ORIGINS = False

SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"(^|/)health/(live|ready)$"]  # supervisors ask on loopback, without TLS
# Browsers remember it for a year, so other names than the site's own are for the operator to say.
HSTS = env.choice("POKECODE_HSTS", "host", ("off", "host", "subdomains", "preload"))
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if HTTPS and HSTS != "off" else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HSTS in {"subdomains", "preload"}
SECURE_HSTS_PRELOAD = HSTS == "preload"
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W005", "security.W021"]  # want all of it
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if HTTPS and POKECODE_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}
# A prompt may be 4 MiB of text, which percent-encoding makes up to three times longer.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024 * 1024

LOGGING = logs.CONFIGURATION
