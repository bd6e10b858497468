import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_example_trains_and_counts_without_an_agent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "train_numpy.py"), "--steps", "300", "--batch", "128"],
        env=os.environ | {"WATTLINE_JOB_SOCKET": str(tmp_path / "none.sock")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()[1], done.stdout.splitlines()[-2]
    assert last.startswith("done: 300 steps, 38400 tokens counted, loss ")
    assert float(last.rpartition(" ")[2]) < float(first.rpartition(" ")[2])


def test_every_example_is_in_the_index() -> None:
    index = (EXAMPLES / "README.md").read_text()
    for example in EXAMPLES.glob("*.py"):
        assert f"({example.name})" in index
