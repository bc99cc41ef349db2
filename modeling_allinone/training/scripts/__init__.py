# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""The scripts of `examples/` that the command `allinone` runs, too: each reads from top to bottom."""
