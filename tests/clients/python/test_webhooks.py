"""The twin's requests as a customer's server sees them: signed so that the official validator accepts them, repeated
under the same token, and following the TwiML that the official builder wrote."""

from twilio.request_validator import RequestValidator
from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

from support import API, TWIN, Case, asked, control

CELL, VOICEMAIL = "+12065550401", "+12065550402"
CALLER = "+12065550499"


class Webhooks(Case):
    def setUp(self):
        self.fault()
        self.telephones({CELL: {"does": "answers", "after": 0}, VOICEMAIL: {"does": "voicemail", "after": 0}})

    def call_the_line(self, **settings):
        """Points the line at paths of the office and lets somebody call it; the call's sid."""
        urls = {key: self.office.url + value if value.startswith("/") else value for key, value in settings.items()}
        return self.call_in(CALLER, urls)

    def test_voice_request_and_callback_are_twilios_and_altered_ones_are_not(self):
        twiml = VoiceResponse()
        twiml.say("Thank you & goodbye.", voice="alice", language="en-GB")
        twiml.hangup()
        self.office.answer("/voice", twiml)
        sid = self.call_the_line(voice_url="/voice?desk=1&name=a%20b", status_callback="/status")
        voice = self.office.until("the voice request", asked("/voice", sid, desk="1"))
        status = self.office.until("the status callback", asked("/status", sid))
        self.assertEqual(("ringing", CALLER), (voice["params"]["CallStatus"], voice["params"]["From"]))
        self.assertEqual("completed", status["params"]["CallStatus"])
        self.assertEqual("TwilioProxy/1.1", voice["headers"]["User-Agent"])
        good, bad = RequestValidator(TWIN["auth_token"]), RequestValidator(TWIN["api_secret"])
        for request in (voice, status):
            url, params, signature = request["url"], request["params"], request["signature"]
            self.assertTrue(good.validate(url, params, signature))
            self.assertFalse(bad.validate(url, params, signature), "another secret")
            self.assertFalse(good.validate(url + "x", params, signature), "another address")
            self.assertFalse(good.validate(url, {**params, "From": "+12065550498"}, signature), "another value")
            self.assertFalse(good.validate(url, {**params, "Extra": "1"}, signature), "one more parameter")

    def test_get_is_signed_with_its_parameters_in_the_address(self):
        self.office.answer("/by-get", "<Response><Reject reason='busy'/></Response>")
        sid = self.call_the_line(voice_url="/by-get?own=1", voice_method="GET")
        request = self.office.until("the GET", asked("/by-get", sid, own="1"))
        self.assertEqual(("GET", {}, True), (request["method"], request["params"], request["valid"]))
        self.until_call(sid, "busy")

    def test_retry_carries_the_same_token_and_a_good_signature(self):
        answers = [503, 404]
        self.office.answer("/flaky", lambda _: answers.pop(0) if answers else "<Response><Hangup/></Response>")
        sid = self.call_the_line(voice_url="/flaky?x=1#rc=3&rp=4xx,5xx")
        self.until_call(sid, "completed")
        tries = self.office.to("/flaky")
        self.assertEqual(3, len(tries))
        self.assertEqual(1, len({r["token"] for r in tries}))
        self.assertTrue(all(r["valid"] and r["params"]["CallSid"] == sid for r in tries))

    def test_doubled_callback_is_the_same_one(self):
        self.fault("next.webhook_double=completed")
        self.office.answer("/bye", "<Response><Hangup/></Response>")
        sid = self.call_the_line(voice_url="/bye", status_callback="/doubled")
        self.office.until("the double", lambda _: len(self.office.to("/doubled")) == 2)
        one, two = self.office.to("/doubled")
        self.assertEqual((one["token"], one["params"]), (two["token"], two["params"]))
        self.assertTrue(one["valid"] and two["valid"] and one["params"]["CallSid"] == sid)

    def test_fallback_is_asked_and_told_why(self):
        self.office.answer("/broken", 500)
        self.office.answer("/garbled", "<Response><Say>unclosed</Response>")
        self.office.answer("/fallback", "<Response><Hangup/></Response>")
        for path, code in [("/broken", "11200"), ("/garbled", "12100")]:
            sid = self.call_the_line(voice_url=path, voice_fallback_url="/fallback")
            request = self.office.until(f"the fallback of {path}", asked("/fallback", sid))
            told = (request["params"]["ErrorCode"], request["params"]["ErrorUrl"], request["valid"])
            self.assertEqual((code, self.office.url + path, True), told)
            self.until_call(sid, "completed")

    def test_keys_are_gathered_and_the_call_goes_where_the_menu_leads(self):
        menu = VoiceResponse()
        gather = Gather(num_digits=2, action="/chosen?menu=1", timeout=20)
        gather.say("Press two keys.")
        gather.pause(length=20)
        menu.append(gather)
        menu.redirect("/never")
        self.office.answer("/menu", menu)
        self.office.answer("/chosen", "<Response><Hangup/></Response>")
        sid = self.call_the_line(voice_url="/menu")
        self.until_call(sid, "in-progress")
        control("press", {"call_sid": sid, "digits": "42"})
        request = self.office.until("the menu's action", asked("/chosen", sid, menu="1"))
        self.assertEqual("42", request["params"]["Digits"])
        self.until_call(sid, "completed")
        self.assertEqual([], self.office.to("/never"))

    def test_number_is_dialled_and_the_action_told_the_outcome(self):
        dial = Dial(action="/dialled", timeout=10, caller_id=self.line.phone_number)
        dial.number(CELL, status_callback="/leg", status_callback_event="initiated ringing answered completed")
        twiml = VoiceResponse()
        twiml.append(dial)
        self.office.answer("/dial", twiml)
        sid = self.call_the_line(voice_url="/dial")
        leg = self.office.until("the leg to answer", lambda r: r["params"].get("CallStatus") == "in-progress" and r["path"] == "/leg")
        self.assertEqual(sid, leg["params"]["ParentCallSid"])
        API.calls(leg["params"]["CallSid"]).update(status="completed")
        done = self.office.until("the dial's action", asked("/dialled", sid))
        self.assertEqual(leg["params"]["CallSid"], done["params"]["DialCallSid"])
        self.office.until("all of the leg's events", lambda _: len(self.office.to("/leg")) == 4)
        legs = sorted(self.office.to("/leg"), key=lambda r: int(r["params"]["SequenceNumber"]))
        steps = [r["params"]["CallStatus"] for r in legs]
        self.assertEqual(["initiated", "ringing", "in-progress", "completed"], steps)

    def test_conference_has_the_builders_attributes_and_reports_in_order(self):
        dial = Dial(action="/left-room")
        dial.conference(
            "room 7/ä",
            start_conference_on_enter=False,
            end_conference_on_exit=True,
            muted=True,
            participant_label="customer",
            wait_url="/wait",
            status_callback="/room?c=7",
            status_callback_event="start end join leave mute hold",
        )
        twiml = VoiceResponse()
        twiml.append(dial)
        self.office.answer("/conference", twiml)
        self.office.answer("/wait", "<Response><Pause length='60'/></Response>")
        sid = self.call_the_line(voice_url="/conference")
        joined = self.office.until("the join", asked("/room", sid, c="7"))
        self.assertEqual("room 7/ä", joined["params"]["FriendlyName"])
        room = API.conferences(joined["params"]["ConferenceSid"])
        (customer,) = room.participants.list()
        self.assertEqual(("customer", True, False), (customer.label, customer.muted, customer.start_conference_on_enter))
        room.participants.create(from_=self.line.phone_number, to=CELL, label="desk", wait_url="")
        self.office.until("the start", lambda r: r["params"].get("StatusCallbackEvent") == "conference-start")
        room.participants("customer").update(muted=False)
        room.participants("customer").delete()
        self.office.until("the dial's action", asked("/left-room", sid))
        self.office.until("all events", lambda _: len(self.office.to("/room")) == 7)
        events = sorted(self.office.to("/room"), key=lambda r: int(r["params"]["SequenceNumber"]))
        self.assertEqual(
            [
                "participant-join",
                "participant-join",
                "conference-start",
                "participant-unmute",
                "participant-leave",
                "participant-leave",
                "conference-end",
            ],
            [r["params"]["StatusCallbackEvent"] for r in events],
        )
        self.assertEqual([str(n) for n in range(1, 8)], [r["params"]["SequenceNumber"] for r in events])

    def test_message_is_recorded_and_a_machine_told_from_a_person(self):
        twiml = VoiceResponse()
        twiml.record(max_length=1, action="/recorded", recording_status_callback="/recording")
        self.office.answer("/record", twiml)
        sid = self.call_the_line(voice_url="/record")
        done = self.office.until("the recording's action", asked("/recorded", sid))
        told = self.office.until("the recording's callback", asked("/recording", sid))
        self.assertEqual(done["params"]["RecordingSid"], told["params"]["RecordingSid"])
        machine = API.calls.create(
            to=VOICEMAIL,
            from_=self.line.phone_number,
            twiml="<Response><Pause length='30'/></Response>",
            machine_detection="Enable",
            async_amd="true",
            async_amd_status_callback=self.office.url + "/amd",
        )
        detected = self.office.until("the detection", asked("/amd", machine.sid))
        self.assertEqual("machine_start", detected["params"]["AnsweredBy"])
        self.assertEqual("machine_start", machine.fetch().answered_by)
        machine.update(status="completed")
