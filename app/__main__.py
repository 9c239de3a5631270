"""``python -m app``: the commands behind ``launch.py``, in an environment that stands."""

from app.cli import main

main()
