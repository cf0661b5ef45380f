"""What the tests share: a server that answers what it is told to."""

import http.server
import json
import threading


def raises(kind, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


class Fake:
    """A server of the standard library that answers what it is told to, and remembers what it was asked."""

    def __init__(self, answer, idle=None):
        fake = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # So long an idle connection is kept.
            timeout = idle

            def do_GET(self):
                fake.requests.append((self.path, dict(self.headers)))
                status, headers, body = answer(len(fake.requests))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(body)))
                # Less than was promised is a cut: the connection ends with it.
                self.close_connection = int(headers.get("Content-Length", len(body))) > len(body)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.do_GET()

            do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def problem(status):
    return json.dumps({"type": "about:blank", "title": "t", "status": status, "detail": "d"}).encode()


def health():
    return 200, {"Content-Type": "application/json"}, b'{"status": "healthy", "from_a_newer_server": [1]}'
