"""phonetic: names that sound alike. https://hl7.org/fhir/R4/patient.html#search

Indexed as the Metaphone of each word of a name; a name is found by words that sound like some of its own.
"""

from typing import Any

import jellyfish

from fhir_server.search import string
from fhir_server.search.asked import Asked, Condition, Reader, both, either
from fhir_server.search.escaping import split, unescape
from fhir_server.search.string import normalised
from resources.fhirpath.element_paths import ElementPath

# Of a name that is a text, the first words are found.
_MOST_WORDS = 20
_LONGEST_WORD = 60


def reader(path: ElementPath) -> Reader:
    """Return how elements of the path's type are indexed."""
    read = string.reader(path)
    if read.several:
        return Reader(lambda name: _sounds(read.read(name)), several=True)
    return Reader(lambda text: _sounds([normalised(text)]), several=True)


def _sounds(texts: list[Any]) -> list[str]:
    words = dict.fromkeys(word for text in texts for word in text.split()[:_MOST_WORDS])
    return list(dict.fromkeys(map(_sound, words)))


def _sound(word: str) -> str:
    # Digits, and letters that English has no sound for, stand for themselves.
    return jellyfish.metaphone(word[:_LONGEST_WORD]) or word[:_LONGEST_WORD]


def condition(asked: Asked) -> Condition:
    """Return the condition that a name has words that sound like those of one text, or of one of several."""
    return both(either(_one(asked, part) for part in split(text, ",")) for text in asked.texts)


def _one(asked: Asked, text: str) -> Condition:
    sounds = _sounds([normalised(unescape(text))])
    if not sounds:
        raise asked.refusal("a name is more than spaces")
    return {asked.field.path: {"$all": sounds}} if len(sounds) > 1 else {asked.field.path: sounds[0]}
