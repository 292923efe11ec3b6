"""Whether a study can run well here: facts of this machine, its ranks and its disk, each judged, with its cure."""
