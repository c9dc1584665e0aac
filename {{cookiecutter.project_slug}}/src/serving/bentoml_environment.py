"""What BentoML reads from the environment when it is imported, where nobody set it.

Nothing is told to anybody. Import this before bentoml.
"""

import os

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
