# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What a model is worth: retrieval in two stages, answers, choices without training."""
