"""What a result file tells people: what ran, where, how long, how well, and what came out of it.

:func:`report` reads a file once, by blocks, and :class:`Reading` does so beside who reads it for another reason;
:func:`text` spells what was found, :func:`brief` the gist of it, and :func:`sections` gives the parts of the text to
those who set them in another way.
"""

from fullrank.report.facts import Report
from fullrank.report.reading import Reading, report
from fullrank.report.words import brief, sections, text

__all__ = ["Reading", "Report", "brief", "report", "sections", "text"]
