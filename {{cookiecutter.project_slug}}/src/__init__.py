"""The code of the project: from the source of the data to a measured model."""

import os

# The threads of scikit-learn spin while they wait. Beside any other work that makes a
# training many times slower; to fall asleep at once doubles the time of a short fit.
# OpenMP (the second line is for that of GCC) reads this when scikit-learn is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
