"""How what any timeline holds is asked for; training and held-out wordings differ in part."""

from __future__ import annotations

_BOTH: dict[str, tuple[str, ...]] = {
    "what now": (
        "What can be seen right now?",
        "What is shown at the moment?",
        "Which object is in the picture right now?",
    ),
    "what at": (
        "What was seen at {t}?",
        "Which object was in the picture at {t}?",
        "What is shown at {t}?",
    ),
    "when seen first": ("When was the {x} first seen?", "When did the {x} first appear?"),
    "when seen last": ("When was the {x} last seen?", "When did the {x} appear for the last time?"),
    "when said first": (
        "When was {x} first mentioned?",
        "When did they first speak of {x}?",
    ),
    "when said last": ("When was {x} last mentioned?",),
    "when read": ('When was "{x}" on the screen?', 'At what time was "{x}" shown?'),
    "when done": ("When did this happen: {x}?", "At what time was there {x}?"),
    "how often seen": ("How many times was the {x} seen?", "How often did the {x} appear so far?"),
    "how often said": ('How many times did somebody say "{x}"?', 'How often was "{x}" said?'),
    "how often looked": ("How many times did I look at the {x}?",),
    "order seen": ("Which was seen first, the {x} or the {y}?",),
    "order said": (
        "Which was mentioned first, {x} or {y}?",
        "What came up first, {x} or {y}?",
    ),
    "order done": ("Which came first, {x} or {y}?", "What happened earlier, {x} or {y}?"),
    "after done": ("What happened right after {x}?", "What came next after {x}?"),
    "before done": ("What happened just before {x}?", "What came right before {x}?"),
    "after seen": ("What was seen right after the {x}?", "What was shown next, after the {x}?"),
    "before seen": ("What was seen just before the {x}?", "What was shown before the {x}?"),
    "first done": ("What was done first?", "What happened first?"),
    "last done": ("What was done last?", "What has just happened?"),
    "first seen": ("What was the first thing seen?",),
    "last seen": ("What was the last thing seen?",),
    "done at": ("What happened at {t}?", "What is being done at {t}?"),
    "who said": ('Who said "{x}"?', "Who spoke about {y}?"),
    "said about": ("What was said about {x}?", "What did they say about {x}?"),
    "text at": ("Which text was on the screen at {t}?", "What was written in the picture at {t}?"),
    "text now": ("What is written on the screen right now?",),
    "while said": (
        "What was seen while they spoke of {x}?",
        "What was in the picture when {x} was mentioned?",
    ),
    "source": ('How was "{x}" told?',),
    "seen": ("Was {a} seen?", "Has {a} been in the picture?", "Did you see {a}?"),
    "mentioned": ("Was {x} mentioned?", "Did anyone mention {x}?"),
    "written": ('Was "{x}" on the screen?', 'Was the text "{x}" shown?'),
    "said yet": ('Has anybody said "{x}" yet?', 'Did anyone call out "{x}" yet?'),
    "in view": ("Is the {x} still in view?", "Can the {x} still be seen right now?"),
    "scene": (
        "Which scene was there?",
        "Which description matches both the picture and the words?",
        "What was seen and heard together?",
    ),
    "sequence": ("What happened, in order?", "What has happened so far, in order?"),
    "sequence seen": ("What was seen, in order?", "In which order did things come into view?"),
    "appeared": ("Has {a} appeared yet?", "Have you seen {a} yet?"),
    "appeared now": (
        "When {a} appears, say so. Is it time?",
        "Tell me when you see {a}. Is it time now?",
    ),
    "done now": ("Tell me when this has happened: {x}. Is it time now?",),
    "colour of": ("What colour was the {x}?",),
    "moves": ("Which way does the {x} thing move?", "In which direction does something {x} move?"),
    "mover": ("What colour is the thing that moves {x}?", "What colour is it that moves {x}?"),
    "looked at": ("What did I look at at {t}?", "What was I looking at at {t}?"),
    "looked now": ("What am I looking at right now?", "What did I look at last?"),
    "looked when": ("When did I look at the {x}?",),
    "looked": ("Did I look at the {x}?",),
    "looked colour": ("What colour was the {x} that I looked at?",),
    "about": (
        "What is this about?",
        "What is the recording about?",
        "Which option sums it up best?",
    ),
    "subjects": ("What was talked about?", "What is this about?", "Sum up what was talked about."),
    "away": ("Was the stream interrupted?", "Was anything of the stream missed?"),
    "away when": ("When was the stream away?",),
}

_TRAINED: dict[str, tuple[str, ...]] = {
    "what now": (
        "What do you see now?",
        "Which of these can be seen right now?",
        "What is in front of the camera at this moment?",
        "What thing does the picture show now?",
    ),
    "what at": ("Which thing could be seen at {t}?", "What did the camera show at {t}?"),
    "when seen first": ("When did you first see the {x}?", "From when on is there a {x}?"),
    "when seen last": ("When did you last see the {x}?", "Until when was the {x} there?"),
    "when said first": (
        "At which time did {x} come up first?",
        "When do they begin to talk about {x}?",
        "At what time does somebody speak of {x}?",
    ),
    "when said last": ("When did they last talk about {x}?", "When did {x} come up last?"),
    "when read": ('When could one read "{x}"?', 'When does the picture say "{x}"?'),
    "when done": ("At which moment was there {x}?", "When was it that there was {x}?"),
    "how often seen": (
        "In how many moments was there a view of the {x}?",
        "How many times did the {x} come into the picture?",
        "What is the number of times that the {x} was shown?",
    ),
    "how often said": ('How many times did you hear "{x}"?', 'How many times was there "{x}"?'),
    "how often looked": ("How often did my eyes go to the {x}?", "How many looks at the {x}?"),
    "order seen": (
        "Did the {x} or the {y} appear first?",
        "What was shown earlier, the {x} or the {y}?",
    ),
    "order said": (
        "Did they speak first of {x} or of {y}?",
        "What was the earlier subject: {x}, {y}?",
    ),
    "order done": ("Which of the two was first: {x} or {y}?", "Did {x} or {y} come earlier?"),
    "after done": (
        "And what was next, after {x}?",
        "What did they do after {x}?",
        "Once there had been {x}, what happened?",
    ),
    "before done": (
        "And what was there before {x}?",
        "What had been done right before {x}?",
        "What led up to {x}?",
    ),
    "after seen": ("And after the {x}, what was in the picture?", "What came after the {x}?"),
    "before seen": ("Which thing came just before the {x}?", "What was there before the {x}?"),
    "sequence seen": (
        "What has come into the picture so far, in order?",
        "Which of these is the order of what you saw?",
        "What did the video show, one thing after the other?",
    ),
    "first done": ("How did it begin: what was done?", "What came first of all?"),
    "last done": ("What was the latest that happened?", "What have they done most recently?"),
    "first seen": ("What did you see first of all?", "Which thing was shown first?"),
    "last seen": ("What did you see most recently?", "Which thing was shown last?"),
    "done at": ("What did they do at {t}?", "What was going on at {t}?"),
    "who said": (
        "Which person talked about {y}?",
        'From whom did we hear "{x}"?',
        "Who was it that mentioned {y}?",
        "Whose words were about {y}?",
    ),
    "said about": (
        "What do we know about {x}?",
        "What did you hear about {x}?",
        "What does the speaker tell about {x}?",
    ),
    "text at": ("What could be read at {t}?", "What did the picture say at {t}?"),
    "text now": (
        "What can be read in the picture right now?",
        "Which of these is written there now?",
        "What does the text on the screen say at this moment?",
        "Which words are in the picture now?",
    ),
    "while said": (
        "What could be seen as they talked about {x}?",
        "Which thing was shown while {x} was the subject?",
        "As {x} came up, what was in the picture?",
    ),
    "seen": (
        "Is there {a} anywhere?",
        "Has there been {a}?",
        "Does the video show {a}?",
        "Did {a} appear?",
    ),
    "mentioned": ("Do they talk about {x}?", "Was there any talk of {x}?", "Did {x} come up?"),
    "written": ('Could one read "{x}"?', 'Did the picture say "{x}"?'),
    "said yet": ('Have you heard "{x}" yet?', 'Was "{x}" said by now?'),
    "in view": (
        "Do you still see the {x}?",
        "Is the {x} there now?",
        "Is the {x} still in the picture?",
    ),
    "appeared": ("Did {a} come into view yet?", "Is there {a} by now?", "Was {a} shown already?"),
    "appeared now": (
        'Say "now" as soon as there is {a}. Should you say it?',
        "When {a} comes into the picture, tell me. Is now the time to say it?",
        "I wait for {a}. Is it there?",
    ),
    "done now": (
        "When there is {x}, tell me. Is now the time to say it?",
        'Say "now" as soon as there was {x}. Should you say it?',
    ),
    "colour of": ("Which colour does the {x} have?",),
    "moves": ("Where does something {x} go?", "Something {x} is moving: which way?"),
    "mover": ("Which colour has the thing that goes {x}?",),
    "looked at": ("Where did my eyes rest at {t}?", "What had I in view at {t}?"),
    "looked now": ("What do I look at now?", "Where do my eyes rest?"),
    "looked when": ("When did my eyes rest on the {x}?", "At what time did I see to the {x}?"),
    "looked": ("Have I looked at the {x}?", "Did my eyes rest on the {x}?"),
    "looked colour": ("I looked at the {x}: which colour was it?",),
    "scene": (
        "Please describe a scene that occurred.",
        "Which of these goes with what was seen and said?",
        "What did picture and sound give together?",
    ),
    "sequence": (
        "Which of these lists what happened in the right order?",
        "What was the order of things?",
        "Which of these orders is right?",
        "What was done first, then next, then last?",
    ),
    "source": (
        'In which way did "{x}" come up?',
        "How was '{x}' told?",
        "How did '{x}' become known?",
        'Where does "{x}" come from?',
        'How do you know of "{x}"?',
    ),
    "about": (
        "What kind of recording is this?",
        "What are they doing all the time?",
        "What would be a title for this?",
    ),
    "subjects": ("What were the subjects?", "Of what did they speak?"),
    "away": ("Is anything missing?", "Did the stream stop at some time?"),
    "away when": ("At what time was nothing received?", "When was the stream interrupted?"),
}

_HELD_OUT: dict[str, tuple[str, ...]] = {
    "what now": ("What is currently visible?",),
    "what at": ("What showed up at {t}?",),
    "when seen first": ("When does the {x} come into view for the first time?",),
    "when said first": ("At what point is {x} brought up for the first time?",),
    "how often seen": ("Count the moments in which the {x} was visible.",),
    "how often said": ('Count how many times "{x}" was called out.',),
    "order done": ("What took place earlier: {x} or {y}?",),
    "after done": ("Which event followed {x}?",),
    "after seen": ("Which thing followed the {x}?",),
    "before seen": ("Which thing preceded the {x}?",),
    "sequence seen": ("How did the views follow each other?",),
    "before done": ("Which event came before {x}?",),
    "who said": ("By whom was {y} discussed?",),
    "said about": ("Tell me what I missed about {x}.",),
    "text at": ("Which words were displayed at {t}?",),
    "seen": ("Could {a} be spotted at any point?",),
    "mentioned": ("Did {x} come up in conversation?",),
    "appeared": ("Did {a} turn up so far?",),
    "appeared now": ("Let me know once {a} turns up. Has the moment come?",),
    "scene": ("Which moment really took place?",),
    "sequence": ("How did things unfold, from beginning to end?",),
    "in view": ("Does the picture still have the {x} in it?",),
    "source": ('Was "{x}" spoken or written?',),
    "about": ("Which description fits the whole video?",),
    "subjects": ("Which topics came up?",),
    "looked at": ("What was my gaze on at {t}?",),
}


def _joined(own: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {key: (*texts, *own.get(key, ())) for key, texts in _BOTH.items()}


WORDINGS = {"trained": _joined(_TRAINED), "held_out": _joined(_HELD_OUT)}
"""By side and by what is asked: the wordings; ``{x}``, ``{y}``, ``{a}`` (with an article) and
``{t}`` (a time) are gaps."""

CHAT = {
    "trained": (
        "All right.", "Let us go on.", "Well, there we are.", "Okay, so.", "Give me a second.",
        "You know how it is.", "Anyway, where were we?", "I am not sure about that, to be honest.",
        "Just a moment, please.", "That is nice.", "Yes, yes, of course.", "Thanks for waiting.",
        "What a day, really.", "We have plenty of time.", "Can everybody hear me?",
        "Hm, let me think.",
    ),
    "held_out": (
        "Right then.", "Moving along now.", "So far, so good.", "Bear with me, please.",
        "I was about to say that.", "It is what it is.", "Now, what else was there?",
        "Oh, I nearly forgot.", "Is this thing on?", "Fair enough.", "Nobody told me, I swear.",
    ),
}  # fmt: skip
"""Talk that says nothing, by side."""

STARTS = {
    "trained": (
        "Well, ", "So, ", "You know, ", "And as I said, ", "By the way, ", "Okay, ", "Listen, ",
        "All right. ", "Look, ", "Now, ", "And then, ", "I think ", "Um, ", "Yes, ",
    ),
    "held_out": (
        "Oh, ", "Mind you, ", "For the record, ", "Let me add that ", "As it happens, ",
        "Anyhow. ", "Between us, ", "Right, ", "Er, ", "I hear that ",
    ),
}  # fmt: skip
"""How a sentence that says something may begin, by side."""

ENDS = {
    "trained": (
        " That is all I know.", " Is that not something?", " So there you have it.",
        " I wrote it down.", " Do you see?", " We will come back to that.", " Anyway.",
    ),
    "held_out": (
        " Just so you are aware.", " Who would have thought?", " Enough of that.",
        " Believe me.", " That much is clear.",
    ),
}  # fmt: skip
"""How it may go on."""

BY_WORD = {
    "trained": (", by what was said?", ", according to the speaker?", ", as far as was said?"),
    "held_out": (", according to the narrator?", ", going by what was said?"),
}
"""What may end a question about something said."""
