"""Runs the steps of a black-box run in order, and counts them.

A step is a function with a docstring that says what it shows; it fails by raising. Steps build on one another, as lines of a
lesson do, so after a failure the later ones still run but may fail for want of it.
"""

import sys
import traceback

_steps = []


def step(function):
    """Registers a step."""
    _steps.append(function)
    return function


def equal(got, want):
    """Raises unless the two are equal."""
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def run(name):
    """Runs all steps and ends the program: status 1 if one of them failed."""
    failed = 0
    for function in _steps:
        try:
            function()
            print(f"  ok      {function.__doc__}")
        except Exception:
            failed += 1
            print(f"  FAILED  {function.__doc__}")
            traceback.print_exc(file=sys.stdout)
    print(f"{name}: {len(_steps) - failed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)
