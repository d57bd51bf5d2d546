"""A process that behaves as a test says: stands in for node, router and edge in the supervisor's
own tests (the real ones are driven in tests/system).

    python fake_role.py ADDRESS_FILE LIFELINE_FD [BEHAVIOUR]

It serves /readyz on a port that it writes to ADDRESS_FILE. Behaviours: `good` leaves on SIGTERM and
at the lifeline's end, `stubborn` ignores SIGTERM, `refuse` exits at once with the code of a process
that will never start, `crash` exits at once with 1.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def main() -> None:
    address_file, lifeline_fd, behaviour = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if behaviour in ("refuse", "crash"):
        print(f"fake: cannot run because the test says {behaviour}", file=sys.stderr)
        sys.exit(5 if behaviour == "refuse" else 1)
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def follow_lifeline() -> None:
        os.read(lifeline_fd, 1)
        os._exit(0)

    threading.Thread(target=follow_lifeline, daemon=True).start()
    server = HTTPServer(("127.0.0.1", 0), Ready)
    part = address_file.with_suffix(".part")
    part.write_text(f"{os.getpid()} http://127.0.0.1:{server.server_port}")
    part.replace(address_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
