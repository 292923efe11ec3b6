"""fullrank runs a slow, pure-Python function over many parameter sets on every core there is."""

__version__ = "0.1.0"
