"""A page as a browser sees it: Debian's chromium, without a window, and what a script in the page finds there."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")

#: Says what was found in the page's title, which the dump of the document shows.
_LOOK = """
<script>
window.addEventListener("load", () => {
  document.title = "FOUND" + JSON.stringify({
    pictures: [...document.images].map(image => image.naturalWidth),
    width: document.documentElement.scrollWidth,
    window: window.innerWidth,
    text: document.body.innerText,
    requests: performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !/^data:/.test(name)),
  });
});
</script>
"""


_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")


def looked_at(page: Path, scratch: Path, *, width: int = 1280) -> dict[str, Any]:
    """What a page shows: widths of its pictures, of itself and of its window, its text, and what it fetches."""
    copy = scratch / "looked-at.html"
    copy.write_text(page.read_text().replace("</body>", _LOOK + "</body>"))
    command = [
        str(CHROMIUM), *_OPTIONS, f"--window-size={width},900", f"--user-data-dir={scratch / 'profile'}",
        "--virtual-time-budget=1000", "--dump-dom", copy.as_uri(),
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    match = re.search(r"<title>FOUND(.*?)</title>", ended.stdout, re.DOTALL)
    if match is None:
        raise AssertionError(f"chromium ended with code {ended.returncode}: {ended.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(html.unescape(match[1]))
    return found


def times_asked_for(page: Path, scratch: Path, seconds: float) -> int:
    """How often the browser asks a server on this machine for a page, at most three times, within some seconds."""
    text, asked = page.read_bytes(), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            if self.path == "/page.html":
                asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text if self.path == "/page.html" else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/page.html"
        command = [str(CHROMIUM), *_OPTIONS, f"--user-data-dir={scratch / 'profile'}", "--remote-debugging-port=0"]
        process = subprocess.Popen([*command, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + seconds
        try:
            while len(asked) < 3 and time.monotonic() < deadline:
                time.sleep(0.1)
        finally:
            process.terminate()
            process.wait(30)
            server.shutdown()
    return len(asked)
