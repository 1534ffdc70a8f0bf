"""The sentences that rows hold: what keeps a node, why a run is in its state, what breaks a promise.

Rows are written by whatever process, and read by people of several languages. So each sentence is written down once,
here, as a template: a row gets it in English, which also logs and the API show, and a page shows ``in_words(text)``,
which finds the sentence in the row's text and says it in the reader's language. Words that are not ours, such as an
exception's, stay as they are.
"""

from scheduling.sentences import of_names as of_names
from scheduling.sentences import of_nodes as of_nodes
from scheduling.sentences import of_promises as of_promises
from scheduling.sentences import of_runs as of_runs
from scheduling.sentences.base import in_words as in_words
from scheduling.sentences.base import joined as joined
