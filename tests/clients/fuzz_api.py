#!/usr/bin/env python3
"""Lets schemathesis loose on the HTTP API, as each role, on a throw-away server beside a throw-away twin.

    pip install schemathesis
    tests/clients/fuzz_api.py target/debug/cordboard 100 admin supervisor operator agent read-only

The second argument is how many examples each operation is tried with. Whoever is signed in is put back as they were
before each sign-in, whatever the fuzz has made of them; passwords, queues and numbers that only a person could know are
fed in, so that not everything is refused for what it says. Rates are raised; they have tests of their own.
Read next: tests/it/people/table.rs.
"""

import base64
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

PASSWORD = "copper lantern fiddle"
NUMBERS = [f"+1415555019{n}" for n in range(8)]


def post(url, body, token=None, address=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    if address:
        headers["x-forwarded-for"] = address
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
    return json.load(urllib.request.urlopen(request))


def somewhere():
    return ".".join(str(random.randint(1, 250)) for _ in range(4))


def ready(args, env, log):
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=open(log, "w"), env=env, text=True)
    return process, json.loads(process.stdout.readline())


def newcomer(name, extension):
    return {"name": name, "email": f"{name.lower()}@example.com", "password": PASSWORD, "extension": extension}


def buy(twin, number):
    url = f"{twin['url'].rstrip('/')}/2010-04-01/Accounts/{twin['account_sid']}/IncomingPhoneNumbers.json"
    request = urllib.request.Request(url, data=urllib.parse.urlencode({"PhoneNumber": number}).encode())
    secret = base64.b64encode(f"{twin['account_sid']}:{twin['auth_token']}".encode()).decode()
    request.add_header("authorization", f"Basic {secret}")
    urllib.request.urlopen(request)


def fuzz(binary, examples, role, folder):
    env = {**os.environ, "XDG_STATE_HOME": folder}
    twin_process, twin = ready([binary, "twin", "serve", "--listen", "127.0.0.1:0", "--json"], env, f"{folder}/twin.log")
    settings = f"{folder}/settings.toml"
    with open(settings, "w") as file:
        file.write('requests_per_minute = 60000\ntrusted_proxies = ["127.0.0.0/8"]\n')
    database = f"{folder}/cordboard.db"
    env.update(
        TWILIO_API_BASE=twin["url"],
        TWILIO_ACCOUNT_SID=twin["account_sid"],
        TWILIO_AUTH_TOKEN=twin["auth_token"],
        TWILIO_API_KEY=twin["api_key"],
        TWILIO_API_SECRET=twin["api_secret"],
        TWILIO_APP_SID=twin["app_sid"],
        DATABASE_URL=f"sqlite:{database}",
    )
    serve = [binary, "serve", "--listen", "127.0.0.1:0", "--json", "--config", settings]
    server_process, server = ready(serve, env, f"{folder}/server.log")
    url = server["url"].rstrip("/")
    ada = post(f"{url}/api/setup", {"code": server["setup_code"], "person": newcomer("Ada", "101")})
    email = "ada@example.com"
    if role != "admin":
        invited = post(f"{url}/api/invitations", {"role": role}, ada["access"])
        post(f"{url}/api/join", {"code": invited["code"], "person": newcomer("Fuzz", "102")})
        email = "fuzz@example.com"
    for number in NUMBERS:
        buy(twin, number)
    with sqlite3.connect(database) as store:
        person, password = store.execute("SELECT id, password FROM people WHERE email = ?", (email,)).fetchone()
    env.update(
        FUZZ=json.dumps([url, database, person, email, role, password]),
        SCHEMATHESIS_HOOKS=os.path.splitext(os.path.basename(__file__))[0],
        PYTHONPATH=os.path.dirname(os.path.abspath(__file__)),
    )
    run = [
        "schemathesis", "run", f"{url}/api/openapi.json", "--url", url, "--max-examples", examples, "--workers", "2",
        "--continue-on-failure", "--phases", "coverage,fuzzing",
        "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]
    try:
        return subprocess.run(run, env=env, cwd=folder).returncode
    finally:
        for process in (server_process, twin_process):
            process.terminate()
            process.wait()


def hooks():
    """What schemathesis loads this file for."""
    import schemathesis

    url, database, person, email, role, password = json.loads(os.environ["FUZZ"])

    @schemathesis.auth(refresh_interval=3)
    class Bearer:
        def get(self, case, context):
            with sqlite3.connect(database, timeout=10) as store:
                sql = "UPDATE people SET email = ?, active = 1, role = ?, password = ? WHERE id = ?"
                store.execute(sql, (email, role, password, person))
            sign_in = {"email": email, "password": PASSWORD, "device": "fuzz"}
            return post(f"{url}/api/login", sign_in, address=somewhere())["access"]

        def set(self, case, data, context):
            case.headers = case.headers or {}
            case.headers["Authorization"] = f"Bearer {data}"
            case.headers["X-Forwarded-For"] = somewhere()

    @schemathesis.hook
    def map_body(context, body):
        operation = context.operation
        if not isinstance(body, dict) or random.random() > 0.7:
            return body
        if operation.path == "/api/me/password" and "current" in body:
            return {**body, "current": PASSWORD}
        if operation.path == "/api/numbers/{number}" and isinstance(body.get("route"), list):
            return {**body, "route": [{"kind": "queue", "queue": "desk"}]}
        return body

    @schemathesis.hook
    def map_path_parameters(context, path_parameters):
        if isinstance(path_parameters, dict) and "number" in path_parameters and random.random() < 0.7:
            return {**path_parameters, "number": random.choice(NUMBERS)}
        return path_parameters


if __name__ == "__main__":
    binary, examples, *roles = sys.argv[1:]
    ended = {}
    for each in roles:
        with tempfile.TemporaryDirectory() as place:
            ended[each] = fuzz(os.path.abspath(binary), examples, each, place)
    print(ended)
    sys.exit(max(ended.values(), default=0))
elif "FUZZ" in os.environ:
    hooks()
