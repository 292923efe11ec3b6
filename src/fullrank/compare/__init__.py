"""Which way of using the cores pays, for one study on one machine: measured, judged, told."""

DEFAULT_BUDGET = "5m"
"""Of the command line, as it is written there; a shorter one has room for too few rounds."""
MOST_ROUNDS = 1000
"""Of the command line; a verdict takes a dozen, and no budget has room for many more."""
