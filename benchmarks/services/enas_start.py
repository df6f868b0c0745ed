"""How the ENAS service starts, beside what Katib's has imported before it can; prints Markdown.

    python -m venv .venv-katib-enas
    .venv-katib-enas/bin/pip install tensorflow-cpu==2.16.1 grpcio grpcio-health-checking
    python -m benchmarks.services.enas_start .venv-katib-enas/bin/python [--times 7]

Katib's own service is on no package index. It cannot serve before it has imported TensorFlow 2.16.1 with Keras and
gRPC: that alone is measured, in turn with ours up to SERVING, so that other work on the machine bears on both.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

KATIBS = "import grpc, grpc_health.v1.health, tensorflow; tensorflow.keras.layers.LSTMCell; print(); input()"
ENVIRONMENT = os.environ | {"MALLOC_ARENA_MAX": "2", "TF_CPP_MIN_LOG_LEVEL": "2"}


def measured(process: subprocess.Popen[str], began_s: float) -> tuple[float, float, float, float]:
    """Seconds that have passed and of a processor, MiB resident and anonymous; the process is ended."""
    passed_s = time.monotonic() - began_s
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    processor_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    status = Path(f"/proc/{process.pid}/status").read_text()
    resident, anonymous = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024 for name in ("VmRSS", "RssAnon"))
    process.kill()
    process.communicate()
    return passed_s, processor_s, resident, anonymous


def katibs_imports(python: Path) -> tuple[float, ...]:
    """Measure them in an interpreter that has Katib's TensorFlow."""
    began_s = time.monotonic()
    pipe = subprocess.PIPE
    process = subprocess.Popen([python, "-c", KATIBS], stdin=pipe, stdout=pipe, text=True, env=ENVIRONMENT)
    assert process.stdout is not None
    process.stdout.readline()
    return measured(process, began_s)


def our_service() -> tuple[float, ...]:
    """Measure it up to SERVING."""
    with tempfile.TemporaryFile("w+") as log:
        began_s = time.monotonic()
        command = [sys.executable, "-m", "enas_service", "--port", "0"]
        process = subprocess.Popen(command, stderr=log, text=True, env=ENVIRONMENT)
        while not os.pread(log.fileno(), 10_000, 0).rstrip().endswith(b" serving"):
            assert process.poll() is None
            time.sleep(0.01)
        return measured(process, began_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path, help="an interpreter that has Katib's TensorFlow")
    parser.add_argument("--times", type=int, default=7)
    arguments = parser.parse_args()
    pairs = [(katibs_imports(arguments.python), our_service()) for _ in range(arguments.times + 1)]
    # The first reads files from the disk.
    both = zip(*pairs[1:], strict=True)
    katibs, ours = ([statistics.median(values) for values in zip(*figures, strict=True)] for figures in both)
    print("| | seconds | of a processor | MiB resident | anonymous |\n|---|---|---|---|---|")
    for name, figures in (("Katib's imports", katibs), ("our service, SERVING", ours)):
        print(f"| {name} | {figures[0]:.2f} | {figures[1]:.2f} | {figures[2]:.0f} | {figures[3]:.0f} |")
    ratios = [mine / theirs for mine, theirs in zip(ours, katibs, strict=True)]
    print(f"| ratio | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |")


if __name__ == "__main__":
    main()
