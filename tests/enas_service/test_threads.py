"""The service computes in one thread: its matrices are small, and a pod may have half a core."""

import os
import subprocess
import sys

PROGRAM = """
import argparse

import threadpoolctl

from enas_service import __main__ as service
from enas_service.limits import EnasLimits
from katib_suggestion.serving import server

parser = argparse.ArgumentParser()
server.add_arguments(parser, EnasLimits)
service._add_arguments(parser)
service._load(parser.parse_args([]))
print(*(pool["num_threads"] for pool in threadpoolctl.threadpool_info()))
"""


def test_numpy_keeps_no_other_core_busy():
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, timeout=60)
    assert set(done.stdout.split()) == {"1"}, done.stderr
