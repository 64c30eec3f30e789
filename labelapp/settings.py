"""Django settings: what the environment may change comes from labelapp.env, the rest is fixed."""

from __future__ import annotations

import sys

from csp.constants import NONE, SELF

from labelapp.env import (
    BASE_DIR,
    database_settings,
    mail_settings,
    oidc_apps,
    read_environment,
)

ENV = read_environment()

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug
ALLOWED_HOSTS = ENV.allowed_hosts
CSRF_TRUSTED_ORIGINS = ENV.csrf_trusted_origins

DATA_DIR = ENV.data_dir
MEDIA_ROOT = DATA_DIR / "media"
JOBS_ROOT = DATA_DIR / "jobs"
UPLOADS_ROOT = DATA_DIR / "uploads"
IMPORT_ROOT = ENV.import_root  # folder below which managers may import; empty = feature off
MAX_UPLOAD_BYTES = ENV.max_upload_mb * 1024 * 1024
MAX_IMAGE_PIXELS = ENV.max_image_pixels
TRAINING_DEVICE = ENV.training_device
TRAINER_THREADS = ENV.trainer_threads
WEIGHTS_DIR = ENV.weights_dir
ALLOW_WEIGHT_DOWNLOAD = ENV.allow_weight_download
FEATURE_CACHE_GB = ENV.feature_cache_gb
TRAINER_COMMAND = [sys.executable, "-m", "mcal_engine", "fit"]  # the job folder follows
SEARCH_COMMAND = [sys.executable, "-m", "mcal_engine", "search-job"]  # the job folder follows
OWNER_EMAIL = ENV.owner_email
WEBHOOK_ALLOW = ENV.webhook_allow  # private hosts and networks that webhooks may reach
BASE_URL = ENV.base_url  # of links in mails; "": as the request that made them says

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "csp",
    "django_htmx",
    "django_q",
    "labelapp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "labelapp.web.static_files.StaticFilesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "labelapp.web.languages.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "labelapp.web.middleware.AppErrorMiddleware",
    "labelapp.web.second_factor.SecondFactorMiddleware",
]

ROOT_URLCONF = "labelapp.urls"
ASGI_APPLICATION = "labelapp.asgi.application"

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
                "labelapp.web.languages.page_language",
            ],
        },
    }
]

DATABASES = {"default": database_settings(ENV.database_url)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "labelapp.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    # 16 MiB each. Argon2 as Django sets it takes 100: four people who sign in at the same moment
    # more than doubled the memory of the whole product. It still reads what it has written.
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
]

ACCOUNT_ADAPTER = "labelapp.web.accounts.InvitationOnlyAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_GET = False
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_REAUTHENTICATION_REQUIRED = True

MAIL_ON = bool(ENV.mail_url)
DEFAULT_FROM_EMAIL = ENV.mail_from or ENV.owner_email
globals().update(mail_settings(ENV.mail_url))

# Single sign-on: off, and no request leaves this machine, unless an issuer is named.
OIDC_ON = bool(ENV.oidc_issuer and ENV.oidc_client_id)
OIDC_NAME = ENV.oidc_name
OIDC_DOMAINS = ENV.oidc_domains  # whose people get an account by signing in
OIDC_ONLY = ENV.oidc_only and OIDC_ON  # nobody signs in with a password
SOCIALACCOUNT_ADAPTER = "labelapp.web.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10  # seconds
SOCIALACCOUNT_PROVIDERS: dict[str, object] = {
    "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": oidc_apps(ENV)}
}

REQUIRE_SECOND_FACTOR = ENV.require_second_factor
MFA_ADAPTER = "labelapp.web.second_factor.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # people come by invitation, most of them without a mail
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "MCAL"
MFA_TOTP_TOLERANCE = 1  # a clock may be 30 s off

SESSION_COOKIE_SECURE = ENV.secure_cookies
CSRF_COOKIE_SECURE = ENV.secure_cookies
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # each under its own name
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_NAME = "language"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
STATIC_COPIES = DATA_DIR / "static"  # one folder per version: labelapp/web/static_files.py
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "labelapp.web.static_files.VersionedStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_AUTOREFRESH = DEBUG
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 2_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000  # guidelines of 1,000 classes have two fields each
FILE_UPLOAD_TEMP_DIR = None

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "labelapp.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["labelapp.api.parsers.ShallowJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "labelapp.api.handler.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Minimum-cost labelling",
    "DESCRIPTION": "Label images with people and a machine at the minimum total cost.",
    "VERSION": "0.1.0",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_INCLUDE_SCHEMA": False,
}

CHANNEL_LAYERS = (
    {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [ENV.redis_url]},
        }
    }
    if ENV.redis_url
    else {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
)

WORKER_WATCHED = ENV.worker_watched

Q_CLUSTER = {
    "name": "mcal",
    "workers": ENV.workers + 1,  # the last one for a search: it holds its place for hours
    "orm": "default",
    "poll": 0.2,
    "timeout": 86_400,
    "retry": 90_000,
    "max_attempts": 1,
    "queue_limit": 4,
    "bulk": 1,
    "catch_up": False,
    "save_limit": -1,
    "scheduler": False,
    "label": "Jobs",
    "ack_failures": True,
    "daemonize_workers": True,
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"secrets": {"()": "labelapp.logs.HideSecretLinks"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["secrets"]}
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {"labelapp": {"level": "INFO"}},
}
