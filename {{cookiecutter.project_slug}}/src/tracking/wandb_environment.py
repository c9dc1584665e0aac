"""What wandb reads from the environment when it is imported, where nobody set it.

Nothing is sent to anybody unasked. Import this before wandb.
"""

import os

MODE_NAME = "WANDB_MODE"

os.environ.setdefault(MODE_NAME, "offline")
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
os.environ.setdefault("WANDB_SILENT", "true")
