"""What holds for BentoML when it is imported: import this before it.

Nothing is told to anybody, unless the environment says otherwise. What other libraries
are about to remove is for the makers of BentoML, who still ask for it.
"""

import os
import warnings

warnings.filterwarnings("ignore", category=DeprecationWarning, module="bentoml")
warnings.filterwarnings("ignore", category=DeprecationWarning, module="_bentoml")
warnings.filterwarnings("ignore", category=DeprecationWarning, module="pathspec")
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
