"""Access tokens of the official class: good ones connect, the others are refused with the SDK's codes."""

import base64
import json
import time

from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import VoiceGrant

from support import API, TWIN, Case, asked, control


def mint(account=TWIN["account_sid"], key=TWIN["api_key"], secret=TWIN["api_secret"], grant=None, **options):
    """A token of the account, or one that is odd in some way."""
    token = AccessToken(account, key, secret, **{"identity": "lea", "ttl": 600, **options})
    token.add_grant(VoiceGrant(**(grant or {"outgoing_application_sid": TWIN["app_sid"], "incoming_allow": True})))
    text = token.to_jwt()
    return text if isinstance(text, str) else text.decode()


def connect(token, **params):
    return control("connect", {"token": token, "params": params})


class Tokens(Case):
    def setUp(self):
        url = self.office.answer("/client", "<Response><Pause length='600'/></Response>")
        API.applications(TWIN["app_sid"]).update(voice_url=url)

    def test_token_of_the_accounts_key_connects(self):
        connected = connect(mint(), To="room:7", note="ñ + & = 100%", CallSid="forged")
        sid = connected["call_sid"]
        self.assertEqual("lea", connected["identity"])
        request = self.office.until("the application's voice request", asked("/client", sid))
        params = [request["params"][name] for name in ("From", "To", "note", "ApplicationSid")]
        self.assertEqual(["client:lea", "room:7", "ñ + & = 100%", TWIN["app_sid"]], params)
        self.assertTrue(request["valid"])
        self.until_call(sid, "in-progress")
        self.assertIn("already active", connect(mint())["refused"]["why"])
        API.calls(sid).update(status="completed")

    def test_key_made_over_the_api_signs_until_it_is_removed(self):
        key = API.new_keys.create(friendly_name="Signer")
        sid = connect(mint(key=key.sid, secret=key.secret, identity="kim"))["call_sid"]
        control("disconnect", {"call_sid": sid})
        self.until_call(sid, "completed")
        API.keys(key.sid).delete()
        self.assertEqual(20103, connect(mint(key=key.sid, secret=key.secret))["refused"]["code"])

    def test_unfit_tokens_are_refused_each_by_its_code(self):
        head, claims, mark = mint().split(".")
        altered = json.loads(base64.urlsafe_b64decode(claims + "=="))
        altered["grants"]["identity"] = "boss"
        boss = base64.urlsafe_b64encode(json.dumps(altered).encode()).decode().rstrip("=")
        tomorrow = int(time.time()) + 3600
        for name, code, token in [
            ("expired", 31205, mint(valid_until=int(time.time()) - 60)),
            ("longer than a day", 31207, mint(ttl=90_000)),
            ("not valid yet", 20105, mint(nbf=tomorrow, valid_until=tomorrow + 600)),
            ("another secret", 31202, mint(secret="s" * 32)),
            ("other claims under its signature", 31202, ".".join([head, boss, mark])),
            ("an unknown key", 20103, mint(key="SK" + "0" * 32)),
            ("another account", 20103, mint(account="AC" + "0" * 32)),
            ("no grant for calling", 20106, mint(grant={"incoming_allow": True})),
            ("an identity with a space", 31204, mint(identity="lea smith")),
            ("no signature", 31202, f"{head}.{claims}."),
            ("garbage", 20101, "garbage"),
        ]:
            with self.subTest(name):
                answer = connect(token)
                self.assertIn("refused", answer, "it got through")
                self.assertEqual(code, answer["refused"]["code"], answer["refused"]["why"])
