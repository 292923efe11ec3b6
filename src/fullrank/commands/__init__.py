"""What each command does: a function that prints and returns the exit code. Imported by the command that is run."""
