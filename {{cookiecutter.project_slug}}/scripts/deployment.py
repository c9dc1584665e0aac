"""Release the trained model to an environment, or go back to the release before.

    python scripts/deployment.py --env staging
    python scripts/deployment.py --env staging --rollback

``deployment.location`` of ``config/env/<env>.yaml`` says where releases go, and
``deployment.keep`` how many are kept there. A model whose digest is not the recorded
one is not released.
"""

from pathlib import Path

from src.models.release import release, roll_back
from src.utils.cli import config_parser, run, settings_from
from src.utils.config import CONFIG_DIR


def main() -> None:
    """Parse the command line, then release or roll back.

    Raises:
        ProjectError: If the configuration or the model cannot be used.
    """
    parser = config_parser("Release the trained model to an environment.")
    parser.add_argument(
        "--env", help="the environment: the name of a file in config/env/"
    )
    parser.add_argument(
        "--model-path",
        type=Path,
        help="the model file (default: latest_model.joblib in paths.models)",
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
    model_path = arguments.model_path or settings.paths.models / "latest_model.joblib"
    name, is_new = release(model_path, location, settings.deployment.keep)
    state = "is in use" if is_new else "is in use already: the model is the same"
    print(f"{location}: {name} {state}")


if __name__ == "__main__":
    run(main)
