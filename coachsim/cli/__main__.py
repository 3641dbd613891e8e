"""``python -m coachsim.cli``: the command line where no script is installed."""

import sys

from coachsim.cli import main

sys.exit(main())
