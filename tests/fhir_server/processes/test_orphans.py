"""Workers whose supervisor was killed: they have the ports, and must not keep them for long."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.fhir_server.faults.server_process import wait_until_ended

_SUPERVISOR = """
import multiprocessing, os, signal, threading, time
from fhir_server.processes import workers

def stubborn(seconds):
    workers._ORPHAN_SECONDS = seconds
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=workers._end_after_supervisor, daemon=True).start()
    print(os.getpid(), flush=True)
    time.sleep(600)

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=stubborn, args=(0.2,))
    child.start()
    child.join()
"""


def test_a_worker_whose_supervisor_is_gone_already_ends_at_once() -> None:
    """The supervisor was killed while the worker was being made: the kernel tells nobody of it any more."""
    program = "from fhir_server.processes.parent_death import end_with_parent as end; end({}); print('lives')"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    for parent, code, printed in ((2**22 - 1, -signal.SIGTERM, b""), (os.getpid(), 0, b"lives\n")):
        ended = subprocess.run(
            [sys.executable, "-c", program.format(parent)],
            stdout=subprocess.PIPE,
            env=environment,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (code, printed)


def test_a_worker_that_does_not_end_is_ended(tmp_path: Path) -> None:
    """One that hangs, as its database is away, ends all the same when nobody is there to kill it."""
    program = tmp_path / "supervisor.py"
    program.write_text(_SUPERVISOR)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    supervisor = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, env=environment)
    assert supervisor.stdout is not None
    with supervisor.stdout:
        worker = int(supervisor.stdout.readline())
        os.kill(worker, signal.SIGTERM)  # which it does not hear
        os.kill(worker, 0)
        supervisor.kill()
        supervisor.wait()
        wait_until_ended(worker)
