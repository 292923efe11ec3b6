"""What a process imports at its start is there until its end: nothing looks through it for garbage.

Python's collector does so a dozen times while modules are imported, and again when the process ends. What user code
makes is collected as ever.
"""

import gc

_is_put_off = False


def put_off() -> None:
    """Collect nothing until :func:`begin` is called."""
    global _is_put_off
    if gc.isenabled():
        gc.disable()
        _is_put_off = True


def begin() -> None:
    """Collect from now on, in what is made from now on; to be called before user code is imported.

    Does nothing in a process that did not put it off: a script of the user's has objects of its own.
    """
    global _is_put_off
    if _is_put_off:
        _is_put_off = False
        gc.freeze()
        gc.enable()
