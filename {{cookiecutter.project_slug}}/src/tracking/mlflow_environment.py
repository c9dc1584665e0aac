"""What MLflow reads from the environment when it is imported, where nobody set it.

Nothing is told to anybody, no progress bar is drawn for small files, and a server that
is down is reported in seconds. Import this before mlflow.
"""

import os

URI_NAME = "MLFLOW_TRACKING_URI"

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
