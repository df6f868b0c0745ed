"""Ask a vulnerability service about every pinned package; fail if it knows of a vulnerability in one.

Where the service does not answer nothing is known: this says so, and does not fail.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
NO_ANSWER = re.compile(r"(Connection|Timeout|Proxy|SSL|HTTP|Service|JSONDecode)Error|Timeout\b")
"""What the last line of pip-audit holds where the service was not reached, or did not do its work."""


def audit(pins: Path, service: str | None) -> int:
    """Return the exit code; see this module."""
    # Not the package index, as pip-audit does otherwise: it passes over a package that the index has no report of.
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service=osv", "--requirement", str(pins)]
    command += ["--no-deps", "--disable-pip", "--format=json", "--desc=off", "--progress-spinner=off"]
    command += [f"--osv-url={service}"] if service else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.startswith("{"):
        reason = (done.stderr.splitlines() or ["it printed nothing"])[-1]
        if NO_ANSWER.search(reason):
            print(f"not audited: the vulnerability service does not answer: {reason}")
            return 0
        print(done.stderr, file=sys.stderr)
        return 1
    packages = json.loads(done.stdout)["dependencies"]
    found = [(package, one) for package in packages for one in package.get("vulns", ())]
    for package, one in found:
        mended = ", ".join(one["fix_versions"]) or "no version"
        print(f"{package['name']} {package['version']}: {one['id']}, mended in {mended}")
    for package in packages:
        if "skip_reason" in package:
            print(f"{package['name']} was not audited: {package['skip_reason']}")
    print(f"{len(packages)} packages, {len(found)} known vulnerabilities")
    return 1 if found else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pins", type=Path, default=CONSTRAINTS, help="what to audit, a name==version a line")
    parser.add_argument("--service", help="the address of an OSV service, in place of the public one")
    options = parser.parse_args()
    sys.exit(audit(options.pins, options.service))
