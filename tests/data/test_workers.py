# Copyright 2026 The modeling_allinone authors.
# Licensed under the Apache License, Version 2.0.
import os
import signal
import sys
import time
from multiprocessing import active_children
from multiprocessing.connection import wait

import pytest
from torch.utils.data import DataLoader

from modeling_allinone.data.workers import DeathNotices

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGCHLD")


@pytest.mark.parametrize("are_heard", [True, False])
def test_notice_of_a_death_does_not_come_while_another_error_is_dealt_with(are_heard):
    before, notice = signal.getsignal(signal.SIGCHLD), None
    with DeathNotices() as notices:
        batches = iter(DataLoader(range(8), num_workers=1))
        (worker,) = active_children()
        try:
            raise ConnectionResetError("a batch broke off")
        except ConnectionResetError:
            notices.are_heard = are_heard
            try:
                os.kill(worker.pid, signal.SIGKILL)
                assert wait([worker.sentinel], timeout=60)
                for _ in range(20):  # signals come to Python between its own instructions
                    time.sleep(0.01)
            except RuntimeError as error:
                notice = error
        del batches
    assert ("is killed by signal: Killed" in str(notice)) == are_heard
    if callable(before):
        assert signal.getsignal(signal.SIGCHLD) is before
