"""What the suites share: the official client pointed at the twin, the twin's controls, and an office.

The twin to test is named by $TWIN, the line that `cordboard twin serve --json` prints, so that the suites can also be
run by hand: TWIN='{"url":…}' python -m unittest. Nothing of the `twilio` package is replaced but the address it
speaks to.
"""

import json
import os
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

if not os.environ.get("TWIN"):
    raise SystemExit("TWIN is not set: it holds the line that `cordboard twin serve --json` prints")

# Address and credentials: url, account_sid, auth_token, api_key, api_secret, app_sid.
TWIN = json.loads(os.environ["TWIN"])

# No wait is longer, in seconds. Generous, since a busy machine is not a fault of the twin.
LIMIT = 30

CARRIER = "https://api.twilio.com/"


class ToTwin(TwilioHttpClient):
    """The package's own HTTP client, sent to the twin instead of Twilio. No proxy stands before this machine."""

    def __init__(self, **options):
        super().__init__(**options)
        self.session.trust_env = False

    def request(self, method, url, *args, **kwargs):
        assert url.startswith(CARRIER), f"{url} is not an address of api.twilio.com"
        return super().request(method, url.replace(CARRIER, TWIN["url"] + "/", 1), *args, **kwargs)


def client(user=TWIN["account_sid"], password=TWIN["auth_token"]):
    """A client of the twin with the account's token, or with other credentials."""
    return Client(user, password, account_sid=TWIN["account_sid"], http_client=ToTwin(timeout=LIMIT))


API = client()


def control(path, body=None):
    """The twin's control API: a GET, or a POST of `body`. Refusals come back as {"refused": {"code", "why"}}."""
    with requests.Session() as session:
        session.trust_env = False
        url = f"{TWIN['url']}/control/{path}"
        # Longer than the longest wait below, whose answer says what was seen.
        answer = session.request("GET" if body is None else "POST", url, json=body, timeout=2 * LIMIT)
    return answer.json() if answer.ok else {"refused": answer.json()["error"]}


class Case(unittest.TestCase):
    """A suite with an office and a number, and with the words the suites speak."""

    @classmethod
    def setUpClass(cls):
        cls.office = Office()
        cls.line = API.incoming_phone_numbers.create(area_code="206")

    @classmethod
    def tearDownClass(cls):
        cls.office.close()
        forged = [r for r in cls.office.requests if not r["valid"]]
        assert not forged, f"the official validator refused these requests of the twin: {forged}"

    def fault(self, *settings):
        self.assertNotIn("refused", control("fault", {"clear": True, "set": list(settings)}))

    def telephones(self, rows):
        """What the telephones at these numbers do, such as {"+15550001": {"does": "answers", "after": 0}}."""
        control("telephones", [{"number": number, **row} for number, row in rows.items()])

    def until_call(self, sid, *statuses):
        """Waits until a call has one of the statuses, and hands back the call."""
        call = control(f"calls/{sid}/wait?status={','.join(statuses)}&timeout={LIMIT}s")
        there = call["status"] in statuses or ("completed" in statuses and call["end_time"])
        self.assertTrue(there, f"call {sid} should become {statuses}, and is {call}")
        return call

    def call_in(self, caller, settings=None):
        """Somebody calls the line and is in its program; the call's sid."""
        if settings:
            urls = {"voice_url": "", "voice_fallback_url": "", "status_callback": "", "voice_method": "POST", **settings}
            API.incoming_phone_numbers(self.line.sid).update(**urls)
        return control("call", {"from": caller, "to": self.line.phone_number})["call_sid"]

    def refused(self, code, status, act, /, *args, **kwargs):
        """Asserts that the package's own error class carries this code and HTTP status."""
        with self.assertRaises(TwilioRestException) as caught:
            act(*args, **kwargs)
        self.assertEqual((code, status), (caught.exception.code, caught.exception.status), str(caught.exception))

    def gone(self, act, /, *args, **kwargs):
        self.refused(20404, 404, act, *args, **kwargs)


def asked(path, sid, **query):
    """Whether a request is one to `path` about the call, by either method, with these in its address."""

    def is_it(request):
        own = {**request["query"], **request["params"]}
        there = all(request["query"].get(key) == value for key, value in query.items())
        return request["path"] == path and own.get("CallSid") == sid and there

    return is_it


class Office:
    """The customer's web server: every request is checked by the package's validator as it arrives."""

    def __init__(self):
        self.requests = []
        self._answers = {}
        self._news = threading.Condition()
        self._validator = RequestValidator(TWIN["auth_token"])
        office = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                office._serve(self)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(LIMIT)

    def answer(self, path, answer):
        """Sets what a path answers: a VoiceResponse, TwiML, a status code, or a function of the request."""
        self._answers[path] = answer
        return self.url + path

    def until(self, name, wanted):
        """The first request, past or to come, that `wanted` holds for."""
        with self._news:
            found = self._news.wait_for(lambda: next((r for r in self.requests if wanted(r)), None), LIMIT)
            seen = "\n".join(f"{r['method']} {r['url']} {r['params']}" for r in self.requests)
        assert found, f"{name} never came. The office saw:\n{seen or 'nothing'}"
        return found

    def to(self, path):
        """All requests to a path, so far."""
        with self._news:
            return [r for r in self.requests if r["path"] == path]

    def _serve(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0)).decode()
        params = {k: v[0] for k, v in parse_qs(body, keep_blank_values=True).items()}
        url = urlsplit(self.url + request.path)
        signature = request.headers.get("X-Twilio-Signature", "")
        seen = {
            "method": request.command,
            "path": url.path,
            "url": self.url + request.path,
            "query": {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()},
            "params": params,
            "headers": request.headers,
            "signature": signature,
            "token": request.headers.get("I-Twilio-Idempotency-Token"),
            "valid": self._validator.validate(self.url + request.path, params, signature),
        }
        with self._news:
            self.requests.append(seen)
            self._news.notify_all()
        answer = self._answers.get(url.path, "<Response/>")
        if callable(answer) and not hasattr(answer, "to_xml"):
            answer = answer(seen)
        text = b"" if isinstance(answer, int) else str(answer).encode()
        request.send_response(answer if isinstance(answer, int) else 200)
        request.send_header("Content-Type", "text/xml")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)
