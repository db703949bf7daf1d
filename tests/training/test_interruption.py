"""Ctrl-C and SIGTERM are remembered, and afterwards mean what they meant before."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from smartbkg.training.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered_while_entered_and_handled_as_before_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        assert not interruption.is_wanted
        os.kill(os.getpid(), number)
        assert interruption.is_wanted
    assert signal.getsignal(number) is before


def test_handlers_are_restored_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="stop"), Interruption():
        raise ValueError("stop")
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_leaves_the_handlers_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with Interruption():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
