"""Live things through the official client: calls, conferences, participants, queues with people in them, recordings."""

import json
from datetime import datetime, timedelta, timezone

import requests
from twilio.twiml.voice_response import Dial, VoiceResponse

from support import API, Case, asked, control

CELL, RINGING, BUSY = "+12065550201", "+12065550202", "+12065550203"


def quiet():
    twiml = VoiceResponse()
    twiml.pause(length=600)
    return twiml


class Calls(Case):
    def setUp(self):
        self.quiet = self.office.answer("/quiet", quiet())
        self.own = self.line.phone_number
        self.telephones({CELL: {"does": "answers", "after": 0}, RINGING: {"does": "rings"}, BUSY: {"does": "busy"}})

    def caller(self, number, path="/quiet"):
        """Somebody who has called the line and is in a program; the call's sid."""
        sid = self.call_in(number, {"voice_url": self.office.url + path})
        self.until_call(sid, "in-progress")
        return sid

    def test_call_is_made_read_listed_hung_up_and_deleted(self):
        made = API.calls.create(to=CELL, from_=self.own, url=self.quiet)
        self.assertEqual(("queued", "outbound-api", None), (made.status, made.direction, made.start_time))
        self.until_call(made.sid, "in-progress")
        call = made.fetch()
        self.assertEqual((CELL, self.own), (call.to, call._from))
        self.assertIsInstance(call.start_time, datetime)

        def listed(**filters):
            return made.sid in [c.sid for c in API.calls.list(**filters)]

        tomorrow = datetime.now(timezone.utc) + timedelta(days=2)
        self.assertTrue(listed(to=CELL, status="in-progress"))
        self.assertTrue(listed(from_=self.own, start_time_after=call.start_time))
        self.assertFalse(listed(status="busy"))
        self.assertFalse(listed(start_time_after=tomorrow))
        self.refused(20009, 400, call.delete)
        self.assertEqual("completed", call.update(status="completed").status)
        ended = call.fetch()
        self.assertGreaterEqual(ended.end_time, ended.start_time)
        self.refused(21220, 400, call.update, twiml=str(quiet()))
        self.assertTrue(call.delete())
        self.gone(call.fetch)

    def test_live_call_is_redirected_and_ringing_one_cancelled(self):
        sid = self.caller("+12065550301")
        self.office.answer("/elsewhere", quiet())
        redirect = VoiceResponse()
        redirect.redirect(self.office.url + "/elsewhere?by=twiml")
        API.calls(sid).update(twiml=redirect)
        self.office.until("the redirect by TwiML", asked("/elsewhere", sid, by="twiml"))
        API.calls(sid).update(url=self.office.url + "/elsewhere?by=url", method="GET")
        self.office.until("the redirect by address", asked("/elsewhere", sid, by="url"))
        API.calls(sid).update(status="completed")
        ringing = API.calls.create(to=RINGING, from_=self.own, twiml=quiet())
        self.until_call(ringing.sid, "ringing")
        self.assertEqual("canceled", ringing.update(status="canceled").status)
        application = API.applications.create(friendly_name="For calls", voice_url=self.quiet)
        busy = API.calls.create(to=BUSY, from_=self.own, application_sid=application.sid)
        self.until_call(busy.sid, "busy")

    def test_calls_that_cannot_be_are_refused_each_by_its_code(self):
        twiml = "<Response/>"
        for code, changes in [
            (21211, {"to": "5550201"}),
            (21212, {"from_": "anonymous"}),
            (21210, {"from_": "+12065559999"}),
            (21205, {"twiml": ""}),
            (21205, {"url": "ftp://office.example/"}),
            (21218, {"twiml": "", "application_sid": "AP" + "0" * 32}),
            (21208, {"timeout": 601}),
            (21214, {"to": "app:AP0123456789abcdef0123456789abcdef"}),
            (21234, {"machine_detection": "Sometimes"}),
            (32018, {"twiml": f"<Response>{' ' * 4000}</Response>"}),
        ]:
            with self.subTest(code=code, **changes):
                call = {"to": CELL, "from_": self.own, "twiml": twiml, **changes}
                self.refused(code, 400, API.calls.create, **call)

    def test_recordings_and_the_rest_below_a_call(self):
        sid = self.caller("+12065550302")
        call = API.calls(sid)
        hook = self.office.url + "/recorded"
        made = call.recordings.create(recording_channels="dual", recording_status_callback=hook)
        self.assertEqual(("in-progress", 2), (made.status, made.channels))
        self.assertEqual("paused", made.update(status="paused").status)
        self.assertEqual("in-progress", call.recordings("Twilio.CURRENT").update(status="in-progress").status)
        made.update(status="stopped")
        self.refused(21220, 400, made.update, status="paused")
        self.assertEqual([made.sid], [r.sid for r in call.recordings.list()])
        self.assertEqual([made.sid], [r.sid for r in API.recordings.list(call_sid=sid)])
        told = self.office.until("the recording's end", lambda r: r["path"] == "/recorded")
        recording = API.recordings(made.sid).fetch()
        self.assertEqual(recording.media_url, told["params"]["RecordingUrl"])
        with requests.Session() as session:
            session.trust_env = False
            self.assertEqual(b"RIFF", session.get(recording.media_url + ".wav", timeout=30).content[:4])
        second = call.recordings.create()
        self.assertTrue(second.delete())
        self.assertTrue(recording.delete())
        self.gone(recording.fetch)
        self.gone(made.fetch)

        stream = call.streams.create(url="wss://office.example/ear")
        self.assertEqual("stopped", stream.update(status="stopped").status)
        self.assertTrue(call.user_defined_messages.create(content=json.dumps({"hello": 1})).sid.startswith("KX"))
        subscription = call.user_defined_message_subscriptions.create(callback=self.office.url + "/messages")
        self.assertTrue(subscription.sid.startswith("ZY"))
        self.assertEqual(([], []), (call.events.list(), call.notifications.list()))
        call.update(status="completed")
        self.refused(21220, 400, call.recordings.create)

    def test_conference_and_participants(self):
        hook = {
            "conference_status_callback": self.office.url + "/room",
            "conference_status_callback_event": ["start", "join", "leave", "end"],
        }
        person = {"from_": self.own, "to": CELL, "wait_url": "", "early_media": False}
        one = API.conferences("lobby").participants.create(label="one", **person, **hook)
        self.assertEqual(("one", "queued", False), (one.label, one.status, one.hold))
        room = API.conferences(one.conference_sid)
        two = room.participants.create(label="two", **person)

        def joined(label):
            step = ("participant-join", label)
            return lambda r: (r["params"].get("StatusCallbackEvent"), r["params"].get("ParticipantLabel")) == step

        for label in ("one", "two"):
            self.office.until(f"{label} to join", joined(label))
        nobody = {"coaching": True, "call_sid_to_coach": "CA" + "0" * 32}
        for code, more in [(16026, {"label": "two"}), (16024, {"label": "a/b"}), (16028, nobody)]:
            self.refused(code, 400, room.participants.create, **person, **more)
        (listed,) = API.conferences.list(friendly_name="lobby", status="in-progress")
        self.assertEqual((one.conference_sid, "in-progress"), (listed.sid, room.fetch().status))

        def labels(**filters):
            return sorted(p.label for p in room.participants.list(**filters))

        self.assertEqual(two.call_sid, room.participants("two").fetch().call_sid)
        self.assertTrue(room.participants("two").update(muted=True).muted)
        self.assertTrue(room.participants(one.call_sid).update(hold=True, hold_url=self.quiet, hold_method="POST").hold)
        self.office.until("the hold document", asked("/quiet", one.call_sid))
        self.assertEqual((["two"], ["one"], ["two"]), (labels(muted=True), labels(hold=True), labels(hold=False)))
        coach = {"coaching": True, "call_sid_to_coach": one.call_sid}
        self.refused(16027, 400, room.participants("two").update, **coach)
        room.participants("one").update(hold=False)
        coached = room.participants("two").update(end_conference_on_exit=True, **coach)
        self.assertEqual((True, one.call_sid), (coached.coaching, coached.call_sid_to_coach))
        self.assertTrue(coached.end_conference_on_exit)
        announcement = VoiceResponse()
        announcement.say("One more minute")
        self.office.answer("/announcement", announcement)
        room.participants("one").update(announce_url=self.office.url + "/announcement")
        self.office.until("the announcement", lambda r: r["path"] == "/announcement")
        room.update(announce_url=self.office.url + "/announcement?all=1")
        self.office.until("the announcement to all", lambda r: r["query"].get("all") == "1")
        self.assertEqual([], room.recordings.list())

        self.assertTrue(room.participants("one").delete())
        self.gone(room.participants("one").fetch)
        self.assertEqual("completed", room.update(status="completed").status)
        ended = self.office.until("the end", lambda r: r["params"].get("StatusCallbackEvent") == "conference-end")
        self.assertEqual(ended["params"]["ReasonConferenceEnded"], room.fetch().reason_conference_ended)
        self.assertEqual([], labels())
        self.refused(16022, 404, room.participants.create, **person)

    def test_nobody_is_held_before_the_room_begins_and_labels_are_unique(self):
        dial = Dial()
        dial.conference("vestibule", start_conference_on_enter=False, wait_url="/quiet", participant_label="early")
        twiml = VoiceResponse()
        twiml.append(dial)
        self.office.answer("/vestibule", twiml)
        sid = self.caller("+12065550303", "/vestibule")
        self.office.until("the wait document", asked("/quiet", sid))
        (room,) = API.conferences.list(friendly_name="vestibule", status="init")
        self.refused(16001, 400, API.conferences(room.sid).participants("early").update, hold=True)
        # The same label from TwiML is noted on the call: 16025, one less than the code of the REST API.
        again = self.call_in("+12065550304")
        self.until_call(again, "completed")
        (note,) = API.calls(again).notifications.list()
        self.assertEqual("16025", note.error_code)
        API.calls(sid).update(status="completed")

    def test_people_wait_in_a_queue_and_are_taken_out(self):
        queue = API.queues.create(friendly_name="Support", max_size=10)
        twiml = VoiceResponse()
        twiml.enqueue("Support", wait_url="/queue-wait")
        self.office.answer("/enqueue", twiml)
        self.office.answer("/queue-wait", quiet())
        callers = []
        for number in ("+12065550311", "+12065550312", "+12065550313"):
            sid = self.caller(number, "/enqueue")
            callers.append(sid)
            wait = self.office.until(f"{number} to wait", asked("/queue-wait", sid))
            self.assertEqual(str(len(callers)), wait["params"]["QueuePosition"])
        members = API.queues(queue.sid).members
        in_order = [(sid, at + 1) for at, sid in enumerate(callers)]
        self.assertEqual(in_order, [(m.call_sid, m.position) for m in members.list()])
        self.assertEqual(3, queue.fetch().current_size)
        self.assertEqual(callers[0], members("Front").fetch().call_sid)
        self.assertEqual(3, members(callers[2]).fetch().position)
        self.refused(22002, 400, queue.delete)
        self.office.answer("/taken", quiet())
        self.assertEqual(callers[0], members("Front").update(url=self.office.url + "/taken?who=front").call_sid)
        self.office.until("the front to be taken", asked("/taken", callers[0], who="front"))
        self.gone(members(callers[0]).fetch)
        for sid in callers:
            API.calls(sid).update(status="completed")
        self.assertTrue(queue.delete())

    def test_calls_are_paged_newest_first_while_new_ones_come_in(self):
        sids = [self.caller(f"+1206555032{n}") for n in range(3)][::-1]
        filters = {"to": self.own, "status": "in-progress"}
        first = API.calls.page(page_size=2, **filters)
        late = self.caller("+12065550329")
        second = first.next_page()
        self.assertEqual(sids, [c.sid for page in (first, second) for c in page][:3])
        for sid in [late, *sids]:
            API.calls(sid).update(status="completed")
        self.assertEqual([], API.calls.list(**filters))
        self.assertIn(late, [c["sid"] for c in control("world")["calls"]])
