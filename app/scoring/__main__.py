"""``python -m app.scoring`` and ``accelerate launch -m app.scoring``."""

from app.scoring.cli import build_app
from app.scoring.engines import ENGINES

if __name__ == "__main__":
    build_app(ENGINES)()
