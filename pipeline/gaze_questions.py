"""Questions about gaze, answered from memory: which object before the cup, which one never."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from memory.recall import Embed
from memory.segment import Fixation, Look, Observation, ScreenText, SeenObject, Segment
from models.gaze import answers
from models.gaze.history import Alike, History, InView, LookedAt, alike, likeness
from models.reasoning.reasoner import Line, Passage
from pipeline.gaze import Target
from pipeline.perception import REMIND
from pipeline.standing import Judge, Verdict

TEXT_STAYS = 1.25 * REMIND
"""Seconds for which text that was read counts as in view, unless other text is read."""

UNRELATED, SAME_MEANING = 0.35, 0.75
"""Cosines of the embeddings of two names taken for likeness 0 and 1."""


def history(segments: Iterable[Segment], time: float, certain_above: float) -> History:
    """What was looked at and what was in view, of segments in order, as known at ``time``.

    Args:
        certain_above: confidence from which a label is taken as fact; others were not in view.
    """
    looks: list[LookedAt] = []
    views: list[InView] = []
    texts: list[ScreenText] = []
    for observation in _known(segments, time):
        match observation:
            case Fixation(start=start, end=end, target=words):
                target = Target.parse(words)
                looks.append(
                    LookedAt(
                        start,
                        end,
                        target.labels,
                        target.certain,
                        (target.colour,) if target.colour else (),
                        target.texts,
                    )
                )
            case SeenObject(time=seen, label=label, confidence=confidence):
                if confidence >= certain_above:
                    views.append(InView(seen, label))
            case ScreenText(time=read, text=text):
                if texts and texts[-1].time != read:
                    texts = []
                texts.append(observation)
                views.append(InView(read, text))
            case Look(time=looked):
                # Text is reported when it changes; meanwhile it is still there.
                views += [InView(looked, t.text) for t in texts if looked - t.time <= TEXT_STAYS]
    looks.sort(key=lambda look: look.start)
    views.sort(key=lambda view: view.time)
    return History(tuple(looks), tuple(views))


def _known(segments: Iterable[Segment], time: float) -> list[Observation]:
    found = [
        observation
        for segment in segments
        if segment.start <= time
        for observation in segment.observations
        if observation.known_at <= time
    ]
    return sorted(found, key=lambda observation: observation.time)


def gaze_lines(known: History, most: int = 12) -> list[Line]:
    """A history in words a reasoner can quote: the latest looks in order, what is looked at
    now, and what was in view and never looked at."""
    stays = known.stays()[-most:]
    lines = [
        Line(
            stay.start,
            stay.end,
            "gaze",
            f"looked at {_called(stay)} for {stay.end - stay.start:.1f} s",
            certain=stay.known,
        )
        for stay in stays
    ]
    if len(stays) > 1:
        order = ", then ".join(stay.called[0] for stay in stays)
        lines.append(Line(stays[0].start, stays[-1].end, "gaze", f"looked in order at {order}"))
    never = known.never_looked_at()
    if known.looks and never:
        start, end = known.views[0].time, known.views[-1].time
        words = ", ".join(never[:most])
        lines.append(Line(start, end, "gaze", f"in view and never looked at: {words}"))
    return lines


def gaze_passage(known: History, time: float) -> tuple[Passage, ...]:
    """The same as a passage, for a question at stream ``time`` that the records alone do not
    answer; none where nothing was looked at."""
    lines = gaze_lines(known)
    if not known.looks or not lines:
        return ()
    start = min(line.start for line in lines)
    return (Passage(start, max(time, start), tuple(lines), time),)


def _called(stay: LookedAt) -> str:
    words = [*stay.names[:2], *(f'"{text}"' for text in stay.texts[:3])]
    return ", ".join(words) + (f" ({stay.attributes[0]})" if stay.attributes else "")


@dataclass(frozen=True, slots=True)
class GazeReply:
    """What memory says to a question about gaze.

    Attributes:
        text: the answer in a few words; empty where only options were told apart.
        probabilities: of the options, summing to 1; empty where none were given or the
            records do not tell them apart.
        lines: what the answer rests on.
        certain: False where it rests on guesses.
    """

    text: str
    probabilities: tuple[float, ...]
    lines: tuple[Line, ...]
    certain: bool


def reply(
    question: str,
    known: History,
    time: float,
    options: Sequence[str] = (),
    compare: Alike = alike,
) -> GazeReply | None:
    """The answer to a question about gaze at stream ``time``; None where it is none, or where
    memory holds nothing that answers it."""
    understood = answers.understand(question)
    if understood is None or not (known.looks or understood.kind == "appears"):
        return None
    found = answers.answer(understood, known, time, compare)
    likely = answers.likelihoods(understood, options, known, time, compare) if options else None
    if found is None and likely is None:
        return None
    lines = tuple(
        Line(look.start, look.end, "gaze", f"looked at {_called(look)}", look.certain)
        for look in (found.looks if found is not None else ())
    )
    return GazeReply(
        "" if found is None else found.text,
        tuple(likely or ()),
        lines,
        found is None or found.certain,
    )


def by_meaning(embed: Embed) -> Alike:
    """Likeness of names by their words, or by the meaning of them where those differ."""

    def compare(a: str, b: str) -> float:
        by_words = alike(a, b)
        if by_words == 1 or not (a.strip() and b.strip()):
            return by_words
        one, other = embed([a, b])
        cosine = float(one @ other)
        near = (cosine - UNRELATED) / (SAME_MEANING - UNRELATED)
        return max(by_words, min(1.0, max(0.0, near)))

    return compare


def gaze_judge(otherwise: Judge, compare: Alike = alike) -> Judge:
    """A judge of standing questions that knows those about gaze ("when I look at a plate") and
    leaves the rest to another."""

    def judge(condition: str, passage: Passage) -> Verdict:
        understood = answers.understand(f"tell me when {condition}")
        if understood is None or understood.kind != "looks":
            return otherwise(condition, passage)
        best = Verdict(0.0)
        for line in passage.lines:
            if line.kind != "gaze":
                continue
            target = Target.parse(line.text)
            look = LookedAt(line.start, line.end, target.labels, target.certain, texts=target.texts)
            likely = likeness(look, understood.thing, compare)
            if likely > best.likelihood:
                best = Verdict(likely, line)
        return best

    return judge
