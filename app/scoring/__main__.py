"""``python -m app.scoring``, and the same under a launcher, over several processes or nodes::

    accelerate launch --multi_gpu --num_processes 4 -m app.scoring run QUESTIONS --videos FOLDER \\
        --engine transformers --model MODEL --out RUN

Each process takes every n-th video and a GPU of its own; nodes share the folder RUN. Whoever
finishes last writes the report. ``--multi_gpu`` is also what starts several processes on a
machine without GPUs: with ``--cpu``, ``accelerate launch`` starts one, which does all the work.
"""

from app.scoring.cli import build_app
from app.scoring.engines import ENGINES

if __name__ == "__main__":
    build_app(ENGINES)()
