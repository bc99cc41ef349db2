"""What tests of models share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _no_gradients(request):
    """Gradients only where a test is marked with `grad`."""
    with torch.set_grad_enabled(request.node.get_closest_marker("grad") is not None):
        yield
