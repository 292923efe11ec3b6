"""Items evaluated in a child process of their worker, so that what kills or blocks a process costs one item only.

The child is long-lived: it loads the function once, evaluates whole claims with the same
:class:`~fullrank.evaluate.Evaluator` as a worker without isolation, and is replaced when it dies. What it has finished
reaches the worker while the claim goes on; the index of its running item stands in memory that both share.

The standard library alone: any worker of any backend may load it.
"""
