"""Release the champion to an environment, or go back to the release before.

    python scripts/deployment.py --env staging
    python scripts/deployment.py --env staging --rollback

``deployment.location`` of ``config/env/<env>.yaml`` says where releases go, and
``deployment.keep`` how many are kept there. A model whose digest is not the recorded
one is not released.
"""

from pathlib import Path

from src.models.registry import make_registry
from src.models.release import release, roll_back
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import CONFIG_DIR, Settings
from src.utils.errors import ModelError


def main() -> None:
    """Parse the command line, then release or roll back.

    Raises:
        ProjectError: If the configuration or the model cannot be used.
    """
    parser = config_parser("Release the champion to an environment.")
    parser.add_argument(
        "--env", help="the environment: the name of a file in config/env/"
    )
    parser.add_argument(
        "--model-path",
        type=Path,
        help="another model file (default: the champion of the registry)",
    )
    parser.add_argument(
        "--rollback", action="store_true", help="go back to the release before"
    )
    arguments = parser.parse_args()
    if arguments.env is not None:
        arguments.env_config = CONFIG_DIR / "env" / f"{arguments.env}.yaml"
    settings = settings_from(arguments)
    location = settings.deployment.location
    if arguments.rollback:
        name, before = roll_back(location)
        print(f"{location}: {name} is in use again, {before} no longer")
        return
    model_path = arguments.model_path or champion_path(settings)
    name, is_new = release(model_path, location, settings.deployment.keep)
    state = "is in use" if is_new else "is in use already: the model is the same"
    print(f"{location}: {name} {state}")


def champion_path(settings: Settings) -> Path:
    """Return the model file of the champion.

    Raises:
        ModelError: If there is no champion.
    """
    registry = make_registry(settings)
    champion = registry.champion()
    if champion is None:
        raise ModelError("the registry has no champion yet; run `make promote` first")
    return registry.fetch(champion)


if __name__ == "__main__":
    run(main)
