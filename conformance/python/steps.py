"""Runs the steps of a black-box run in order, and counts them.

A step is a function with a docstring that says what it shows; it fails by raising. Steps build on one another, as lines of a
lesson do, so after a failure the later ones still run but may fail for want of it.
"""

import sys
import time
import traceback

from botocore.exceptions import ClientError

_steps = []


def step(function):
    """Registers a step."""
    _steps.append(function)
    return function


def equal(got, want):
    """Raises unless the two are equal."""
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def refused(code, function, **arguments):
    """Expects the call to be refused with the code, and returns the error's response."""
    try:
        function(**arguments)
    except ClientError as e:
        equal(e.response['Error']['Code'], code)
        return e.response
    raise AssertionError(f'no {code}')


def wait(what, done):
    """Waits until done() is true, which it returns, for half a minute at most."""
    for _ in range(600):
        result = done()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f'{what}: not after half a minute')


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
