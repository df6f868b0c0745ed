import os
import pty
import re
import subprocess
import sys
import termios

from trial_runtime.reporting.progress import bar, epoch_over

PROGRAM = """
from trial_runtime.reporting.progress import bar
print(sum(bar(range(2, 4), total=4, description="epoch 1", per_step=64, first_step=2)))
"""


def test_without_a_terminal_the_iterable_is_returned(capfd):
    items = [1, 2, 3]

    assert bar(items, total=3, description="epoch 1", per_step=64) is items
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_a_bar_is_drawn_on_standard_error():
    primary, secondary = pty.openpty()
    termios.tcsetwinsize(secondary, (24, 80))
    done = subprocess.run([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=secondary, timeout=60)
    os.set_blocking(primary, False)
    drawn = os.read(primary, 65536).decode()
    os.close(secondary)
    os.close(primary)

    assert (done.returncode, done.stdout) == (0, b"5\n")
    assert "epoch 1" in drawn
    assert "128/256" in drawn
    assert re.search(r"\d+:\d\d<.*images/s|\d+:\d\d<\?, \? images/s", drawn)
    assert "=" not in drawn


def test_the_time_that_is_left_is_that_of_the_epochs_that_are_left():
    said = epoch_over(3, 50, 81.24, 1234.5)
    assert said == "epoch 3 of 50: 81.2 s, 1234 images a second in training, about 1:03:38 left"
