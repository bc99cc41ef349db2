# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""What travels to the Hub: configuration, models with their heads and losses, and the processor that reads video."""
