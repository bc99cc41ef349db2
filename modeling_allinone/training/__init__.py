# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Training: arguments, the set-up of a run, trainers, callbacks, and what keeps a run safe."""
