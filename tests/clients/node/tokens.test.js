// Access tokens of the official class: the ones a page could use connect, the others are refused with the SDK's codes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import twilio from "twilio";
import { Office, client, control, twin, untilCall } from "./support.js";

const { AccessToken } = twilio.jwt;
const api = client();
let office;

before(async () => {
  office = await Office.open();
  office.answer("/client", "<Response><Pause length='600'/></Response>");
  await api.applications(twin.app_sid).update({ voiceUrl: `${office.url}/client` });
});
after(() => office.close());

/** A token of the account, or one that is odd in some way. */
function mint({ account = twin.account_sid, key = twin.api_key, secret = twin.api_secret, grant, ...options } = {}) {
  const token = new AccessToken(account, key, secret, { identity: "mia", ttl: 600, ...options });
  token.addGrant(new AccessToken.VoiceGrant(grant ?? { outgoingApplicationSid: twin.app_sid, incomingAllow: true }));
  return token.toJwt();
}

const connect = (token, params = {}) => control("connect", { token, params });

test("a token of the account's key connects, and its parameters reach the application", async () => {
  const connected = await connect(mint(), { To: "room:7", note: "ñ + & = 100%", CallSid: "forged" });
  assert.deepEqual([connected.identity, connected.ttl > 500], ["mia", true]);
  const sid = connected.call_sid;
  const asked = await office.until("the application's voice request", (r) => r.params.CallSid === sid);
  assert.deepEqual(
    [asked.params.From, asked.params.To, asked.params.note, asked.params.ApplicationSid],
    ["client:mia", "room:7", "ñ + & = 100%", twin.app_sid],
  );
  assert.ok(asked.valid);
  await untilCall(sid, "in-progress");
  assert.equal((await api.calls(sid).fetch()).from, "client:mia");
  assert.match((await connect(mint())).refused.why, /already active/);
  await api.calls(sid).update({ status: "completed" });
});

test("a key made over the API signs tokens until it is removed", async () => {
  const key = await api.newKeys.create({ friendlyName: "Signer" });
  const { call_sid: sid } = await connect(mint({ key: key.sid, secret: key.secret, identity: "noa" }));
  await untilCall(sid, "in-progress");
  await control("disconnect", { call_sid: sid });
  await untilCall(sid, "completed");
  await api.keys(key.sid).remove();
  assert.equal((await connect(mint({ key: key.sid, secret: key.secret }))).refused.code, 20103);
});

test("expired, foreign, forged and incomplete tokens are refused, each by its code", async () => {
  const now = Math.floor(Date.now() / 1000);
  const good = mint();
  const [head, claims, mark] = good.split(".");
  const altered = JSON.parse(Buffer.from(claims, "base64url"));
  altered.grants.identity = "boss";
  const forged = [head, Buffer.from(JSON.stringify(altered)).toString("base64url"), mark].join(".");
  const cases = {
    "an expired one": [31205, mint({ ttl: -60 })],
    "one for more than a day": [31207, mint({ ttl: 90_000 })],
    "one of tomorrow": [20105, mint({ nbf: now + 3600, ttl: 7200 })],
    "one signed with another secret": [31202, mint({ secret: "s".repeat(32) })],
    "one with other claims under its signature": [31202, forged],
    "one of an unknown key": [20103, mint({ key: `SK${"0".repeat(32)}` })],
    "one of another account": [20103, mint({ account: `AC${"0".repeat(32)}` })],
    "one without a grant for calling": [20106, mint({ grant: { incomingAllow: true } })],
    "one for somebody with a space": [31204, mint({ identity: "mia smith" })],
    "one without its signature": [31202, `${head}.${claims}.`],
    "no token at all": [20101, "garbage"],
    "an empty one": [20101, ""],
  };
  for (const [name, [code, token]] of Object.entries(cases)) {
    const { refused, call_sid: sid } = await connect(token);
    assert.equal(sid, undefined, `${name} got through`);
    assert.equal(refused.code, code, `${name}: ${refused.why}`);
  }
  const unknown = mint({ grant: { outgoingApplicationSid: `AP${"0".repeat(32)}` } });
  assert.ok((await connect(unknown)).refused, "a token for an unknown application got through");
});
