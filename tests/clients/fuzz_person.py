"""The person in `fuzz_api.py`'s server whom schemathesis signs in as: what it loads as its hooks.

Before each request they are put back as they were, whatever the last one has made of them, and signed in if they are
not. Nine in ten valid requests are told what only somebody there could know (ids, codes, passwords, revisions); the
tenth, and what is not valid, goes out as it was drawn. The luck in it is hypothesis's, so a seed replays as far as the
server's own codes and clock let it.
"""

import datetime
import functools
import itertools
import json
import os
import random
import sqlite3
import time
import unicodedata

import schemathesis
from fuzz_api import NUMBERS, PASSWORD, ask
from hypothesis import strategies

KNOWN = json.loads(os.environ["FUZZ"])
ME, KEEPER, ROLE = KNOWN["me"], KNOWN["keeper"], KNOWN["role"]
ANSWERS = open(KNOWN["answers"], "a", buffering=1)
STORE = sqlite3.connect(KNOWN["database"], timeout=30, isolation_level=None, check_same_thread=False)
#: What a person says there, and no more: where a description takes any field, and where a role may change only some.
ONLY = {"/api/commands": {"id", "seen", "dry_run", "do", "call", "intent", "to", "busy", "slot", "note"}}
if ROLE != "admin":
    ONLY["/api/people/{id}"] = {"rev", "name", "fallback", "languages"}
#: Where the things stand whose revisions are asked for.
REVS = {
    "people": "SELECT rev FROM people WHERE 'u' || id = ?",
    "groups": "SELECT rev FROM groups WHERE id = ?",
    "slots": "SELECT rev FROM slots WHERE id = ?",
    "queues": "SELECT rev FROM queues WHERE id = ?",
    "numbers": "SELECT rev FROM numbers WHERE number = ?",
    "desk": "SELECT CAST(value AS INTEGER) FROM settings WHERE key = 'rev'",
}
REGISTRATION = {"open": True, "domains": ["example.com"]}

fresh = itertools.count(200_000)
tokens = {}


def column(sql, *values):
    return [row[0] for row in STORE.execute(sql, values)]


def rev_of(what, *which):
    return next(iter(column(REVS[what], *which)), 0)


def sign_in(who):
    """The tokens of a sign-in that goes on."""
    since, held = tokens.get(who, (0, None))
    over = held is None or time.monotonic() - since > 300
    if over or not column("SELECT 1 FROM sessions WHERE id = ? AND ended_at IS NULL", held["session"]):
        email = column("SELECT email FROM people WHERE 'u' || id = ?", who)[0]
        held = ask("POST", f"{KNOWN['url']}/api/login", {"email": email, "password": PASSWORD, "device": "fuzz"})
        tokens[who] = time.monotonic(), held
    return held


def call(who, method, path, body):
    return ask(method, f"{KNOWN['url']}/api/{path}", body, authorization=f"Bearer {sign_in(who)['access']}")


def account():
    sql = "SELECT role, active, email, extension, grants, password FROM people WHERE 'u' || id = ?"
    return STORE.execute(sql, (ME,)).fetchone()


WAS = account()


def put_back():
    """Makes of the person and the house what they have to be for the next request."""
    role, active, email, extension, _, password = WAS
    is_now = account()
    if is_now[:-1] != WAS[:-1]:
        they = {"role": role, "active": bool(active), "email": email, "extension": extension, "grants": []}
        call(KEEPER, "PATCH", f"people/{ME}", {"rev": rev_of("people", ME), **they})
    if is_now[-1] != password:
        STORE.execute("UPDATE people SET password = ? WHERE 'u' || id = ?", (password, ME))
    if [json.loads(v) for v in column("SELECT value FROM settings WHERE key = 'registration'")] != [REGISTRATION]:
        call(KEEPER, "PATCH", "desk", {"rev": rev_of("desk"), "registration": REGISTRATION})
    if not rev_of("groups", "front"):
        call(KEEPER, "PUT", "groups/front", {"name": "Front", "members": [ME]})
    if not rev_of("numbers", NUMBERS[0]):
        call(KEEPER, "PUT", f"numbers/{NUMBERS[0]}", {"route": [{"kind": "queue", "queue": "desk"}]})


def pairing(named=True, let_in=True):
    """A pairing with the person's console, as far along as that."""
    made = call(ME, "POST", "pairings", {})
    page = ask("POST", f"{KNOWN['url']}/api/pairings/claim", {"code": made["code"]}) if named else {}
    if let_in:
        call(ME, "POST", f"pairings/{made['id']}/confirm", {})
    return {**made, **page}


def calls():
    """The calls that are not over. Where there are few, somebody rings."""
    for _ in range(100):
        live = column("SELECT id FROM calls WHERE live ORDER BY arrived")
        if len(live) >= 3:
            return live
        ask("POST", f"{KNOWN['twin']}/control/call", {"from": "+14155550132", "to": NUMBERS[0]})
        time.sleep(0.1)
    raise TimeoutError("nobody could ring")


class Told:
    """A case, told what a person there would say. Its methods are named like the fields that they fill in."""

    def __init__(self, case, luck):
        self.case, self.luck, self.path = case, luck, case.operation.path
        self.what = self.path.split("/")[2]

    @functools.cached_property
    def call_id(self):
        return self.luck.choice(calls())

    def tell(self):
        case = self.case
        for name, drawn in sorted((case.path_parameters or {}).items()):
            case.path_parameters[name] = getattr(self, f"path_{name}")(drawn)
        case.query = {k: getattr(self, f"query_{k}", lambda v: v)(v) for k, v in (case.query or {}).items()}
        if isinstance(case.body, dict):
            edit = self.what in REVS and self.path.count("/") < 4
            body = {"rev": 0, **case.body} if edit else case.body
            case.body = self.filled({k: v for k, v in body.items() if k in ONLY.get(self.path, body)})
        return case

    def filled(self, value):
        if isinstance(value, list):
            return [self.filled(v) for v in value]
        if isinstance(value, dict):
            return {k: v if v is None else getattr(self, f"body_{k}", self.filled)(v) for k, v in value.items()}
        return value

    def one_of(self, drawn, sql, *values):
        known = column(sql, *values)
        return self.luck.choice(known) if known else drawn

    def some_of(self, drawn, sql):
        known = column(sql)
        return self.luck.sample(known, min(len(known), len(drawn), 8))

    # In the path.

    def path_id(self, drawn):
        if self.what == "people":
            others = "SELECT 'u' || id FROM people WHERE 'u' || id <> ? AND active"
            oneself = 0.5 if ROLE == "admin" else 0.8
            return ME if self.luck.random() < oneself else self.one_of(ME, others, KEEPER)
        if self.what == "pairings":
            return pairing(named=self.luck.random() < 0.8, let_in=False)["id"]
        if self.what == "invitations":
            return call(KEEPER, "POST", "invitations", {"role": "agent"})["invitation"]["id"]
        if self.what == "calls":
            return self.call_id
        if self.case.operation.method == "put" and self.what != "queues" and self.luck.random() < 0.5:
            return drawn
        return self.one_of(drawn, f"SELECT id FROM {self.what}")

    def path_session(self, drawn):
        id = self.case.path_parameters["id"]
        return self.one_of(drawn, "SELECT id FROM sessions WHERE 'u' || person = ? AND ended_at IS NULL", id)

    def path_number(self, drawn):
        mine = self.one_of(drawn, "SELECT number FROM numbers")
        return mine if self.case.operation.method == "delete" else self.luck.choice(NUMBERS)

    # Behind the `?`.

    def query_rev(self, drawn):
        return rev_of(self.what, *self.case.path_parameters.values())

    def query_id(self, drawn):
        return self.one_of(drawn, "SELECT id FROM commands WHERE 'u' || actor = ?", ME)

    def query_wait(self, drawn):
        return int(drawn) % 300

    # In the body.

    body_rev = query_rev

    def body_name(self, drawn):
        letters = [c for c in unicodedata.normalize("NFC", drawn) if unicodedata.category(c) in ("Lu", "Ll", "Nd")]
        return "".join(letters)[:30] or "Grace"

    def body_email(self, drawn):
        if self.path == "/api/login":
            return WAS[2]
        return f"{next(fresh)}{drawn.split('@')[0][:50].rstrip('.')}@example.com"

    def body_extension(self, drawn):
        return str(next(fresh))

    def body_password(self, drawn):
        return PASSWORD if self.path == "/api/login" else f"{PASSWORD} {drawn}"[:120]

    def body_current(self, drawn):
        return PASSWORD

    def body_refresh(self, drawn):
        return sign_in(ME)["refresh"]

    def body_code(self, drawn):
        if self.path == "/api/pairings/claim":
            return pairing(named=False, let_in=False)["code"]
        if self.path == "/api/password/reset":
            return call(KEEPER, "POST", f"people/{ME}/reset", {})["code"]
        return call(KEEPER, "POST", "invitations", {"role": ROLE})["code"]

    def body_device_code(self, drawn):
        return pairing(let_in=self.luck.random() < 0.9)["device_code"]

    def body_groups(self, drawn):
        return self.some_of(drawn, "SELECT id FROM groups")

    def body_members(self, drawn):
        return self.some_of(drawn, "SELECT 'u' || id FROM people WHERE active")

    body_second = body_members

    def body_users(self, drawn):
        return self.body_members(drawn) or [ME]

    def body_group(self, drawn):
        return self.one_of(drawn, "SELECT id FROM groups")

    def body_queue(self, drawn):
        return self.one_of(drawn, "SELECT id FROM queues")

    def body_seconds(self, drawn):
        return 5 + int(drawn) % 3596

    def body_route(self, drawn):
        ringing = [stop for stop in drawn if stop["kind"] != "queue"]
        return self.filled([*ringing[:7], {"kind": "queue", "queue": "desk"}])

    def body_domains(self, drawn):
        return ["example.com", *(f"{n}.example.com" for n in range(len(drawn)))]

    def body_back_at(self, drawn):
        soon = datetime.timedelta(seconds=self.luck.randrange(60, 31_000_000))
        return (datetime.datetime.now(datetime.timezone.utc) + soon).isoformat()

    def body_id(self, drawn):
        return f"{next(fresh)}{drawn}"[:64]

    def body_call(self, drawn):
        return self.call_id

    def body_seen(self, drawn):
        return self.one_of(drawn, "SELECT rev FROM calls WHERE id = ?", self.call_id)

    def body_slot(self, drawn):
        return self.one_of(drawn, "SELECT id FROM slots")

    def body_to(self, drawn):
        if self.case.body.get("do") == "dial":
            return "+14155550142"
        return self.one_of(drawn, "SELECT 'u' || id FROM people WHERE active")


def told(case, luck):
    if case.meta.generation.mode.is_positive and luck.random() < 0.9:
        return Told(case, luck).tell()
    return case


@schemathesis.hook
def filter_case(context, case):
    """Whoever keeps the house is left in peace."""
    return case.method == "GET" or (case.path_parameters or {}).get("id") != KEEPER


@schemathesis.hook
def flatmap_case(context, case):
    put_back()
    return strategies.randoms(use_true_random=True).map(functools.partial(told, case))


@schemathesis.hook
def before_call(context, case, kwargs):
    put_back()
    if case.meta.phase.name == "coverage":
        # Listed, and not drawn: hypothesis has no part in these.
        told(case, random.Random(next(fresh)))
    case.headers = {**(case.headers or {}), "Authorization": f"Bearer {sign_in(ME)['access']}"}
    case.headers["X-Forwarded-For"] = ".".join(str(b) for b in (next(fresh) + (10 << 24)).to_bytes(4, "big"))


@schemathesis.hook
def after_call(context, case, response):
    detail = response.json().get("detail", "") if response.status_code >= 400 and response.content else ""
    asked = f"{response.request.method} {case.operation.path}"
    print(json.dumps([asked, response.status_code, detail]), file=ANSWERS)
