# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Runs `modeling_allinone.training.scripts.pretrain`, where it is described; `--help` lists the options."""

import sys

from modeling_allinone.training.scripts.pretrain import main

if __name__ == "__main__":
    sys.exit(main())
