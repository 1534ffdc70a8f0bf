"""How a sentence is written into a row, and how it is found again in the row's text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, cached_property
from string import Formatter

from django.utils.translation import get_language, gettext, gettext_noop

from scheduling.text import DETAIL_CHARACTERS, clean, storable_characters

#: Between sentences that stand in one column.
SEPARATOR = gettext_noop("; ")

#: What a value looks like goes by its name. What is not named here may be anything.
PATTERNS = (
    dict.fromkeys(
        ("id", "number", "most", "least", "free", "load", "seconds", "code"), r"[-+]?\d[\d.]*(?:e[-+]\d+)?"
    )
    | dict.fromkeys(("at", "first", "last"), r"\d{4}-\d\d-\d\d[T ]\S+(?: UTC)?|-")
    | dict.fromkeys(("key", "queue", "function", "executor", "setting", "index", "table", "signal"), r"\S+")
    | {"state": r"[a-z_ ]+"}
    | {"ending": r"exit code \S+|signal \d+|\w+ \(killed by signal \d+\)"}
)
ANYTHING = r".*?"
#: Values that are words of ours, and values that are sentences themselves, or some of them.
WORDS, SENTENCES = (
    frozenset({"state", "reason", "kind"}),
    frozenset({"said", "ending", "ends", "ahead", "hint"}),
)
#: What an exception said, after its class.
RAISED = re.compile(r"([\w.]+): (.+)", re.DOTALL)
#: No text of ours is longer: two columns and what stands between them.
MOST_CHARACTERS = 2 * DETAIL_CHARACTERS


class Sentence:
    """A template with named values. Called with these it gives the English text, which fits the column.

    Where it would be too long it is the longest value that is cut, never the sentence.
    """

    known: list[Sentence] = []

    def __init__(self, template: str) -> None:
        parts = list(Formatter().parse(template))
        self.template = template
        self.names = [name for _text, name, _spec, _conversion in parts if name]
        self.beginning = parts[0][0]
        self.fixed_characters = sum(len(text) for text, *_rest in parts)
        self._parts = parts
        self.known.append(self)

    def __repr__(self) -> str:
        return f"Sentence({self.template!r})"

    def __call__(self, **values: object) -> str:
        text = clean(self.template.format(**values))
        if len(text) <= DETAIL_CHARACTERS:
            return text
        texts = {name: str(value) for name, value in values.items()}
        longest = max(texts, key=lambda name: len(texts[name]))
        room = len(texts[longest]) - (len(text) - DETAIL_CHARACTERS)
        return self(**texts | {longest: storable_characters(texts[longest], max(1, room))})

    def values_in(self, text: str) -> dict[str, str] | None:
        """The values with which it gives the text; None when it never does."""
        found = self._pattern.fullmatch(text) if text.startswith(self.beginning) else None
        return found.groupdict() if found else None

    def in_words(self, values: dict[str, str]) -> str:
        """The sentence in the reader's language."""
        return gettext(self.template).format(**{name: _shown(name, text) for name, text in values.items()})

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("".join(_pattern_of(text, name) for text, name, *_rest in self._parts), re.DOTALL)


def _pattern_of(text: str, name: str | None) -> str:
    return re.escape(text) + (f"(?P<{name}>{PATTERNS.get(name, ANYTHING)})" if name else "")


def _shown(name: str, value: str) -> str:
    if name in SENTENCES:
        return in_words(value)
    # A state is kept as its code, whose words are the same but for the underscore.
    return (
        gettext(value.replace("_", " ") if name == "state" else value) if name in WORDS and value else value
    )


def joined(sentences: Iterable[str]) -> str:
    """Several of them as one text; those that are empty are left out."""
    return SEPARATOR.join(filter(None, sentences))


def recognised(text: str) -> tuple[Sentence, dict[str, str]] | None:
    """The sentence that a text is, and its values; None when it is none of ours."""
    plain, open_ones = _known()
    if text in plain:
        return plain[text], {}
    for sentence in open_ones:
        values = sentence.values_in(text)
        if values is not None:
            return sentence, values
    return None


def in_words(text: str) -> str:
    """A row's text in the language of whoever reads it. Words that are not ours stay as they are."""
    if not text or len(text) > MOST_CHARACTERS or (get_language() or "en").startswith("en"):
        return text
    if (said := _in_words(text)) is not None:
        return said
    raised = RAISED.fullmatch(text)
    said = _in_words(raised[2]) if raised else None
    return text if raised is None or said is None else f"{raised[1]}: {said}"


def _in_words(text: str) -> str | None:
    """None when nothing of it is ours."""
    parts = [(part, recognised(part)) for part in text.split(SEPARATOR)]
    # What separates sentences may also stand in a value: then it is one, unless each part is one by itself.
    if not all(found for _part, found in parts) and (whole := recognised(text)):
        parts = [(text, whole)]
    if not any(found for _part, found in parts):
        return None
    return gettext(SEPARATOR).join(found[0].in_words(found[1]) if found else part for part, found in parts)


@cache
def _known() -> tuple[dict[str, Sentence], list[Sentence]]:
    """Those without values by their text; the others, those that say most by themselves first."""
    plain = {sentence.template: sentence for sentence in Sentence.known if not sentence.names}
    open_ones = [sentence for sentence in Sentence.known if sentence.names]
    return plain, sorted(open_ones, key=lambda sentence: -sentence.fixed_characters)
