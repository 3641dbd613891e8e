"""The command line, ``coachsim``: what it takes is in ``command``; longer commands have a module of their own."""

from coachsim.cli.command import main

__all__ = ["main"]
