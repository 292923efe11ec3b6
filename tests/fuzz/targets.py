"""All that is fed with bad input."""

from file_targets import result
from record_targets import journal, work_folder
from target import Target
from text_targets import command_line, config, table

__all__ = ["TARGETS", "Target"]

TARGETS = {make.__name__: make for make in (config, table, command_line, journal, work_folder, result)}
