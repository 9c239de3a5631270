"""What is put before the model in words.

The wording is ours. A benchmark's official wording can be used in its place: it is data, a
JSON object of templates by name, given with ``--prompts`` and named in the run's header with
its hash. A template may use ``{question}``, ``{options}`` (lettered, one a line), ``{history}``,
``{answer}`` and ``{instruction}``. Names are looked up by task first, then by kind::

    {"choice": "...", "sequential": "...", "yes-no": "...", "count": "...",
     "SSR": "...", "CRR": "...", "poll": "...", "output": "...", "before": "...",
     "instruction": "..."}

``before`` takes the place of ``sequential``, and ``{instruction}`` is left out, where an engine
is given the options apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.scoring.datasets import read_json
from app.scoring.questions import LETTERS, DataError, Earlier, Kind, Question

OWN: Mapping[str, str] = {
    "choice": (
        "Answer this question about the video so far by the letter of the one right option, "
        "and nothing else.\n\nQuestion: {question}\n{options}\n\nLetter:"
    ),
    "sequential": (
        "{history}\n\nNow a new question about the video so far; earlier ones are settled. Answer "
        "by the letter of the one right option, and nothing else.\n\n"
        "Question: {question}\n{options}\n\nLetter:"
    ),
    "yes-no": "{question} {instruction}",
    "count": "{question} Answer by one number: how often it has happened in the video so far.",
    "SSR": (
        'Is a person in the video carrying out this step right now: "{question}"? {instruction}'
    ),
    "CRR": (
        'Has the video so far shown enough to answer this question: "{question}"? {instruction}'
    ),
    "poll": '{question} Is now the time to say "{answer}"? {instruction}',
    "instruction": "Answer by one word, yes or no, from what the video has shown so far.",
    "output": "{question} The time has come: say it, and nothing else.",
    "before": (
        "{history}\n\nNow a new question about the video so far; earlier ones are settled: "
        "{question}"
    ),
}


@dataclass(frozen=True, slots=True)
class Prompts:
    """Templates by name; ``source`` and ``digest`` identify the wording in a header."""

    templates: Mapping[str, str] = field(default_factory=lambda: OWN)
    source: str = "own"

    @property
    def digest(self) -> str:
        """SHA-256 of the templates."""
        text = json.dumps(dict(self.templates), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def of(self, question: Question) -> str:
        """The whole prompt of a question (not of a proactive one), its options included."""
        name = "sequential" if question.history else question.kind.value
        return self._fill(self.templates.get(question.task, self.templates[name]), question)

    def bare(self, question: Question) -> str:
        """The question after what must stand before it, for who is given the options apart."""
        if question.kind is Kind.YES_NO:
            name = question.task if question.task in self.templates else question.kind.value
            return self._fill(self.templates[name], question, instruction="")
        template = self.templates["before"] if question.history else "{question}"
        return self._fill(template, question)

    def poll(self, question: Question, bare: bool = False) -> str:
        """Whether it is time yet, of a proactive question; ``bare`` as :meth:`bare`."""
        instruction = "" if bare else None
        return self._fill(self.templates["poll"], question, instruction)

    def output(self, question: Question) -> str:
        """The request for a proactive question's output, once it is time."""
        return self._fill(self.templates["output"], question)

    def _fill(self, template: str, question: Question, instruction: str | None = None) -> str:
        if instruction is None:
            instruction = self.templates["instruction"]
        return template.format(
            question=question.text,
            instruction=instruction,
            options=lettered(question.options),
            history=told(question.history),
            answer=question.answer if question.kind is Kind.PROACTIVE else "",
        ).rstrip()


def load_prompts(path: Path) -> Prompts:
    """The wording in a file over ours, name by name.

    Raises:
        DataError: it is no object of texts, or a template uses an unknown name.
    """
    data = read_json(path)
    if not isinstance(data, Mapping) or not all(isinstance(text, str) for text in data.values()):
        raise DataError(f"{path} is not a JSON object of prompt templates")
    for name, text in data.items():
        try:
            text.format(question="", options="", history="", answer="", instruction="")
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}: template {name!r} uses {error}; known are question, options, history, "
                "answer, instruction"
            ) from error
    return Prompts({**OWN, **data}, path.name)


def lettered(options: tuple[str, ...]) -> str:
    """``"A. first\\nB. second"``."""
    return "\n".join(f"{LETTERS[number]}. {text}" for number, text in enumerate(options))


def told(history: tuple[Earlier, ...]) -> str:
    """Earlier questions of the same video with their right answers, as text."""
    return "\n".join(
        f"At {turn.time_stamp} it was asked: {turn.question} Options: "
        f"{lettered(turn.options).replace(chr(10), '; ')}. The right answer was {turn.answer}."
        for turn in history
    )
