# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""`python -m modeling_allinone` is the command `allinone`, also below `torchrun -m` and `accelerate launch -m`."""

import sys

from .cli.app import main

if __name__ == "__main__":
    sys.exit(main())
