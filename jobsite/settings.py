"""All settings, in one file. Whatever differs between installations comes from the environment, read once, here."""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from jobsite import environment
from jobsite.sqlite import JOURNAL_PAGES, loses_commits

BASE_DIR = Path(__file__).resolve().parent.parent

#: Everything the program writes beside its database: the embedded database, keys, logs, status files.
VAR_DIR = environment.folder("JOBSITE_VAR", BASE_DIR / "var") or BASE_DIR / "var"


def secret_file(name: str) -> str:
    """A random secret kept in a file that only this user may read, made on first use."""
    path = VAR_DIR / name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48))
    try:
        os.link(draft, path)  # refuses to replace: of two processes that start together, one wins
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()


# --- The web -----------------------------------------------------------------------------------------------------

DEBUG = environment.flag("JOBSITE_DEBUG", False)
SECRET_KEY = environment.text("SECRET_KEY") or secret_file("secret_key")
ALLOWED_HOSTS = environment.words("JOBSITE_ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]"))
CSRF_TRUSTED_ORIGINS = environment.words("JOBSITE_TRUSTED_ORIGINS")
HTTPS = environment.flag("JOBSITE_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz(/scheduler)?$", r"^readyz$"]  # probes come without the proxy
    SECURE_HSTS_SECONDS = 3_600
# The proxy that speaks TLS redirects to it and tells browsers to stay with it (deploy/nginx.conf).
SILENCED_SYSTEM_CHECKS = ["security.W004", "security.W008"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

INSTALLED_APPS = [
    "unfold",  # the look of the admin; jobsite.admin_base is the only module that knows it
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_apscheduler",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "axes",
    "jobsite",
    "scheduling",
    "instances",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "jobsite.zones.ZoneMiddleware",
    "axes.middleware.AxesMiddleware",  # last: it answers for a login that was locked out
]

ROOT_URLCONF = "jobsite.urls"
WSGI_APPLICATION = "jobsite.wsgi.application"
ASGI_APPLICATION = "jobsite.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
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

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{validator}"}
    for validator in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",  # first: refuses whom it has locked out
    "django.contrib.auth.backends.ModelBackend",
]
#: Failed logins, by user name and address together, before that pair has to wait.
AXES_FAILURE_LIMIT = environment.whole("JOBSITE_LOGIN_FAILURES", 10, least=1, most=1_000)
AXES_COOLOFF_TIME = timedelta(
    minutes=environment.whole("JOBSITE_LOGIN_WAIT_MINUTES", 15, least=1, most=1_440)
)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True  # only failures are kept
AXES_ENABLE_ADMIN = False  # manage.py axes_reset
AXES_VERBOSE = False
AXES_LOCKOUT_TEMPLATE = "locked_out.html"
AXES_HTTP_RESPONSE_CODE = 429
SESSION_COOKIE_AGE = 14 * 86_400

# Alpine, which the admin's look is built on, evaluates its attributes: hence unsafe-eval. No script stands in a page.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "jobsite.staticfiles.CollectedFiles"},
}

# --- The look of the admin ---------------------------------------------------------------------------------------

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Jobsite",
    "SITE_HEADER": "Jobsite",
    "SITE_SYMBOL": "schedule",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("jobsite.svg")}
    ],
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {
        "primary": {
            "50": "oklch(97% .014 254.604)",
            "100": "oklch(93.2% .032 255.585)",
            "200": "oklch(88.2% .059 254.128)",
            "300": "oklch(80.9% .105 251.813)",
            "400": "oklch(70.7% .165 254.624)",
            "500": "oklch(62.3% .214 259.815)",
            "600": "oklch(54.6% .245 262.881)",
            "700": "oklch(48.8% .243 264.376)",
            "800": "oklch(42.4% .199 265.638)",
            "900": "oklch(37.9% .146 265.522)",
            "950": "oklch(28.2% .091 267.935)",
        },
    },
    "ACCOUNT": {"navigation": "jobsite.navigation.account"},
    "DASHBOARD_CALLBACK": "scheduling.views.home.dashboard",
    "SIDEBAR": {"show_search": True, "command_search": False, "navigation": "jobsite.navigation.sidebar"},
}

# --- The API -----------------------------------------------------------------------------------------------------

#: How often one token or person, and one address that gives neither, may call.
JOBSITE_API_RATE = environment.rate("JOBSITE_API_RATE", "1200/minute")
JOBSITE_API_ANONYMOUS_RATE = environment.rate("JOBSITE_API_ANONYMOUS_RATE", "120/minute")

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "jobsite.rest.authentication.TokenHeader",  # first: it answers 401 with the header that is wanted
        "rest_framework.authentication.SessionAuthentication",  # with CSRF
    ],
    "DEFAULT_PERMISSION_CLASSES": ["jobsite.rest.permissions.Needs"],
    "DEFAULT_THROTTLE_CLASSES": ["jobsite.rest.throttling.PerCaller"],
    "DEFAULT_PARSER_CLASSES": ["jobsite.rest.parsers.StorableJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "jobsite.rest.pagination.Keyset",
    "DEFAULT_FILTER_BACKENDS": ["jobsite.rest.filters.StrictFilters"],
    "DEFAULT_SCHEMA_CLASS": "jobsite.rest.schema.HouseSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "drf_standardized_errors.handler.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "UNICODE_JSON": True,
    # Behind the one proxy that speaks TLS, the address is the one that it tells.
    "NUM_PROXIES": 1 if HTTPS else 0,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_HANDLER_CLASS": "jobsite.rest.handler.Handler",
    "ENABLE_IN_DEBUG_FOR_UNHANDLED_EXCEPTIONS": True,
}
#: For how many days a token is valid when nobody says otherwise.
JOBSITE_TOKEN_DAYS = environment.whole("JOBSITE_TOKEN_DAYS", 90, least=1, most=3_650)
REST_KNOX = {
    "TOKEN_TTL": timedelta(days=JOBSITE_TOKEN_DAYS),
    "TOKEN_PREFIX": "jobsite_",  # so that a token that has got out is known for what it is
    "AUTH_HEADER_PREFIX": "Token",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Jobsite",
    "DESCRIPTION": "Tasks, their executions, and the database instances they look after. The guide: docs/api.md.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ExecutionStateEnum": "scheduling.models.State",
        "OriginEnum": "scheduling.models.Origin",
        "NodeStateEnum": "scheduling.models.Node.State",
        "NodeKindEnum": "scheduling.models.Node.Kind",
        "TaskStateEnum": "scheduling.api.task_serializers.STATES",
        "AccountKindEnum": "instances.models.InstanceAccount.Kind",
        "AccountChangeKindEnum": "instances.models.AccountChange.Kind",
        "SyncRecordStateEnum": "instances.models.SyncRecord.State",
        "SyncSessionOriginEnum": "instances.models.SyncSession.Origin",
    },
}

# --- The database ------------------------------------------------------------------------------------------------


def database_settings() -> dict[str, Any]:
    """The one database, with what the engine's correctness rests on (docs: engine, "Isolation")."""
    database = environment.database("DATABASE_URL", f"sqlite:///{VAR_DIR / 'jobsite.sqlite3'}")
    options = database["OPTIONS"]
    if database["ENGINE"].endswith("sqlite3"):
        # A deferred transaction that reads and then writes fails at once when another has committed in between.
        options |= {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
        }
        if loses_commits():
            # Then schedulers make the checkpoints, while nobody can write (scheduling/sql/sqlite.py).
            options["init_command"] += "; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=0"
        else:
            options["init_command"] += f"; PRAGMA wal_autocheckpoint={JOURNAL_PAGES}"
        Path(database["NAME"]).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif database["ENGINE"].endswith("mysql"):
        options |= {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
            "init_command": "SET time_zone='+00:00', sql_mode=CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')",
            "local_infile": 0,
            "connect_timeout": 3,
            "read_timeout": 25,
            "write_timeout": 25,
        }
    else:
        from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED

        options |= {
            "isolation_level": ISOLATION_LEVEL_READ_COMMITTED,
            "connect_timeout": 3,
            "keepalives": 1,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
        }
    # A connection older than this is closed after the run or the page that used it.
    recycled = environment.whole("JOBSITE_CONNECTION_SECONDS", 60, least=0, most=86_400)
    return database | {"CONN_MAX_AGE": recycled, "CONN_HEALTH_CHECKS": True, "ATOMIC_REQUESTS": False}


DATABASES = {"default": database_settings()}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Several processes meet in the tests' database, so it is a file there as well.
    DATABASES["default"]["TEST"] = {"NAME": f"{DATABASES['default']['NAME']}.test"}
elif DATABASES["default"]["ENGINE"].endswith("mysql"):
    DATABASES["default"]["TEST"] = {"CHARSET": "utf8mb4"}
# MySQL and MariaDB ignore the conditions of our indexes; the column order serves them all the same.
SILENCED_SYSTEM_CHECKS = [
    "models.W037",
    # Whether other names of the domain are under HTTPS too is not ours to say.
    "security.W005",
    "security.W021",
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Languages and time ------------------------------------------------------------------------------------------

LANGUAGE_CODE = environment.choice("JOBSITE_LANGUAGE", "en", ("en", "zh-hans"))
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale", BASE_DIR / "locale" / "unfold"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"  # rows, Python and JSON speak UTC; zones appear in triggers and templates only

#: The zone in which new tasks are written.
JOBSITE_TASK_TIME_ZONE = environment.text("JOBSITE_TASK_TIME_ZONE", "Asia/Shanghai")
#: The zone in which pages show times where neither the person nor the browser names one; empty: UTC.
JOBSITE_DISPLAY_TIME_ZONE = environment.text("JOBSITE_DISPLAY_TIME_ZONE")

# --- The scheduler -----------------------------------------------------------------------------------------------

#: A Redis in which a project keeps jobs of APScheduler; whoever may write there runs code here. Empty: none.
_REDIS_JOB_STORE = environment.text("JOBSITE_REDIS_JOB_STORE")

SCHEDULER: dict[str, Any] = {
    "queues": environment.words("JOBSITE_QUEUES", ("default",)),
    "threads": environment.whole("JOBSITE_THREADS", 64, least=1, most=1_000),
    "processes": environment.whole("JOBSITE_PROCESSES", 8, least=0, most=500),
    "coroutines": environment.whole("JOBSITE_COROUTINES", 500, least=1, most=10_000),
    # With less free space in JOBSITE_VAR a node claims nothing.
    "least_free_mb": environment.whole("JOBSITE_LEAST_FREE_MB", 64, least=0, most=1_000_000),
    # Nor while the load average of the last minute is higher for each core, or less memory is free; 0: never asked.
    "most_load": environment.number("JOBSITE_MOST_LOAD", 0, least=0, most=1_000),
    "least_free_memory_mb": environment.whole("JOBSITE_LEAST_FREE_MEMORY_MB", 0, least=0, most=100_000_000),
    # What is asked to end in a process of its own is killed after this.
    "kill_grace_seconds": environment.number("JOBSITE_KILL_GRACE_SECONDS", 5, least=0, most=600),
    # How long a run's programs (run_command, run_code) may take where its task has no timeout of its own; 0: for ever.
    "command_timeout_seconds": environment.whole(
        "JOBSITE_COMMAND_TIMEOUT_SECONDS", 3_600, least=0, most=30 * 86_400
    ),
    "drain_seconds": environment.number("JOBSITE_DRAIN_SECONDS", 30, least=0, most=86_400),
    # An edit made elsewhere is noticed within one poll.
    "poll_seconds": environment.number("JOBSITE_POLL_SECONDS", 0.25, least=0.05, most=2),
    "beat_seconds": environment.number("JOBSITE_BEAT_SECONDS", 4, least=0.2, most=60),
    # A node whose beat stands still this long is dead to the others.
    "lease_seconds": environment.number("JOBSITE_LEASE_SECONDS", 15, least=1, most=600),
    # Third-party executors: name → dotted path of a scheduling.executors.Executor.
    "executors": {},
    # Job stores of APScheduler beside our own: name → kind and its options (docs/engine.md).
    "job_stores": {"redis": {"kind": "redis", "url": _REDIS_JOB_STORE}} if _REDIS_JOB_STORE else {},
    # Of jobs in them: how many run at the same time, and what they have where they say nothing themselves.
    "job_threads": environment.whole("JOBSITE_JOB_THREADS", 10, least=1, most=500),
    "job_defaults": {"coalesce": True, "max_instances": 1, "misfire_grace_time": 300},
    # Third-party triggers: name → dotted path of a scheduling.triggers.Trigger.
    "triggers": {},
    # Who knows which database hosts a run visits, for the forecast: dotted path of a function that makes the answer.
    "hosts": "instances.services.hosts.visited",
    "keep_succeeded_days": environment.whole("JOBSITE_KEEP_SUCCEEDED_DAYS", 30, least=1, most=36_500),
    "keep_other_days": environment.whole("JOBSITE_KEEP_OTHER_DAYS", 90, least=1, most=36_500),
    "keep_log_days": environment.whole("JOBSITE_KEEP_LOG_DAYS", 14, least=1, most=36_500),
}

#: The broker of Celery's workers (executor celery), such as redis://127.0.0.1:6379/0; empty: there are none.
JOBSITE_CELERY_BROKER = environment.text("JOBSITE_CELERY_BROKER")
#: Whether tasks may run commands and code (run_command, run_code): whoever may edit them rules this machine's user.
JOBSITE_ALLOW_COMMANDS = environment.flag("JOBSITE_ALLOW_COMMANDS", False)
#: The user under which they run, if the scheduler runs as root; empty: its own.
JOBSITE_COMMAND_USER = environment.text("JOBSITE_COMMAND_USER")
#: Hosts, addresses and networks that http_request may reach although they are not public.
JOBSITE_HTTP_ALLOW = environment.words("JOBSITE_HTTP_ALLOW")
#: Files with templates of tasks, beside those that come with the apps; of the same key, theirs win.
JOBSITE_TASK_TEMPLATES = [Path(name) for name in environment.words("JOBSITE_TASK_TEMPLATES")]
#: Where the diagnostic function append_line may write; None: nowhere.
JOBSITE_SCRATCH = environment.folder("JOBSITE_SCRATCH", None)

# --- Managed instances -------------------------------------------------------------------------------------------

#: Servers that ``manage.py start`` registers when they are not known yet.
JOBSITE_INSTANCES = environment.databases("JOBSITE_INSTANCES")

#: Folders in which managed SQLite files may lie.
JOBSITE_SQLITE_ROOTS = [Path(root) for root in environment.words("JOBSITE_SQLITE_ROOTS", (str(VAR_DIR),))]
#: Folders in which cleanup_old_logs may remove files.
JOBSITE_LOG_ROOTS = [Path(root) for root in environment.words("JOBSITE_LOG_ROOTS", (str(VAR_DIR / "log"),))]
#: Where backups of managed databases are written.
JOBSITE_BACKUP_ROOT = environment.folder("JOBSITE_BACKUP_ROOT", VAR_DIR / "backups") or VAR_DIR / "backups"
#: Whether an instance may be reached through a socket path instead of a host name.
JOBSITE_ALLOW_SOCKETS = environment.flag("JOBSITE_ALLOW_SOCKETS", False)
#: Instances that one collection speaks to at the same time.
JOBSITE_SYNC_PARALLEL = environment.whole("JOBSITE_SYNC_PARALLEL", 8, least=1, most=64)
#: Months that daily sizes are kept, this one not counted.
JOBSITE_KEEP_SIZES_MONTHS = environment.whole("JOBSITE_KEEP_SIZES_MONTHS", 12, least=1, most=1_200)
#: Days that ended collections, and who ran which statement, are kept.
JOBSITE_KEEP_SESSIONS_DAYS = environment.whole("JOBSITE_KEEP_SESSIONS_DAYS", 90, least=1, most=36_500)
#: Days that changes of accounts, and accounts that were dropped, are kept.
JOBSITE_KEEP_ACCOUNT_CHANGES_DAYS = environment.whole(
    "JOBSITE_KEEP_ACCOUNT_CHANGES_DAYS", 730, least=1, most=36_500
)
#: Names and patterns (as of a shell) of accounts that the collection leaves out, by dialect, beside the servers' own.
JOBSITE_ACCOUNTS_LEFT_OUT = {
    dialect: environment.words(f"JOBSITE_ACCOUNTS_LEFT_OUT_{dialect.upper()}")
    for dialect in ("mysql", "oracle", "postgresql", "sqlserver")
}
#: The file with the keys that encrypt stored passwords, newest first, one a line.
JOBSITE_KEY_FILE = environment.folder("JOBSITE_KEY_FILE", VAR_DIR / "keys") or VAR_DIR / "keys"

# --- Mail --------------------------------------------------------------------------------------------------------

#: Where the pages are for those who read a mail; empty: mails hold no links.
JOBSITE_BASE_URL = environment.text("JOBSITE_BASE_URL").rstrip("/")
_MAIL = environment.mail_server("JOBSITE_EMAIL")
#: Whether there is a mail server; without one, notices of failures are kept and shown, but not sent.
JOBSITE_MAIL = _MAIL is not None
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if JOBSITE_MAIL else 'dummy'}.EmailBackend"
EMAIL_TIMEOUT = 10  # seconds, for each answer of the server
DEFAULT_FROM_EMAIL = SERVER_EMAIL = environment.text("JOBSITE_EMAIL_FROM", "jobsite@localhost")
if _MAIL is not None:
    EMAIL_HOST, EMAIL_PORT = _MAIL["host"], _MAIL["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL["user"], _MAIL["password"]
    EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL["starttls"], _MAIL["tls"]

# --- Logs --------------------------------------------------------------------------------------------------------

DEFAULT_EXCEPTION_REPORTER_FILTER = "jobsite.reports.ReporterFilter"
LOG_FORMAT = environment.choice("JOBSITE_LOG_FORMAT", "text", ("text", "json"))
LOG_LEVEL = environment.choice("JOBSITE_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "jobsite.logs.TextFormatter"},
        "json": {"()": "jobsite.logs.JsonFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"level": "WARNING"},
        "apscheduler": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
    },
}

if SECRET_KEY.startswith("django-insecure"):
    raise ImproperlyConfigured(
        "SECRET_KEY is an example: set a random one of 50 characters, or none to have one made."
    )
