// The twin's requests as a customer's server sees them: signed so that the official validator accepts them, repeated
// under the same token, and following the TwiML that the official builder wrote.

import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import twilio from "twilio";
import { Office, buyNumber, client, control, fault, telephones, twin, untilCall } from "./support.js";

const { VoiceResponse } = twilio.twiml;
const api = client();
const token = (request) => request.headers["i-twilio-idempotency-token"];
let office, line;

before(async () => {
  office = await Office.open();
  line = await buyNumber();
  await telephones({
    "+12065550401": { does: "answers", after: 0 },
    "+12065550402": { does: "voicemail", after: 0 },
    "+12065550403": { does: "busy" },
    "+12065550404": { does: "answers_and_presses", after: 0, digits: "5", wait: 0.2 },
  });
});
beforeEach(() => control("fault", { clear: true }));
after(() => office.close());

/** Points the line at `settings` (paths of the office) and lets somebody call it; the call's sid. */
async function callTheLine(settings, caller = {}) {
  const urls = { voiceUrl: "", voiceFallbackUrl: "", statusCallback: "", voiceMethod: "POST", ...settings };
  for (const key of ["voiceUrl", "voiceFallbackUrl", "statusCallback"]) urls[key] &&= office.url + urls[key];
  await api.incomingPhoneNumbers(line.sid).update(urls);
  return (await control("call", { from: "+12065550499", to: line.phoneNumber, ...caller })).call_sid;
}

test("a voice request and a status callback are Twilio's, and altered ones are not", async () => {
  const twiml = new VoiceResponse();
  twiml.say({ voice: "alice", language: "en-GB" }, "Thank you & goodbye.");
  twiml.hangup();
  office.answer("/voice", twiml);
  const sid = await callTheLine({ voiceUrl: "/voice?desk=1&name=a%20b", statusCallback: "/status" });
  const asked = await office.until("the voice request", (r) => r.params.CallSid === sid && r.path === "/voice");
  const told = await office.until("the status callback", (r) => r.params.CallSid === sid && r.path === "/status");
  assert.deepEqual([asked.params.CallStatus, asked.params.Direction, asked.params.From], ["ringing", "inbound", "+12065550499"]);
  assert.deepEqual([told.params.CallStatus, told.params.AccountSid], ["completed", twin.account_sid]);
  assert.equal(asked.headers["user-agent"], "TwilioProxy/1.1");
  for (const request of [asked, told]) {
    const valid = (secret, url, params) => twilio.validateRequest(secret, request.signature, url, params);
    assert.ok(valid(twin.auth_token, request.url, request.params));
    assert.ok(!valid(twin.api_secret, request.url, request.params), "another secret");
    assert.ok(!valid(twin.auth_token, `${request.url}x`, request.params), "another address");
    assert.ok(!valid(twin.auth_token, request.url, { ...request.params, From: "+12065550498" }), "another value");
    assert.ok(!valid(twin.auth_token, request.url, { ...request.params, Extra: "1" }), "one more parameter");
  }
});

test("a GET is signed with its parameters in the address", async () => {
  office.answer("/by-get", "<Response><Reject/></Response>");
  const sid = await callTheLine({ voiceUrl: "/by-get?own=1", voiceMethod: "GET" }, { name: "Zoë & Søn" });
  const asked = await office.until("the GET", (r) => r.query.CallSid === sid);
  assert.deepEqual([asked.method, asked.query.own, asked.query.CallerName], ["GET", "1", "Zoë & Søn"]);
  assert.ok(asked.valid);
  await untilCall(sid, "no-answer");
});

test("a retry that the address asks for carries the same token and a good signature", async () => {
  const answers = [503, 404];
  office.answer("/flaky", () => answers.shift() ?? "<Response><Hangup/></Response>");
  const sid = await callTheLine({ voiceUrl: "/flaky?x=1#rc=3&rp=4xx,5xx" });
  await untilCall(sid, "completed");
  const tries = office.to("/flaky");
  assert.equal(tries.length, 3);
  assert.ok(tries.every((r) => r.valid && r.params.CallSid === sid && token(r) === token(tries[0])));
  assert.match(token(tries[0]), /^[0-9a-f-]{36}$/);
});

test("a doubled callback is the same one: same token, same parameters, both signed", async () => {
  await fault("next.webhook_double=completed");
  office.answer("/bye", "<Response><Hangup/></Response>");
  const sid = await callTheLine({ voiceUrl: "/bye", statusCallback: "/doubled" });
  const mine = () => office.to("/doubled").filter((r) => r.params.CallSid === sid);
  await office.until("the double", () => mine().length === 2);
  const [one, two] = mine();
  assert.ok(one.valid && two.valid);
  assert.deepEqual([token(two), two.params], [token(one), one.params]);
});

test("where the voice request fails, the fallback is asked and told why", async () => {
  office.answer("/broken", 500);
  office.answer("/garbled", "<Response><Say>unclosed</Response>");
  office.answer("/fallback", "<Response><Hangup/></Response>");
  for (const [path, code] of [["/broken", "11200"], ["/garbled", "12100"]]) {
    const sid = await callTheLine({ voiceUrl: path, voiceFallbackUrl: "/fallback" });
    const asked = await office.until(`the fallback of ${path}`, (r) => r.path === "/fallback" && r.params.CallSid === sid);
    assert.deepEqual([asked.params.ErrorCode, asked.params.ErrorUrl], [code, office.url + path]);
    assert.ok(asked.valid);
    await untilCall(sid, "completed");
    assert.ok((await api.calls(sid).notifications.list()).some((n) => n.errorCode === code));
  }
});

test("keys are gathered, and the call goes where the menu leads", async () => {
  const menu = new VoiceResponse();
  const gather = menu.gather({ numDigits: 2, action: "/chosen?menu=1", timeout: 20, input: "dtmf" });
  gather.say("Press two keys.");
  gather.pause({ length: 20 });
  menu.redirect("/never");
  office.answer("/menu", menu);
  const chosen = new VoiceResponse();
  chosen.redirect({ method: "GET" }, "/last?step=2");
  office.answer("/chosen", chosen);
  office.answer("/last", "<Response><Hangup/></Response>");
  const sid = await callTheLine({ voiceUrl: "/menu" });
  await untilCall(sid, "in-progress");
  await control("press", { call_sid: sid, digits: "42" });
  const asked = await office.until("the menu's action", (r) => r.path === "/chosen" && r.params.CallSid === sid);
  assert.deepEqual([asked.params.Digits, asked.query.menu], ["42", "1"]);
  await office.until("the last step", (r) => r.path === "/last" && r.method === "GET" && r.query.CallSid === sid);
  await untilCall(sid, "completed");
  assert.deepEqual(office.to("/never"), []);
});

test("a number is dialled: its own callbacks, then the action with the outcome", async () => {
  const twiml = new VoiceResponse();
  const dial = twiml.dial({ action: "/dialled", timeout: 10, callerId: line.phoneNumber });
  const events = ["initiated", "ringing", "answered", "completed"];
  dial.number({ statusCallback: "/leg", statusCallbackEvent: events }, "+12065550401");
  office.answer("/dial", twiml);
  const sid = await callTheLine({ voiceUrl: "/dial" });
  const leg = await office.until("the leg to answer", (r) => r.path === "/leg" && r.params.CallStatus === "in-progress");
  assert.equal(leg.params.ParentCallSid, sid);
  await api.calls(leg.params.CallSid).update({ status: "completed" });
  const done = await office.until("the dial's action", (r) => r.path === "/dialled" && r.params.CallSid === sid);
  assert.deepEqual([done.params.DialCallStatus, done.params.DialCallSid], ["completed", leg.params.CallSid]);
  await office.until("the leg's end", (r) => r.path === "/leg" && r.params.CallStatus === "completed");
  const legs = office.to("/leg").sort((a, b) => a.params.SequenceNumber - b.params.SequenceNumber);
  assert.deepEqual(legs.map((r) => r.params.CallStatus), ["initiated", "ringing", "in-progress", "completed"]);

  const engaged = new VoiceResponse();
  engaged.dial({ action: "/engaged" }, "+12065550403");
  office.answer("/dial", engaged);
  const other = await callTheLine({ voiceUrl: "/dial" });
  const busy = await office.until("the busy dial's action", (r) => r.path === "/engaged" && r.params.CallSid === other);
  assert.equal(busy.params.DialCallStatus, "busy");
});

test("a conference is entered with the builder's attributes, and reports every step in order", async () => {
  const twiml = new VoiceResponse();
  twiml.dial({ action: "/left-room" }).conference(
    {
      startConferenceOnEnter: false,
      endConferenceOnExit: true,
      muted: true,
      beep: "false",
      participantLabel: "customer",
      waitUrl: "/wait",
      waitMethod: "GET",
      statusCallback: "/room?c=7",
      statusCallbackEvent: ["start", "end", "join", "leave", "mute", "hold"],
    },
    "room 7/ä",
  );
  office.answer("/conference", twiml);
  const music = new VoiceResponse();
  music.pause({ length: 60 });
  office.answer("/wait", music);
  const sid = await callTheLine({ voiceUrl: "/conference" });
  const waits = await office.until("the wait document", (r) => r.path === "/wait" && r.query.CallSid === sid);
  assert.equal(waits.method, "GET");
  const joined = await office.until("the join", (r) => r.params.StatusCallbackEvent === "participant-join");
  assert.deepEqual(
    [joined.params.FriendlyName, joined.params.ParticipantLabel, joined.params.Muted, joined.query.c],
    ["room 7/ä", "customer", "true", "7"],
  );
  const room = api.conferences(joined.params.ConferenceSid);
  const [customer] = await room.participants.list();
  assert.deepEqual([customer.label, customer.muted, customer.startConferenceOnEnter, customer.endConferenceOnExit], ["customer", true, false, true]);
  await room.participants.create({ from: line.phoneNumber, to: "+12065550401", label: "desk", waitUrl: "" });
  await office.until("the start", (r) => r.params.StatusCallbackEvent === "conference-start");
  await room.participants("customer").update({ muted: false });
  await room.participants("customer").remove();
  const ended = await office.until("the end", (r) => r.params.StatusCallbackEvent === "conference-end");
  assert.equal(ended.params.ReasonConferenceEnded, "participant-with-end-conference-on-exit-kicked");
  await office.until("the dial's action", (r) => r.path === "/left-room" && r.params.CallSid === sid);
  await office.until("all events", () => office.to("/room").length === 7);
  const events = office.to("/room").sort((a, b) => a.params.SequenceNumber - b.params.SequenceNumber);
  assert.deepEqual(
    events.map((r) => [r.params.SequenceNumber, r.params.StatusCallbackEvent]),
    ["participant-join", "participant-join", "conference-start", "participant-unmute", "participant-leave", "participant-leave", "conference-end"]
      .map((event, at) => [String(at + 1), event]),
  );
});

test("a message is recorded, and a machine is told from a person", async () => {
  const twiml = new VoiceResponse();
  twiml.record({ maxLength: 1, action: "/recorded", recordingStatusCallback: "/recording", finishOnKey: "#" });
  office.answer("/record", twiml);
  const sid = await callTheLine({ voiceUrl: "/record" });
  const done = await office.until("the recording's action", (r) => r.path === "/recorded" && r.params.CallSid === sid);
  const told = await office.until("the recording's callback", (r) => r.path === "/recording" && r.params.CallSid === sid);
  assert.deepEqual([told.params.RecordingSid, told.params.RecordingStatus], [done.params.RecordingSid, "completed"]);
  assert.equal((await api.recordings(done.params.RecordingSid).fetch()).source, "RecordVerb");

  const machine = await api.calls.create({
    to: "+12065550402",
    from: line.phoneNumber,
    twiml: "<Response><Pause length='30'/></Response>",
    machineDetection: "Enable",
    asyncAmd: "true",
    asyncAmdStatusCallback: `${office.url}/amd`,
  });
  const detected = await office.until("the detection", (r) => r.path === "/amd" && r.params.CallSid === machine.sid);
  assert.equal(detected.params.AnsweredBy, "machine_start");
  assert.equal((await api.calls(machine.sid).fetch()).answeredBy, "machine_start");
  await api.calls(machine.sid).update({ status: "completed" });
});

test("an outgoing call reports the events asked for, and its keys reach a menu", async () => {
  const menu = new VoiceResponse();
  menu.gather({ numDigits: 1, action: "/pressed", timeout: 20 }).pause({ length: 20 });
  office.answer("/out", menu);
  const call = await api.calls.create({
    to: "+12065550404",
    from: line.phoneNumber,
    url: `${office.url}/out`,
    statusCallback: `${office.url}/out-status`,
    statusCallbackEvent: ["initiated", "ringing", "answered", "completed"],
  });
  const pressed = await office.until("the key", (r) => r.path === "/pressed" && r.params.CallSid === call.sid);
  assert.deepEqual([pressed.params.Digits, pressed.params.Direction], ["5", "outbound-api"]);
  await office.until("all four events", () => office.to("/out-status").length === 4);
  const events = office.to("/out-status").sort((a, b) => a.params.SequenceNumber - b.params.SequenceNumber);
  assert.deepEqual(events.map((r) => r.params.CallStatus), ["initiated", "ringing", "in-progress", "completed"]);
});
