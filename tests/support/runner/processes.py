"""Commands with a log, a time limit and live progress, of which nothing stays behind."""

import ctypes
import os
import pathlib
import signal
import subprocess
import threading
import time

_PR_SET_CHILD_SUBREAPER = 36


class Expired(Exception):
    """The time for a command was over; it was ended."""


def adopt_orphans():
    """From now on a process whose parent dies becomes ours, so that leftovers() finds it."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(command, log, deadline=None, on_line=None, cwd=None, env=None):
    """Runs a command to its end, its output in the file `log`; returns the exit code.

    `on_line` sees each line as it comes, on a thread of its own. At `deadline` (time.monotonic) the command is ended:
    Expired.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                               cwd=cwd, env=env, text=True, errors="replace", start_new_session=True)
    reader = threading.Thread(target=_read, args=(process.stdout, log, on_line), daemon=True)
    reader.start()
    try:
        process.wait(max(0.0, deadline - time.monotonic()) if deadline else None)
    except subprocess.TimeoutExpired:
        raise Expired from None
    finally:
        _end_group(process)
        # A process that left the group may hold the pipe open; leftovers() finds it.
        reader.join(5)
    return process.returncode


def _read(pipe, log, on_line):
    with pipe, open(log, "w", encoding="utf-8", errors="replace") as out:
        for line in pipe:
            out.write(line)
            out.flush()
            if on_line:
                on_line(line.rstrip("\n"))


def _end_group(process):
    """Asks the command's process group to end, if it still runs, and makes it so after ten seconds."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _children():
    """Process id -> command line of every child of this process that still runs; collects those that ended."""
    found = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) != os.getpid():
                continue
            pid = int(stat.parent.name)
            if fields[0] == "Z":
                os.waitpid(pid, os.WNOHANG)
            else:
                words = (stat.parent / "cmdline").read_bytes().split(b"\0")
                found[pid] = b" ".join(words).decode(errors="replace").strip()
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
    return found


def leftovers():
    """Ends every process that commands left behind; returns their command lines."""
    # What is ending anyhow, such as a server whose test just closed its pipe, gets a moment.
    patience = time.monotonic() + 3
    while _children() and time.monotonic() < patience:
        time.sleep(0.1)
    named = []
    while children := _children():
        for pid, command in children.items():
            named.append(command)
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                pass
    return named
