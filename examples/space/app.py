# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
"""
A Space of the Hub: the page of `allinone demo`, for the model that MODEL names, and the index that INDEX names.

On a machine of your own:

    MODEL=outputs/quickstart/model-token_roll python examples/space/app.py
"""

import os
import sys

from modeling_allinone.cli.app import main

if __name__ == "__main__":
    arguments = ["demo", "--host", "0.0.0.0", "--port", os.environ.get("PORT", "7860")]
    for name in ("MODEL", "INDEX", "EXAMPLES"):
        if os.environ.get(name):
            arguments += [f"--{name.lower()}", os.environ[name]]
    sys.exit(main([*arguments, *sys.argv[1:]]))
