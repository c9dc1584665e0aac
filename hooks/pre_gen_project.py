"""Refuses answers that cannot work, before anything is written."""

import json
import os

RECORD = ".cookiecutter-existing.json"


def record_existing():
    """Write down what the folder holds before rendering, for post_gen_project.py."""
    existing = [
        os.path.relpath(os.path.join(folder, name)).replace(os.sep, "/")
        for folder, folders, files in os.walk(".")
        for name in folders + files
    ]
    with open(RECORD, "w", encoding="utf-8") as file:
        json.dump(existing, file)


if __name__ == "__main__":
    record_existing()
