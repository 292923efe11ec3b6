"""What a result file tells people: what ran, where, how long, how well, and what came out of it.

:func:`report` reads a file once, by blocks; :func:`text` spells what it found, :func:`brief` the gist of it, and
:func:`sections` gives the parts of the text to those who set them in another way.
"""

from fullrank.report.facts import Report
from fullrank.report.reading import report
from fullrank.report.words import brief, sections, text

__all__ = ["Report", "brief", "report", "sections", "text"]
