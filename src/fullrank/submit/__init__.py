"""Jobs for batch systems: what a script says, and how it is queued. The text is pure; the edge is in ``queue``."""
