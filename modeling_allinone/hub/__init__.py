# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What goes with a model to the Hub: its card, and its code."""
