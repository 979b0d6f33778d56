"""`up` as a user starts it: from an empty home, with an address and a password to read."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import psutil

from tests.process.site import MANAGE, wait_for


class Up:
    """A running `up`, its output and its pages; the block's end kills what is left."""

    def __init__(
        self,
        home: Path,
        *options: str,
        program: Sequence[str] = MANAGE,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.output = home / f"up-{time.monotonic_ns()}.log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error",
            **(environment or {}),
        }
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*program, "up", "--port=0", *options],
                cwd=home,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> "Up":
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()
        self.process.wait()
        for process in self.family():
            with suppress(psutil.NoSuchProcess):  # it ends with its parent
                process.kill()

    def text(self) -> str:
        return self.output.read_text()

    def wait_until_ready(self) -> "Up":
        def is_ready() -> bool:
            assert self.process.poll() is None, self.text()
            return "\nOpen http" in self.text()

        wait_for(is_ready, 60, "the address is printed")
        return self

    @property
    def port(self) -> int:
        return int(self._printed(r"Open http://[\w.-]+:(\d+)/admin/"))

    @property
    def name(self) -> str:
        """The host in the address."""
        return self._printed(r"Open http://([\w.-]+):\d+/admin/")

    @property
    def password(self) -> str:
        return self._printed(r"First admin: admin, password (\S+)")

    def _printed(self, pattern: str) -> str:
        found = re.search(pattern, self.text())
        assert found, self.text()
        return found[1]

    def get(self, path: str, opener: OpenerDirector | None = None) -> str:
        with (opener or build_opener()).open(self.url(path), timeout=30) as answer:
            return answer.read().decode()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def log_in(self) -> OpenerDirector:
        """A logged-in browser, for `get`."""
        opener = build_opener(HTTPCookieProcessor(CookieJar()))
        page = self.get("/admin/login/", opener)
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        form = {"username": "admin", "password": self.password, "csrfmiddlewaretoken": token}
        with opener.open(self.url("/admin/login/"), urlencode(form).encode(), timeout=30) as answer:
            assert answer.url == self.url("/admin/")
        return opener

    def family(self) -> list[psutil.Process]:
        """Every other process with our home in its environment, also one that was detached."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid == self.process.pid or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.environ().get("HOME") == str(self.home):
                    found.append(process)
            except (psutil.AccessDenied, psutil.NoSuchProcess):
                continue
        return found

    def workers(self) -> list[psutil.Process]:
        return [process for process in self.family() if "process_jobs" in process.cmdline()]

    def stop(self, number: signal.Signals) -> float:
        """Send a signal and wait for the end; returns the seconds that it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(60) == 0, self.text()
        return time.monotonic() - started
