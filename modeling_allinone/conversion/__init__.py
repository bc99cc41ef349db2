# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""Checkpoints of the original, and of image and video transformers, to this package and back."""
