"""Ways of running a study: one module each, the contract in :mod:`fullrank.backends.base`."""
