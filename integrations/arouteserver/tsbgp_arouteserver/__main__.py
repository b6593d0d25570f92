"""`python3 -m tsbgp_arouteserver`: as `arouteserver bird`, for ts-bgp."""

import sys

from .command import main

sys.exit(main())
