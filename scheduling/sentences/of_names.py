"""What is said of a name that there is not (words.py)."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

from scheduling.sentences.base import Sentence

NEAREST = Sentence(_("Did you mean {name}?"))
ALLOWED = Sentence(_("Allowed: {names}."))
THERE_ARE_NONE = Sentence(_("There are none."))
