"""How often the model's own attention finds the passage that a question is about.

    python -m tests.bench.relevance

SmolLM2-135M has 40 short passages in its context; 20 questions are each about one of them, in
other words where possible. ``attention`` ranks the passages by their share of the question's
attention, ``against neutral`` by how much more that is than from an empty question
(:func:`models.reasoning.relevance.relevance`). Chance finds 1 in 40.
"""

from __future__ import annotations

import random

import torch

from models.reasoning.context import StreamingContext
from models.reasoning.relevance import attention_shares, relevance
from tests.bench.streams import smollm2

FACTS = [
    (
        "A man in a green apron pours flour into a steel bowl.",
        "What did the man in the apron put into the bowl?",
    ),
    (
        "The speaker says the bridge was opened in nineteen thirty two.",
        "When was the bridge opened?",
    ),
    ("A yellow tram passes in front of the library.", "What vehicle passed the library?"),
    (
        "Screen text: platform seven, train to Lisbon.",
        "From which platform does the Lisbon train leave?",
    ),
    (
        "She says her sister is a marine biologist in Halifax.",
        "What does her sister do for a living?",
    ),
    ("A dog steals a sausage from the picnic table.", "What did the dog take?"),
    (
        "The narrator says a blue whale's heart weighs four hundred pounds.",
        "How heavy is the heart of a whale?",
    ),
    ("A woman with red gloves repairs a bicycle chain.", "Who fixed the bicycle?"),
    ("Screen text: closed on Mondays.", "On which day is it shut?"),
    ("He says the password is written under the keyboard.", "Where can the password be found?"),
    ("Two children build a tower of wooden blocks.", "What are the kids making?"),
    ("The speaker says the recipe needs three eggs.", "How many eggs are used?"),
    ("A helicopter lands on the hospital roof.", "Where did the helicopter come down?"),
    ("The teacher says the exam is moved to Friday.", "What day is the exam?"),
    ("A violin player sits beside the fountain.", "Which instrument is played near the fountain?"),
    ("Screen text: speed limit eighty.", "How fast may one drive?"),
    ("She says the museum ticket costs twelve euros.", "What is the price of the museum ticket?"),
    ("A cat sleeps on a pile of newspapers.", "Where is the cat sleeping?"),
    (
        "He says his grandfather was a watchmaker in Geneva.",
        "What was the trade of his grandfather?",
    ),
    ("Snow covers the parked cars.", "What lies on the parked cars?"),
    (
        "The narrator says the volcano last erupted in eighteen eighty three.",
        "In what year did the volcano erupt?",
    ),
    ("A waiter drops a tray of glasses.", "What did the waiter drop?"),
    ("Screen text: flight delayed, two hours.", "How long is the flight delayed?"),
    ("A girl in a striped shirt paints a sunflower.", "What flower does the girl paint?"),
    ("He says the nearest pharmacy is behind the church.", "Where is the pharmacy?"),
    ("A boat with a white sail crosses the bay.", "What crosses the bay?"),
    (
        "The coach says the team will play in Toronto next.",
        "In which city is the next game of the team?",
    ),
    ("A robot arm lifts a car door.", "What does the robot arm lift?"),
    ("She says the password for the wifi is lavender.", "What is the wifi password?"),
    ("Screen text: happy birthday Oscar.", "Whose birthday is celebrated?"),
    ("A farmer feeds carrots to a brown horse.", "What does the horse eat?"),
    ("The speaker says the tower has three hundred steps.", "How many steps does the tower have?"),
    ("An old man reads a map under a street lamp.", "What is the old man reading?"),
    ("He says the meeting room was painted orange.", "What colour is the meeting room?"),
    ("A goalkeeper catches the ball with one hand.", "Who caught the ball?"),
    ("The narrator says bees can recognise human faces.", "What can bees recognise?"),
    ("Screen text: mind the gap.", "What does the warning sign say?"),
    ("She says she learned to swim at the age of forty.", "At what age did she learn to swim?"),
    ("A red balloon floats over the stadium.", "What floats above the stadium?"),
    ("He says the soup is made of pumpkin and ginger.", "What is the soup made of?"),
]


def main() -> None:
    torch.set_num_threads(1)
    model, tokenizer = smollm2()

    def ids(text: str) -> list[int]:
        given: list[int] = tokenizer(text, add_special_tokens=False).input_ids
        return given

    def asked(question: str) -> list[int]:
        return ids(f"Question: {question}<|im_end|>\n<|im_start|>assistant\n")

    order = list(range(len(FACTS)))
    random.Random(1).shuffle(order)
    context = StreamingContext(model, 2048)
    context.append(ids("<|im_start|>system\nYou watch a video.<|im_end|>\n<|im_start|>user\n"))
    spans = []
    for place, fact in enumerate(order):
        start = context.length
        context.append(ids(f"[{5 * place // 60}:{5 * place % 60:02d}] {FACTS[fact][0]}\n"))
        spans.append((start, context.length))
    fork = context.fork()
    ranks: dict[str, list[int]] = {"attention": [], "against neutral": []}
    for place in range(0, len(order), 2):
        question = asked(FACTS[order[place]][1])
        shares = attention_shares(fork, question, spans).mean((0, 1)).tolist()
        scores = relevance(fork, question, asked("What is it?"), spans)
        for name, values in (("attention", shares), ("against neutral", scores)):
            ranks[name].append(sum(v > values[place] for v in values))
    print(f"{context.length} tokens in context, {len(ranks['attention'])} questions")
    for name, found in ranks.items():
        first = sum(r == 0 for r in found) / len(found)
        three = sum(r < 3 for r in found) / len(found)
        print(f"{name:>16}: first {first:4.0%}, among the first three {three:4.0%}")


if __name__ == "__main__":
    main()
