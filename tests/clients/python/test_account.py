"""What an account owns, through the official client: created, read, paged, changed, removed, and refused."""

import json
from datetime import datetime

import requests
from twilio.base.exceptions import TwilioException

from support import API, TWIN, Case, client, control


class Account(Case):
    def test_account_is_read_and_renamed_with_its_token_and_not_with_a_key(self):
        own = API.api.v2010.accounts(TWIN["account_sid"])
        account = own.fetch()
        self.assertEqual(("active", "Full"), (account.status, account.type))
        self.assertIsInstance(account.date_created, datetime)
        self.assertEqual("Front desk", own.update(friendly_name="Front desk").friendly_name)
        by_key = client(TWIN["api_key"], TWIN["api_secret"]).api.v2010.accounts(TWIN["account_sid"])
        self.refused(20003, 401, by_key.update, friendly_name="Back desk")
        self.assertEqual([TWIN["account_sid"]], [a.sid for a in API.api.v2010.accounts.list()])

    def test_wrong_credentials_and_unknown_resources_are_refused(self):
        for user, password in [(TWIN["account_sid"], "0" * 32), ("SK" + "0" * 32, TWIN["api_secret"])]:
            self.refused(20003, 401, client(user, password).applications(TWIN["app_sid"]).fetch)
        self.gone(API.api.v2010.accounts("AC" + "0" * 32).fetch)
        self.gone(API.calls("CA" + "0" * 32).fetch)
        self.gone(API.conferences("CF" + "0" * 32).fetch)
        self.gone(API.conferences("CF" + "0" * 32).participants("nobody").fetch)
        self.gone(API.queues("QU" + "0" * 32).fetch)
        self.gone(API.recordings("RE" + "0" * 32).fetch)

    def test_numbers(self):
        free = API.available_phone_numbers("US").local.list(area_code=415)[0]
        number = API.incoming_phone_numbers.create(phone_number=free.phone_number, friendly_name="Main line")
        self.assertTrue(number.capabilities["voice"])
        self.refused(21422, 400, API.incoming_phone_numbers.create, phone_number=free.phone_number)
        self.refused(21421, 400, API.incoming_phone_numbers.create, phone_number="twelve")
        self.refused(21420, 400, number.update, voice_application_sid="AP1")
        self.refused(21405, 400, number.update, voice_fallback_url="https://office.example/fallback")
        changed = number.update(voice_url="https://office.example/voice", voice_method="GET")
        self.assertEqual(("https://office.example/voice", "GET"), (changed.voice_url, changed.voice_method))
        self.assertEqual("Main line", number.fetch().friendly_name)
        found = API.incoming_phone_numbers.list(phone_number=free.phone_number)
        self.assertEqual([number.sid], [n.sid for n in found])
        self.assertIn(number.sid, [n.sid for n in API.incoming_phone_numbers.local.list()])
        self.assertTrue(number.delete())
        self.gone(number.fetch)
        self.assertIn("US", [c.country_code for c in API.available_phone_numbers.list()])

    def test_applications(self):
        made = API.applications.create(friendly_name="Desk", voice_url="https://office.example/a")
        changed = made.update(voice_url="https://office.example/b")
        self.assertEqual(("Desk", "https://office.example/b"), (changed.friendly_name, changed.voice_url))
        self.assertEqual("https://office.example/b", made.fetch().voice_url)
        self.assertEqual([made.sid], [a.sid for a in API.applications.list(friendly_name="Desk")])
        self.refused(21205, 400, made.update, voice_url="mailto:somebody")
        self.assertTrue(made.delete())
        self.gone(made.fetch)

    def test_keys(self):
        made = API.new_keys.create(friendly_name="Night shift")
        with_key = client(made.sid, made.secret)
        key = API.keys(made.sid)
        self.assertEqual(TWIN["app_sid"], with_key.applications(TWIN["app_sid"]).fetch().sid)
        self.refused(20003, 401, with_key.keys(made.sid).fetch)
        self.assertEqual("Night shift", key.fetch().friendly_name)
        self.assertEqual("Day shift", key.update(friendly_name="Day shift").friendly_name)
        self.assertIn("Day shift", [k.friendly_name for k in API.keys.list()])
        self.assertTrue(key.delete())
        self.refused(20003, 401, with_key.applications(TWIN["app_sid"]).fetch)
        self.gone(key.fetch)

    def test_caller_ids(self):
        request = API.validation_requests.create(phone_number="+12065550901", friendly_name="Cell")
        self.assertRegex(request.validation_code, r"^\d{6}$")
        self.refused(21450, 400, API.validation_requests.create, phone_number="+12065550901")
        (row,) = API.outgoing_caller_ids.list(phone_number="+12065550901")
        self.assertEqual("Mobile", row.update(friendly_name="Mobile").friendly_name)
        self.assertEqual("Mobile", row.fetch().friendly_name)
        self.assertTrue(row.delete())
        self.gone(row.fetch)

    def test_queues(self):
        made = API.queues.create(friendly_name="Sales", max_size=7)
        self.assertEqual((7, 0, 0), (made.max_size, made.current_size, made.average_wait_time))
        self.refused(22003, 400, API.queues.create, friendly_name="Sales")
        changed = made.update(friendly_name="Sales desk", max_size=9)
        self.assertEqual(("Sales desk", 9), (changed.friendly_name, changed.max_size))
        self.assertIn(made.sid, [q.sid for q in API.queues.list()])
        self.assertEqual([], made.members.list())
        self.gone(API.queues(made.sid).members("Front").fetch)
        self.assertTrue(made.delete())
        self.gone(made.fetch)

    def test_traversal_token(self):
        self.assertEqual("120", API.tokens.create(ttl=120).ttl)

    def test_lists_are_paged_forwards_backwards_and_as_a_stream(self):
        made = [API.applications.create(friendly_name=f"Paged {n}") for n in range(5)]
        every = [a.sid for a in API.applications.list()]
        self.assertTrue({a.sid for a in made} <= set(every))
        self.assertEqual(every, [a.sid for a in API.applications.list(page_size=2)])
        self.assertEqual(every[:3], [a.sid for a in API.applications.list(page_size=2, limit=3)])
        self.assertEqual(every, [a.sid for a in API.applications.stream(page_size=4)])
        first = API.applications.page(page_size=2)
        second = first.next_page()
        third = API.applications.get_page(second.next_page_url)
        pages = [[a.sid for a in page] for page in (first, second, third)]
        self.assertEqual(every[:6], sum(pages, []))
        back = third.previous_page()
        self.assertEqual(pages[1], [a.sid for a in back])
        self.assertEqual(pages[0], [a.sid for a in back.previous_page()])
        # For a page, the package keeps the answer in a more general error.
        with self.assertRaises(TwilioException) as caught:
            API.applications.page(page_token="PAnowhere")
        answer = caught.exception.args[1]
        self.assertEqual((400, 21481), (answer.status_code, json.loads(answer.text)["code"]))
        for application in made:
            self.assertTrue(application.delete())

    def test_refusals_by_fault_carry_their_codes(self):
        self.fault("next.429=POST:/Queues")
        self.refused(20429, 429, API.queues.create, friendly_name="Too many")
        self.fault("next.500=POST:/Queues")
        self.refused(20500, 500, API.queues.create, friendly_name="Broken")
        self.assertFalse([q for q in API.queues.list() if q.friendly_name in ("Too many", "Broken")])

    def test_a_lost_answer_is_a_broken_connection_after_the_deed(self):
        self.fault("next.lose_answer=POST:/Queues")
        with self.assertRaises(requests.ConnectionError):
            API.queues.create(friendly_name="Lost answer")
        (found,) = [q for q in API.queues.list() if q.friendly_name == "Lost answer"]
        self.assertTrue(found.delete())
        faults = [r.get("fault") for r in control("requests")["rest"] if r["path"].endswith("/Queues.json")]
        self.assertIn("lose_answer", faults)
