"""Release a version of the model to an environment, or go back to the one before.

    python scripts/deployment.py --env staging --why "reviewed"
    python scripts/deployment.py --env staging --rollback

The registry has an alias for each environment. Alone, ``--export`` releases nothing.
"""

from pathlib import Path

from src.models.artifact import copy_model
from src.models.registry import Registry, Version
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import CONFIG_DIR
from src.utils.errors import DataError


def main() -> None:
    """Parse the command line, then release, roll back or export."""
    parser = config_parser("Release a version of the model to an environment.")
    parser.add_argument("--env", required=True, help="a file of config/env/")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, help="its number (default: the champion)")
    which.add_argument("--model-path", type=Path, help="a file, registered first")
    which.add_argument("--rollback", action="store_true", help="to the one before")
    parser.add_argument("--why", default="release", help="the reason, for the history")
    parser.add_argument("--export", type=Path, help="a folder to copy the model to")
    arguments = parser.parse_args()
    env, why = arguments.env, arguments.why
    arguments.env_config = CONFIG_DIR / "env" / f"{env}.yaml"
    registry = Registry(settings_from(arguments))
    if arguments.rollback:
        now, before = registry.rollback(why, env)
        print(f"{env}: version {now.number} is in use again, not {before.number}")
    elif arguments.model_path:
        release(registry, registry.register(arguments.model_path), env, why)
    elif arguments.version is not None:
        release(registry, registry.version(arguments.version), env, why)
    elif not arguments.export:
        release(registry, named(registry, "champion", "`make promote`"), env, why)
    if arguments.export:
        version = named(registry, env, f"`make release ENV={env}`")
        copy_model(registry.fetch(version), arguments.export / "model.joblib")
        print(f"{arguments.export}: version {version.number}, which {env} uses")


def named(registry: Registry, alias: str, command: str) -> Version:
    """Return what an alias names; DataError if nothing, with what to run first."""
    if version := registry.at(alias):
        return version
    raise DataError(f"the registry has no {alias} version yet; run {command} first")


def release(registry: Registry, version: Version, env: str, why: str) -> None:
    """Let an environment use a version whose files are whole, and say what changed."""
    registry.fetch(version)
    before = registry.at(env)
    registry.promote(version, why, before, alias=env)
    instead = f", not {before.number}" if before else ""
    instead = " already; nothing changed" if before == version else instead
    print(f"{env}: version {version.number} is in use{instead}")


if __name__ == "__main__":
    run(main)
