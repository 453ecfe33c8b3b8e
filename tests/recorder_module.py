"""The recorder as a module and as processes: it is a file of its own, outside the package."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, TracebackType

PATH = Path(__file__).parents[1] / "traces" / "record_jetson.py"
TINY = ["--width", "32", "--mlp-width", "64", "--heads", "2", "--blocks", "4", "--patch", "16", "--image", "32"]


def load() -> ModuleType:
    """Return the recorder, with torch loaded into it."""
    spec = importlib.util.spec_from_file_location("record_jetson", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["record_jetson"] = module
    spec.loader.exec_module(module)
    return module


class Program:
    """A running recorder, whose messages are collected; killed at the end whatever happens."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, str(PATH), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.append(line)

    @property
    def messages(self) -> str:
        """What it has said so far."""
        return "".join(self._lines)

    def wait_for(self, pattern: str, seconds: float = 120.0) -> re.Match[str]:
        """Wait until it says something; fail when it ends or time runs out first."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            ended = self.process.poll() is not None
            if ended:
                self._reader.join(5)
            found = re.search(pattern, self.messages)
            if found:
                return found
            if ended:
                break
            time.sleep(0.05)
        raise AssertionError(f"never said {pattern!r}; it said: {self.messages}")

    def exit_code(self, seconds: float = 120.0) -> int:
        """Wait for its end."""
        code = self.process.wait(seconds)
        self._reader.join(5)
        return code

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def worker(*arguments: object) -> tuple[Program, str]:
    """Start a worker on a free port; return it and its address."""
    program = Program("--serve", 0, "--bind", "127.0.0.1", "--device", "cpu", "--threads", 1, *arguments)
    try:
        port = program.wait_for(r"waiting on port (\d+)")[1]
    except BaseException:
        program.__exit__(None, None, None)
        raise
    return program, f"127.0.0.1:{port}"
