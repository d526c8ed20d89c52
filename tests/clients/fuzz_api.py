#!/usr/bin/env python3
"""Lets schemathesis loose on the HTTP API, as each role, on a throw-away server beside a throw-away twin.

    pip install schemathesis
    tests/clients/fuzz_api.py target/debug/cordboard
    tests/clients/fuzz_api.py target/debug/cordboard --examples 200 --seed 7 agent read-only

Each role is fuzzed twice: with everything that the description allows and forbids, then at more length with what it
allows. What only a person could know is fed in, so that not everything is refused for what it says. Request rates are
raised; they have tests of their own.

It fails where schemathesis finds something (a 5xx, an answer that is not described so), and where more than half of
what an operation was asked is refused for what it says (400, 413, 415, 422, and a 404 whose path nothing could have).
The invalid cases that schemathesis lists are as many however few the examples, so fewer than the default do not do.
Read next: fuzz_person.py (what is fed in), tests/it/people/table.rs (who may what).
"""

import argparse
import base64
import collections
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

ROLES = ["admin", "supervisor", "operator", "agent", "read-only"]
PASSWORD = "copper lantern fiddle"
NUMBERS = [f"+1415555019{n}" for n in range(8)]
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
OPTIONS = ["--continue-on-failure", "--suppress-health-check=all", "--warnings=off", "--generation-database=none"]
#: Refused for what the request says.
REFUSED = {400, 413, 415, 422}
#: Refused for who asks, or how often.
APART = {401, 403, 429}


def ask(method, url, body, **headers):
    """Sends a body as JSON, or as the form that it is already, and reads the JSON that comes back."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "application/x-www-form-urlencoded" if isinstance(body, bytes) else "application/json"
    request = urllib.request.Request(url, data, {"content-type": kind, **headers}, method=method)
    return json.load(urllib.request.urlopen(request, timeout=60))


def start(command, env, log):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log.open("w"), env=env, text=True)
    return process, json.loads(process.stdout.readline())


def newcomer(name, extension):
    return {"name": name, "email": f"{name.lower()}@example.com", "password": PASSWORD, "extension": extension}


def furnish(url, setup_code, role, twin):
    """Sets the server up: Ada keeps it, and Fuzz, who has the role, is whom schemathesis signs in as."""
    ada = ask("POST", f"{url}/api/setup", {"code": setup_code, "person": newcomer("Ada", "101")})
    bearer = {"authorization": f"Bearer {ada['access']}"}
    code = ask("POST", f"{url}/api/invitations", {"role": role}, **bearer)["code"]
    fuzz = ask("POST", f"{url}/api/join", {"code": code, "person": newcomer("Fuzz", "102")})
    account = base64.b64encode(f"{twin['account_sid']}:{twin['auth_token']}".encode()).decode()
    for number in NUMBERS:
        bought = urllib.parse.urlencode({"PhoneNumber": number}).encode()
        resource = f"2010-04-01/Accounts/{twin['account_sid']}/IncomingPhoneNumbers.json"
        ask("POST", f"{twin['url'].rstrip('/')}/{resource}", bought, authorization=f"Basic {account}")
    # So that a call can be sent to her.
    ask("PATCH", f"{url}/api/people/{ada['me']['id']}", {"rev": 1, "fallback": "+14155550150"}, **bearer)
    return ada["me"]["id"], fuzz["me"]["id"]


def schemathesis(url, env, folder, *options):
    run = ["schemathesis", "run", f"{url}/api/openapi.json", "--url", url, "--checks", ",".join(CHECKS)]
    return subprocess.run([*run, *OPTIONS, *options], env=env, cwd=folder).returncode == 0


def fuzz(binary, role, examples, seed, folder):
    """Whether schemathesis was content, and every answer: operation, status, and what a problem says."""
    env = {**os.environ, "XDG_STATE_HOME": str(folder)}
    listen = ["--listen", "127.0.0.1:0", "--json"]
    twin_process, twin = start([binary, "twin", "serve", *listen], env, folder / "twin.log")
    settings, database, answers = folder / "settings.toml", folder / "cordboard.db", folder / "answers"
    settings.write_text('requests_per_minute = 60000\ntrusted_proxies = ["127.0.0.0/8"]\n')
    for name in ["account_sid", "auth_token", "api_key", "api_secret", "app_sid"]:
        env[f"TWILIO_{name.upper()}"] = twin[name]
    env.update(TWILIO_API_BASE=twin["url"], DATABASE_URL=f"sqlite:{database}")
    server_process, server = start([binary, "serve", *listen, "--config", settings], env, folder / "server.log")
    try:
        url = server["url"].rstrip("/")
        keeper, me = furnish(url, server["setup_code"], role, twin)
        known = {"url": url, "twin": twin["url"], "role": role, "keeper": keeper, "me": me}
        known.update(database=str(database), answers=str(answers))
        here = str(pathlib.Path(__file__).resolve().parent)
        env.update(FUZZ=json.dumps(known), SCHEMATHESIS_HOOKS="fuzz_person", PYTHONPATH=here)
        content = [
            schemathesis(url, env, folder, f"--seed={seed}", f"--max-examples={most}", *options)
            for most, *options in [
                (examples // 5, "--mode=all", "--phases=coverage,fuzzing"),
                (examples, "--mode=positive", "--phases=fuzzing"),
            ]
        ]
        return all(content), [json.loads(line) for line in answers.open()]
    finally:
        for process in (server_process, twin_process):
            process.terminate()
            process.wait()


def summary(role, answers):
    """Prints what each operation has answered. Which of them have refused more than half for what it says."""
    operations = collections.defaultdict(collections.Counter)
    for operation, status, detail in answers:
        if status == 405:
            operation = "methods that are not there"
        malformed = status in REFUSED or (status == 404 and "nothing could have it" in detail)
        operations[operation][status, malformed] += 1
    poor = []
    print(f"\n{role}: {len(answers)} requests\n{'passed':>7} {'asked':>6}  operation, and its answers")
    for operation, counts in sorted(operations.items()):
        refused = sum(n for (_, malformed), n in counts.items() if malformed)
        apart = sum(n for (status, _), n in counts.items() if status in APART)
        asked = sum(counts.values())
        # Whoever may never do it is told so once the request was read; what they may do in part is judged by that part.
        allowed = any(status < 300 for status, _ in counts)
        read = asked - refused - apart + (0 if allowed else counts[403, False])
        share = read / (read + refused) if read + refused else 1
        statuses = collections.Counter()
        for (status, _), n in counts.items():
            statuses[status] += n
        said = "  ".join(f"{status}×{n}" for status, n in sorted(statuses.items()))
        print(f"{share:>7.0%} {asked:>6}  {operation:<45} {said}")
        if share < 0.5:
            poor.append(f"{role}: {operation}")
    return poor


def main():
    parser = argparse.ArgumentParser(description="Fuzzes the HTTP API as each role.")
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("roles", nargs="*", metavar="role", default=ROLES)
    parser.add_argument("--examples", type=int, default=100, help="how many each operation is tried with")
    parser.add_argument("--seed", default="1")
    asked = parser.parse_intermixed_args()
    wrong, tables = [], []
    for role in asked.roles:
        with tempfile.TemporaryDirectory() as folder:
            content, answers = fuzz(asked.binary, role, asked.examples, asked.seed, pathlib.Path(folder))
        tables.append((role, answers))
        wrong += [] if content else [f"{role}: see what schemathesis has found, above"]
    for role, answers in tables:
        wrong += summary(role, answers)
    print(f"\n{sum(len(answers) for _, answers in tables)} requests in all, seed {asked.seed}")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
