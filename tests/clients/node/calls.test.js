// Live things through the official client: calls, conferences, participants, queues with people in them, recordings.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import twilio from "twilio";
import { Office, buyNumber, client, complete, control, refused, telephones, twin, untilCall } from "./support.js";

const { VoiceResponse } = twilio.twiml;
const api = client();
const gone = (promise) => refused(promise, 20404, 404);
const quiet = () => {
  const twiml = new VoiceResponse();
  twiml.pause({ length: 600 });
  return twiml;
};
let office, own;

before(async () => {
  office = await Office.open();
  office.answer("/quiet", quiet());
  own = (await buyNumber({ voiceUrl: `${office.url}/quiet` })).phoneNumber;
  await telephones({
    "+12065550201": { does: "answers", after: 0 },
    "+12065550202": { does: "rings" },
    "+12065550203": { does: "busy" },
  });
});
after(() => office.close());

/** Somebody calls the account and is in a program; the call's sid. */
async function callIn(from, to = own) {
  const { call_sid: sid } = await control("call", { from, to });
  await untilCall(sid, "in-progress");
  return sid;
}

test("a call is made, read, listed, hung up and deleted", async () => {
  const made = complete(await api.calls.create({ to: "+12065550201", from: own, url: `${office.url}/quiet` }));
  assert.deepEqual([made.status, made.direction, made.startTime], ["queued", "outbound-api", null]);
  await untilCall(made.sid, "in-progress");
  const call = complete(await api.calls(made.sid).fetch());
  assert.deepEqual([call.to, call.from, call.status], ["+12065550201", own, "in-progress"]);
  const listed = (filter) => api.calls.list(filter).then((calls) => calls.map((c) => c.sid));
  const day = new Date(call.startTime);
  for (const filter of [{ to: "+12065550201" }, { status: "in-progress" }, { from: own, startTimeAfter: day }]) {
    assert.ok((await listed(filter)).includes(made.sid), JSON.stringify(filter));
  }
  const tomorrow = new Date(day.getTime() + 48 * 3_600_000);
  for (const filter of [{ to: "+12065550299" }, { status: "busy" }, { startTimeAfter: tomorrow }]) {
    assert.ok(!(await listed(filter)).includes(made.sid), JSON.stringify(filter));
  }
  await refused(api.calls(made.sid).remove(), 20009);
  assert.equal((await api.calls(made.sid).update({ status: "completed" })).status, "completed");
  const ended = complete(await api.calls(made.sid).fetch());
  assert.ok(ended.endTime >= ended.startTime && /^\d+$/.test(ended.duration));
  await refused(api.calls(made.sid).update({ twiml: quiet() }), 21220);
  assert.equal(await api.calls(made.sid).remove(), true);
  await gone(api.calls(made.sid).fetch());
});

test("a live call is given other TwiML, then an address; a ringing one is cancelled, a busy one ends", async () => {
  const sid = await callIn("+12065550301");
  office.answer("/elsewhere", quiet());
  await api.calls(sid).update({ twiml: `<Response><Redirect>${office.url}/elsewhere?by=twiml</Redirect></Response>` });
  await office.until("the redirect by TwiML", (r) => r.path === "/elsewhere" && r.query.by === "twiml" && r.params.CallSid === sid);
  await api.calls(sid).update({ url: `${office.url}/elsewhere?by=url`, method: "GET" });
  await office.until("the redirect by address", (r) => r.method === "GET" && r.query.by === "url" && r.query.CallSid === sid);
  assert.equal((await api.calls(sid).update({ status: "completed" })).status, "completed");

  const ringing = await api.calls.create({ to: "+12065550202", from: own, twiml: quiet() });
  await untilCall(ringing.sid, "ringing");
  assert.equal((await api.calls(ringing.sid).update({ status: "canceled" })).status, "canceled");
  const busy = await api.calls.create({ to: "+12065550203", from: own, applicationSid: await anApplication() });
  assert.equal((await untilCall(busy.sid, "busy")).duration, "0");
});

async function anApplication() {
  return (await api.applications.create({ friendlyName: "For calls", voiceUrl: `${office.url}/quiet` })).sid;
}

test("calls that cannot be are refused, each by its code", async () => {
  const twiml = "<Response/>";
  const to = "+12065550201";
  const cases = [
    [21211, { to: "5550201", from: own, twiml }],
    [21212, { to, from: "anonymous", twiml }],
    [21210, { to, from: "+12065559999", twiml }],
    [21205, { to, from: own }],
    [21205, { to, from: own, url: "ftp://office.example/" }],
    [21218, { to, from: own, applicationSid: `AP${"0".repeat(32)}` }],
    [21208, { to, from: own, twiml, timeout: 601 }],
    [21214, { to: "app:AP0123456789abcdef0123456789abcdef", from: own, twiml }],
    [32018, { to, from: own, twiml: `<Response>${" ".repeat(4000)}</Response>` }],
  ];
  for (const [code, call] of cases) await refused(api.calls.create(call), code);
});

test("what hangs below a call: recordings, streams, messages, events, notifications", async () => {
  const sid = await callIn("+12065550302");
  const call = api.calls(sid);
  const hook = { recordingStatusCallback: `${office.url}/recorded`, recordingStatusCallbackEvent: ["in-progress", "completed"] };
  const made = complete(await call.recordings.create({ recordingChannels: "dual", ...hook }));
  assert.deepEqual([made.status, made.source, made.channels], ["in-progress", "StartCallRecordingAPI", 2]);
  assert.equal((await call.recordings(made.sid).update({ status: "paused" })).status, "paused");
  assert.equal((await call.recordings("Twilio.CURRENT").update({ status: "in-progress" })).status, "in-progress");
  assert.equal((await call.recordings(made.sid).update({ status: "stopped" })).sid, made.sid);
  await refused(call.recordings(made.sid).update({ status: "paused" }), 21220);
  assert.deepEqual((await call.recordings.list()).map((r) => r.sid), [made.sid]);
  assert.deepEqual((await api.recordings.list({ callSid: sid })).map((r) => r.sid), [made.sid]);
  const told = await office.until("the recording's end", (r) => r.path === "/recorded" && r.params.RecordingStatus === "completed");
  const recording = complete(await api.recordings(made.sid).fetch());
  assert.deepEqual([recording.mediaUrl, told.params.RecordingSid], [told.params.RecordingUrl, made.sid]);
  const sound = await fetch(`${recording.mediaUrl}.wav`);
  assert.equal(Buffer.from(await sound.arrayBuffer()).subarray(0, 4).toString(), "RIFF");
  const second = await call.recordings.create();
  assert.equal(await call.recordings(second.sid).remove(), true);
  assert.equal(await api.recordings(made.sid).remove(), true);
  await gone(api.recordings(made.sid).fetch());
  await gone(call.recordings(made.sid).fetch());

  const stream = complete(await call.streams.create({ url: "wss://office.example/ear", name: "ear" }), "name");
  assert.equal((await call.streams(stream.sid).update({ status: "stopped" })).status, "stopped");
  complete(await call.userDefinedMessages.create({ content: JSON.stringify({ hello: 1 }) }));
  complete(await call.userDefinedMessageSubscriptions.create({ callback: `${office.url}/messages` }));
  assert.ok(Array.isArray(await call.events.list()));
  assert.deepEqual(await call.notifications.list(), []);
  await call.update({ status: "completed" });
  await refused(call.recordings.create(), 21220);
});

test("people are dialled into a conference, found, changed, announced to, removed", async () => {
  const hook = { conferenceStatusCallback: `${office.url}/room`, conferenceStatusCallbackEvent: ["start", "join", "leave", "end"] };
  const person = { from: own, to: "+12065550201", waitUrl: "", earlyMedia: false };
  const one = complete(await api.conferences("lobby").participants.create({ ...person, label: "one", ...hook }));
  assert.deepEqual([one.label, one.status, one.hold], ["one", "queued", false]);
  const room = api.conferences(one.conferenceSid);
  const two = await room.participants.create({ ...person, label: "two", startConferenceOnEnter: true });
  const joined = (label) => (r) => r.params.StatusCallbackEvent === "participant-join" && r.params.ParticipantLabel === label;
  await office.until("the first to join", joined("one"));
  await office.until("the second to join", joined("two"));

  for (const [code, more] of [[16026, { label: "two" }], [16024, { label: "a/b" }], [16028, { coaching: true, callSidToCoach: `CA${"0".repeat(32)}` }]]) {
    await refused(room.participants.create({ ...person, ...more }), code);
  }
  const [listed] = await api.conferences.list({ friendlyName: "lobby", status: "in-progress" });
  assert.equal(complete(listed).sid, one.conferenceSid);
  assert.equal(complete(await room.fetch()).friendlyName, "lobby");
  assert.deepEqual(await api.conferences.list({ friendlyName: "lobby", status: "completed" }), []);
  assert.ok((await api.conferences.list({ dateCreatedAfter: new Date() })).some((c) => c.sid === one.conferenceSid));

  const labels = (filter) => room.participants.list(filter).then((list) => list.map((p) => p.label).sort());
  assert.deepEqual(await labels(), ["one", "two"]);
  assert.equal(complete(await room.participants("two").fetch()).callSid, two.callSid);
  assert.equal((await room.participants("two").update({ muted: true })).muted, true);
  assert.equal((await room.participants(one.callSid).update({ hold: true, holdUrl: `${office.url}/quiet` })).hold, true);
  await office.until("the hold document", (r) => r.path === "/quiet" && r.query.CallSid === one.callSid);
  assert.deepEqual(await Promise.all([labels({ muted: true }), labels({ hold: true }), labels({ hold: false })]), [["two"], ["one"], ["two"]]);
  await refused(room.participants("two").update({ coaching: true, callSidToCoach: one.callSid }), 16027);
  await room.participants("one").update({ hold: false });
  const coach = await room.participants("two").update({ coaching: true, callSidToCoach: one.callSid, endConferenceOnExit: true });
  assert.deepEqual([coach.coaching, coach.callSidToCoach, coach.endConferenceOnExit], [true, one.callSid, true]);
  assert.deepEqual(await labels({ coaching: true }), ["two"]);

  office.answer("/announcement", "<Response><Say>One more minute</Say></Response>");
  await room.participants("one").update({ announceUrl: `${office.url}/announcement` });
  await office.until("the announcement to one", (r) => r.path === "/announcement");
  await room.update({ announceUrl: `${office.url}/announcement?all=1` });
  await office.until("the announcement to all", (r) => r.query.all === "1");
  assert.deepEqual(await room.recordings.list(), []);

  assert.equal(await room.participants("one").remove(), true);
  await gone(room.participants("one").fetch());
  assert.equal((await room.update({ status: "completed" })).status, "completed");
  const ended = await office.until("the conference's end", (r) => r.params.StatusCallbackEvent === "conference-end");
  assert.equal(complete(await room.fetch()).reasonConferenceEnded, ended.params.ReasonConferenceEnded);
  assert.deepEqual(await labels(), []);
  await refused(room.participants.create(person), 16022, 404);
});

test("nobody can be held in a room that has not begun", async () => {
  office.answer("/wait-alone", '<Response><Dial><Conference startConferenceOnEnter="false" waitUrl="/quiet" participantLabel="early">vestibule</Conference></Dial></Response>');
  const line = await buyNumber({ voiceUrl: `${office.url}/wait-alone` });
  const sid = await callIn("+12065550303", line.phoneNumber);
  await office.until("the wait document", (r) => r.path === "/quiet" && r.params.CallSid === sid);
  const [room] = await api.conferences.list({ friendlyName: "vestibule", status: "init" });
  await refused(api.conferences(room.sid).participants("early").update({ hold: true }), 16001);

  // The same label from TwiML is not refused over REST, but noted on the call: 16025, one less than REST's code.
  const { call_sid: again } = await control("call", { from: "+12065550304", to: line.phoneNumber });
  await untilCall(again, "completed");
  const [note] = await api.calls(again).notifications.list();
  assert.equal(note.errorCode, "16025");
  await api.calls(sid).update({ status: "completed" });
});

test("people wait in a queue, are seen there in order, and are taken out", async () => {
  const queue = await api.queues.create({ friendlyName: "Support", maxSize: 10 });
  const enqueue = new VoiceResponse();
  enqueue.enqueue({ waitUrl: "/queue-wait", action: "/queue-left" }, "Support");
  office.answer("/enqueue", enqueue);
  office.answer("/queue-wait", quiet());
  office.answer("/taken", quiet());
  const line = await buyNumber({ voiceUrl: `${office.url}/enqueue` });
  const waits = (sid) => office.until(`${sid} to wait`, (r) => r.path === "/queue-wait" && r.params.CallSid === sid);
  const callers = [];
  for (const from of ["+12065550311", "+12065550312", "+12065550313"]) {
    const sid = await callIn(from, line.phoneNumber);
    callers.push(sid);
    assert.equal((await waits(sid)).params.QueuePosition, String(callers.length));
  }
  const members = api.queues(queue.sid).members;
  const list = await members.list();
  assert.deepEqual(list.map((m) => [m.callSid, m.position]), callers.map((sid, at) => [sid, at + 1]));
  complete(list[0]);
  assert.equal((await api.queues(queue.sid).fetch()).currentSize, 3);
  assert.equal(complete(await members("Front").fetch()).callSid, callers[0]);
  assert.equal((await members(callers[2]).fetch()).position, 3);
  await refused(api.queues(queue.sid).remove(), 22002);

  assert.equal((await members("Front").update({ url: `${office.url}/taken?who=front` })).callSid, callers[0]);
  await office.until("the front to be taken", (r) => r.query.who === "front" && r.params.CallSid === callers[0]);
  await members(callers[2]).update({ url: `${office.url}/taken?who=last`, method: "GET" });
  await office.until("the last to be taken", (r) => r.query.who === "last" && r.query.CallSid === callers[2]);
  await gone(members(callers[0]).fetch());
  assert.equal((await members(callers[1]).fetch()).position, 1);
  for (const sid of callers) await api.calls(sid).update({ status: "completed" });
  assert.equal(await api.queues(queue.sid).remove(), true);
});

test("calls are paged newest first while new ones come in", async () => {
  const sids = [];
  for (const from of ["+12065550321", "+12065550322", "+12065550323"]) sids.unshift(await callIn(from));
  const first = await api.calls.page({ to: own, status: "in-progress", pageSize: 2 });
  const late = await callIn("+12065550324");
  const second = await first.nextPage();
  assert.deepEqual([...first.instances, ...second.instances].map((c) => c.sid).slice(0, 3), sids);
  for (const sid of [late, ...sids]) await api.calls(sid).update({ status: "completed" });
  assert.deepEqual(await api.calls.list({ to: own, status: "in-progress" }), []);
  const numbers = await api.incomingPhoneNumbers.list({ phoneNumber: own });
  assert.equal(numbers[0].accountSid, twin.account_sid);
});
