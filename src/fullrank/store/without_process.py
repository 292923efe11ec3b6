"""The import of h5py, in which no other program is started.

h5py looks at the second to last entry of ``platform.uname()``, and Python makes the last one too: by starting the
program ``uname``, which takes as long as a fifth of h5py's own import, in a process that has MPI and must not fork.
"""

import platform

_known = vars(platform.uname())
if "processor" in _known:
    import h5py
else:
    _known["processor"] = ""
    try:
        import h5py
    finally:
        del _known["processor"]  # user code may ask for it

__all__ = ["h5py"]
