// The rules of the page's mind, one by one. The names say the rules.

import { describe, expect, it } from "vitest";
import { same } from "../src/state";
import type { Heartbeat, Quality } from "../src/wire";
import { START, Page, offer, seat } from "./story";

describe("a call that was cut off", () => {
  const cut = offer({ why: "reconnect" });
  it("is taken again as soon as this page can talk, once", () => {
    const page = new Page().ready().house({ offers: [cut] });
    expect(page.asked("send")).toContainEqual({ c: "send", msg: { t: "accept", call: "c_1" } });
    const accepts = () => page.asked("send", page.commands).filter(({ msg }) => msg.t === "accept");
    page.house({ offers: [cut] }).wait(2000);
    expect(accepts()).toHaveLength(1);
    // Refused: once more, but not at once.
    page.tell({ e: "heard", msg: { t: "no", call: "c_1", why: "Not yet." } });
    expect(accepts()).toHaveLength(2);
    page.tell({ e: "heard", msg: { t: "no", call: "c_1", why: "Not yet." } });
    expect(accepts()).toHaveLength(2);
    expect(page.asked("ring", page.commands)).toEqual([]);
  });

  it("is asked for after the heartbeat that says that this page can talk", () => {
    const page = new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house({ offers: [cut] });
    page.tell({ e: "press", key: "enable" }).tell({ e: "mic", mic: "granted" }).tell({ e: "device", up: true });
    const said = page.asked("send").map(({ msg }) => (msg.t === "heartbeat" ? msg.ready : msg.t));
    expect(said).toEqual([true, "accept"]);
  });

  it("is not given away by a page that is loaded again and does not know yet whether it can talk", () => {
    const reloaded = () => new Page({ enabled: true }).tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house({ offers: [cut] });
    const beats = (page: Page) => page.asked("send", page.commands).flatMap(({ msg }) => (msg.t === "heartbeat" ? [msg.ready] : []));
    const page = reloaded();
    expect(page.asked("send", page.commands).map(({ msg }) => msg.t)).toEqual(["hello"]);
    page.tell({ e: "mic", mic: "granted" }).tell({ e: "device", up: true });
    expect(beats(page)).toEqual([true]);
    // Not for ever, and not where there is no hope; and whoever was never awake says so at once.
    expect(beats(reloaded().tell({ e: "tick" }, 4000))).toEqual([false]);
    expect(beats(reloaded().tell({ e: "mic", mic: "denied" }))).toEqual([false]);
    expect(beats(new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }))).toEqual([false]);
  });

  it("is not taken by a page that is not the phone, has no sound, or is in a call, nor is any other call", () => {
    const took = (page: Page) => page.asked("send", page.commands).some(({ msg }) => msg.t === "accept");
    expect(took(new Page().ready().house({ active: false, offers: [cut] }))).toBe(false);
    expect(took(new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house({ offers: [cut] }))).toBe(false);
    expect(took(new Page().talking().house({ seat: seat({ joined: true, at: "talking" }), offers: [offer({ call: "c_9", why: "reconnect" })] }))).toBe(false);
    expect(took(new Page().ready().house({ offers: [offer({ why: "returned" })] }))).toBe(false);
  });
});

describe("connecting", () => {
  it("connects once to a seat that is not joined, with its leg and ticket", () => {
    const page = new Page().ready().house({ seat: seat() });
    expect(page.asked("connect")).toEqual([{ c: "connect", n: 1, params: { op: "join", leg: "c_1.2", ticket: "t1" } }]);
    page.house({ seat: seat() }).house({ seat: seat({ ticket: "t2" }) }).wait(4000);
    expect(page.asked("connect", page.commands)).toHaveLength(1);
  });

  it("does not connect to a seat that is joined", () => {
    expect(new Page().ready().house({ seat: seat({ joined: true }) }).asked("connect")).toEqual([]);
  });

  it("does not connect while another page is the phone, nor before sound is enabled, nor without the carrier", () => {
    expect(new Page().ready().house({ active: false, seat: seat() }).asked("connect")).toEqual([]);
    const asleep = new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house({ seat: seat() });
    expect(asleep.asked("connect", asleep.commands)).toEqual([]);
    const cut = new Page().ready().tell({ e: "device", up: false }).house({ seat: seat() });
    expect(cut.asked("connect")).toEqual([]);
    expect(cut.tell({ e: "device", up: true }).asked("connect")).toHaveLength(1);
  });

  it("does not connect the same leg again when its call has ended, but another leg", () => {
    const page = new Page().talking().tell({ e: "call", n: 1, is: "ended" });
    expect(page.house({ seat: seat() }).wait(6000).asked("connect", page.commands)).toHaveLength(1);
    page.house({ seat: seat({ leg: "c_1.3", ticket: "t3" }) });
    expect(page.asked("connect")).toMatchObject([{ n: 2, params: { leg: "c_1.3", ticket: "t3" } }]);
  });

  it("leaves a living call alone when its seat's leg changes, and knows that leg from then on", () => {
    const page = new Page().talking();
    page.house({ seat: seat({ call: "c_2", leg: "c_2.1", joined: true, at: "talking" }) });
    expect(page.asked("connect")).toEqual([]);
    expect(page.asked("disconnect")).toEqual([]);
    page.tell({ e: "call", n: 1, is: "ended" }).house({ seat: seat({ call: "c_2", leg: "c_2.1" }) });
    expect(page.asked("connect")).toEqual([]);
  });

  it("tries again where no call came to be, a little later each time", () => {
    const page = new Page().ready().house({ seat: seat() }).tell({ e: "call", n: 1, is: "unplaced" });
    expect(page.asked("connect")).toEqual([]);
    expect(page.asked("wake")).toEqual([{ c: "wake", after: 200 }]);
    expect(page.tell({ e: "stir" }, 150).asked("connect")).toEqual([]);
    expect(page.tell({ e: "stir" }, 60).asked("connect")).toMatchObject([{ n: 2 }]);
    expect(page.tell({ e: "call", n: 2, is: "unplaced" }).asked("wake")).toEqual([{ c: "wake", after: 400 }]);
  });

  it("hangs up a call that has belonged to no seat for thirty seconds, not sooner and not twice", () => {
    const page = new Page().talking().house();
    expect(page.wait(28_000).asked("disconnect", page.commands)).toEqual([]);
    expect(page.wait(6000).asked("disconnect", page.commands)).toEqual([{ c: "disconnect", n: 1 }]);
    const found = new Page().talking().house().wait(20_000).house({ seat: seat({ joined: true, at: "talking" }) }).wait(28_000);
    expect(found.asked("disconnect", found.commands)).toEqual([]);
  });

  it("hangs up at once, without a leave, when another page has taken the phone: that one is the call's then", () => {
    const page = new Page().talking().house({ active: false, other: "Firefox" });
    expect(page.asked("disconnect", page.commands)).toEqual([{ c: "disconnect", n: 1 }]);
    expect(page.asked("send", page.commands).some(({ msg }) => msg.t === "leave")).toBe(false);
  });

  it("keeps a call while the server is away", () => {
    const page = new Page().talking().tell({ e: "line", up: false }).wait(90_000);
    expect(page.asked("disconnect", page.commands)).toEqual([]);
    expect(page.asked("mute", page.commands)).toEqual([]);
  });

  it("passes over what is reported of a call before this one", () => {
    const page = new Page().talking().tell({ e: "call", n: 1, is: "ended" }).house({ seat: seat({ leg: "c_1.3" }) });
    const before = page.state;
    page.tell({ e: "call", n: 1, is: "ended" }, 0).tell({ e: "call-sid", n: 1, sid: "CAold" }, 0);
    expect(page.state).toEqual(before);
  });
});

describe("the microphone", () => {
  it("is off in every place of a seat but three", () => {
    for (const [at, on] of [["connecting", true], ["talking", true], ["dialling", true], ["holding", false], ["held", false],
      ["parking", false], ["parked", false], ["transferring", false], ["ringing", false], ["anything else", false]] as const) {
      const page = new Page().talking().house({ seat: seat({ joined: true, at }) });
      expect(page.state.told.mic, at).toBe(on);
    }
  });

  it("is off from the key of hold until the server shows another place, and a late talking changes nothing", () => {
    const page = new Page().talking().tell({ e: "press", key: "hold" });
    expect(page.said).toEqual([{ t: "hold", call: "c_1" }]);
    expect(page.asked("mute")).toEqual([{ c: "mute", n: 1, on: true }]);
    page.house({ seat: seat({ joined: true, at: "talking" }), offers: [offer({ call: "c_5" })] });
    expect(page.asked("mute")).toEqual([]);
    page.house({ seat: seat({ joined: true, at: "holding" }) }).house({ seat: seat({ joined: true, at: "talking" }) });
    expect(page.asked("mute")).toEqual([{ c: "mute", n: 1, on: false }]);
  });

  it("is on again when the server refuses the hold, or never answers", () => {
    const refused = new Page().talking().tell({ e: "press", key: "hold" }).tell({ e: "heard", msg: { t: "no", call: "c_1", why: "It has ended." } });
    expect(refused.asked("mute")).toEqual([{ c: "mute", n: 1, on: false }]);
    expect(refused.state.note).toMatchObject({ say: "no", why: "It has ended." });
    const silence = new Page().talking().tell({ e: "press", key: "hold" }).wait(12_000);
    expect(silence.state.told.mic).toBe(true);
    expect(silence.state.note).toMatchObject({ say: "hold-late" });
  });

  it("believes the first state of a new connection about a hold that was lost on the way", () => {
    const page = new Page().talking().tell({ e: "press", key: "hold" }).tell({ e: "line", up: false }).tell({ e: "line", up: true }).welcome();
    expect(page.state.told.mic).toBe(false);
    expect(page.house({ seat: seat({ joined: true, at: "talking" }) }).state.told.mic).toBe(true);
  });

  it("obeys the console as it obeys the key, and says so at once", () => {
    const page = new Page().talking().tell({ e: "heard", msg: { t: "mute", on: true } });
    expect(page.asked("mute")).toEqual([{ c: "mute", n: 1, on: true }]);
    expect(page.beats).toMatchObject([{ muted: true, sid: "CA1" }]);
    expect(page.tell({ e: "heard", msg: { t: "mute", on: true } }).last).toEqual([]);
    expect(page.tell({ e: "press", key: "mute" }).asked("mute")).toEqual([{ c: "mute", n: 1, on: false }]);
  });

  it("begins off in a call that is joined on hold, and the person's own choice ends with the call", () => {
    const page = new Page().ready().house({ seat: seat({ at: "held" }) });
    expect(page.last.map(({ c }) => c)).toContain("mute");
    const muted = new Page().talking().tell({ e: "press", key: "mute" }).tell({ e: "call", n: 1, is: "ended" });
    expect(muted.state.muted).toBe(true);
    expect(muted.house().state.muted).toBe(false);
  });
});

describe("ringing", () => {
  it("rings, knocks during a call, and is quiet on another page's behalf, asleep, answered, declined or without a server", () => {
    const page = new Page().ready().house({ offers: [offer()] });
    expect(page.asked("ring")).toEqual([{ c: "ring", ring: "ring" }]);
    expect(page.house({ offers: [offer()] }).asked("ring")).toEqual([]);
    expect(page.house({ active: false, offers: [offer()] }).asked("ring")).toEqual([{ c: "ring", ring: "off" }]);
    expect(new Page().talking().house({ seat: seat({ joined: true, at: "talking" }), offers: [offer({ call: "c_2" })] }).asked("ring")).toEqual([{ c: "ring", ring: "knock" }]);
    const asleep = new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house({ offers: [offer()] });
    expect(asleep.asked("ring", asleep.commands)).toEqual([]);
    expect(new Page().ready().house({ offers: [offer()] }).tell({ e: "line", up: false }).asked("ring")).toEqual([{ c: "ring", ring: "off" }]);
  });

  it("accepts once, and again only when the server has refused or let the claim lapse", () => {
    const page = new Page().ready().house({ offers: [offer()] }).tell({ e: "press", key: "accept", call: "c_1" });
    expect(page.said).toEqual([{ t: "accept", call: "c_1" }]);
    expect(page.asked("mark")).toEqual([{ c: "mark", name: "accept-sent" }]);
    expect(page.asked("ring")).toEqual([{ c: "ring", ring: "off" }]);
    expect(page.tell({ e: "press", key: "accept", call: "c_1" }).said).toEqual([]);
    page.tell({ e: "heard", msg: { t: "no", call: "c_1", why: "Ada was quicker." } });
    expect(page.asked("ring")).toEqual([{ c: "ring", ring: "ring" }]);
    expect(page.tell({ e: "press", key: "accept", call: "c_1" }).said).toEqual([{ t: "accept", call: "c_1" }]);
    expect(page.wait(12_000).state.told.ring).toBe("ring");
  });

  it("accepts nothing that does not ring, and nothing while it cannot talk", () => {
    expect(new Page().ready().tell({ e: "press", key: "accept", call: "c_1" }).said).toEqual([]);
    expect(new Page().ready().house({ offers: [offer()] }).tell({ e: "device", up: false }).tell({ e: "press", key: "accept", call: "c_1" }).said).toEqual([]);
  });

  it("declines, saying whether because of another call", () => {
    const free = new Page().ready().house({ offers: [offer()] }).tell({ e: "press", key: "decline", call: "c_1" });
    expect(free.said).toEqual([{ t: "decline", call: "c_1" }]);
    expect(free.asked("ring")).toEqual([{ c: "ring", ring: "off" }]);
    const busy = new Page().talking().house({ seat: seat({ joined: true, at: "talking" }), offers: [offer({ call: "c_2" })] }).tell({ e: "press", key: "decline", call: "c_2" });
    expect(busy.said).toEqual([{ t: "decline", call: "c_2", busy: true }]);
  });
});

describe("hanging up", () => {
  it("says that the leave is meant before it disconnects, and does not go back in", () => {
    const page = new Page().talking().tell({ e: "press", key: "hangup" });
    expect(page.last.filter(({ c }) => c !== "send" || page.said.length > 0).map((c) => (c.c === "send" ? c.msg.t : c.c))).toEqual(["leave", "disconnect"]);
    expect(page.tell({ e: "press", key: "hangup" }).asked("disconnect")).toEqual([]);
    page.tell({ e: "call", n: 1, is: "ended" }).house({ seat: seat() }).wait(4000);
    expect(page.asked("connect", page.commands)).toHaveLength(1);
  });

  it("does not enter a seat that was left before it was entered", () => {
    const page = new Page().ready().tell({ e: "device", up: false }).house({ seat: seat() }).tell({ e: "press", key: "hangup" });
    expect(page.said).toEqual([{ t: "leave", call: "c_1" }]);
    expect(page.tell({ e: "device", up: true }).asked("connect")).toEqual([]);
  });

  it("tells the server afterwards if it was away, unless that is long ago", () => {
    const page = new Page().talking().tell({ e: "line", up: false }).tell({ e: "press", key: "hangup" });
    expect(page.asked("disconnect")).toHaveLength(1);
    expect(page.tell({ e: "line", up: true }).welcome().said).toEqual([{ t: "leave", call: "c_1" }]);
    const late = new Page().talking().tell({ e: "line", up: false }).tell({ e: "press", key: "hangup" }).wait(40_000);
    expect(late.tell({ e: "line", up: true }).welcome().said).toEqual([]);
  });

  it("leaves others' legs alone on a page that is not the phone", () => {
    const page = new Page().ready().house({ active: false, seat: seat({ joined: true, at: "talking" }) }).tell({ e: "press", key: "hangup" });
    expect(page.said).toEqual([]);
    expect(page.asked("disconnect")).toEqual([]);
  });
});

describe("a call for help", () => {
  const emergency = { e: "heard", msg: { t: "emergency", to: "112" } } as const;

  it("hangs up what there is, then dials", () => {
    const page = new Page().talking().tell(emergency);
    expect(page.asked("disconnect")).toEqual([{ c: "disconnect", n: 1 }]);
    expect(page.asked("connect")).toEqual([]);
    page.tell({ e: "call", n: 1, is: "ended" });
    expect(page.asked("connect")).toEqual([{ c: "connect", n: 2, params: { op: "dial", to: "112" } }]);
  });

  it("is one call though it is said twice, is never hung up for want of a seat, and nothing dials it again", () => {
    const page = new Page().ready().tell(emergency).tell(emergency);
    expect(page.asked("connect", page.commands)).toHaveLength(1);
    page.tell({ e: "call", n: 1, is: "open" }).wait(60_000);
    expect(page.asked("disconnect", page.commands)).toEqual([]);
    expect(page.state.told.mic).toBe(true);
    page.tell({ e: "call", n: 1, is: "ended" }).wait(4000);
    expect(page.asked("connect", page.commands)).toHaveLength(1);
  });

  it("is over when it is over, however short it was", () => {
    const page = new Page().ready().tell(emergency).tell({ e: "call", n: 1, is: "open" }).wait(4000).tell({ e: "call", n: 1, is: "ended" }).wait(4000);
    expect(page.asked("connect", page.commands)).toHaveLength(1);
  });

  it("waits for nothing but a way to the carrier, and takes the mute away", () => {
    const page = new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house().tell(emergency);
    expect(page.last.map(({ c }) => c).filter((c) => c !== "send")).toEqual(["start", "connect"]);
    const muted = new Page().talking().tell({ e: "press", key: "mute" }).tell(emergency).tell({ e: "call", n: 1, is: "ended" });
    expect(muted.state.told.mic).toBe(true);
  });

  it("is tried again where it could not be placed, and is not held", () => {
    const page = new Page().ready().tell(emergency).tell({ e: "call", n: 1, is: "unplaced" }).tell({ e: "stir" }, 250);
    expect(page.asked("connect")).toMatchObject([{ n: 2, params: { op: "dial" } }]);
    expect(page.house({ seat: seat({ joined: true, at: "talking" }) }).tell({ e: "press", key: "hold" }).said).toEqual([]);
  });
});

describe("what it says of itself", () => {
  it("says hello first, then beats at every tick, and between them only what is new", () => {
    const page = new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true });
    expect(page.asked("send").map(({ msg }) => msg.t)).toEqual(["hello", "heartbeat"]);
    expect(page.asked("send")[0]!.msg).toEqual({ t: "hello", version: 2 });
    const back = new Page().talking().tell({ e: "line", up: false }).tell({ e: "line", up: true });
    expect(back.asked("send", back.last)[0]!.msg).toEqual({ t: "hello", version: 2, sid: "CA1" });
    expect(page.tell({ e: "tick" }).beats).toHaveLength(1);
    expect(page.house().beats).toEqual([]);
    expect(page.tell({ e: "stir" }).beats).toHaveLength(1);
  });

  it("is the phone and awake by one press, where another page was the phone", () => {
    const page = new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house({ active: false, other: "Firefox" });
    page.tell({ e: "press", key: "take" });
    expect(page.said).toEqual([{ t: "take" }]);
    expect(page.asked("open-microphone")).toHaveLength(1);
    page.tell({ e: "mic", mic: "granted" });
    expect(page.tell({ e: "press", key: "take" }).asked("open-microphone")).toEqual([]);
  });

  it("is ready when sound is enabled, the microphone granted and the stream up, whatever the registration said", () => {
    const page = new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house();
    expect(page.tell({ e: "tick" }).beats).toMatchObject([{ ready: false, trouble: "asleep" }]);
    page.tell({ e: "press", key: "enable" });
    expect(page.said).toEqual([{ t: "take" }]);
    expect(page.asked("open-microphone")).toHaveLength(1);
    page.tell({ e: "mic", mic: "granted" });
    expect(page.asked("start")).toEqual([{ c: "start", token: "T1", signalling: null }]);
    expect(page.tell({ e: "device", up: true }).beats).toEqual([{ t: "heartbeat", ready: true, muted: false }]);
  });

  it("names each trouble", () => {
    const beat = (page: Page) => page.tell({ e: "tick" }).beats[0]!.trouble;
    expect(beat(new Page({ secure: false }).ready())).toBe("insecure");
    expect(beat(new Page().ready().tell({ e: "mic", mic: "denied" }))).toBe("microphone-denied");
    expect(beat(new Page().ready().tell({ e: "mic", mic: "missing" }))).toBe("no-microphone");
    const cut = new Page().ready().tell({ e: "device", up: false });
    expect(beat(cut)).toBeUndefined();
    expect(beat(cut.wait(4000))).toBe("carrier");
    expect(beat(new Page().talking().tell({ e: "call", n: 1, is: "silent" }))).toBe("no-network-audio");
    expect(beat(new Page().talking().tell({ e: "call", n: 1, is: "silent" }).tell({ e: "call", n: 1, is: "flowing" }))).toBeUndefined();
  });

  it("is said again when any part of it is new, and only then", () => {
    // Whole, so that a part that is added later is compared as well.
    const quality: Required<Quality> = { rtt_ms: 1, jitter_ms: 2, loss_percent: 3, warning: "high-rtt" };
    const whole: Required<Heartbeat> = { t: "heartbeat", ready: true, sid: "CA1", muted: false, trouble: "carrier", quality };
    expect(same(whole, { ...whole, quality: { ...quality } })).toBe(true);
    expect([same(null, null), same(whole, null), same(null, whole)]).toEqual([true, false, false]);
    for (const part of Object.keys(whole).slice(1)) expect(same(whole, { ...whole, [part]: undefined }), part).toBe(false);
    for (const part of Object.keys(quality)) expect(same(whole, { ...whole, quality: { ...quality, [part]: undefined } }), part).toBe(false);
  });

  it("rounds what it measures, and tells the worst warning", () => {
    const page = new Page().talking().tell({ e: "sample", n: 1, rtt: 123, jitter: 7.4, loss: 0.6 });
    expect(page.beats).toMatchObject([{ quality: { rtt_ms: 120, jitter_ms: 5, loss_percent: 1 } }]);
    expect(page.tell({ e: "sample", n: 1, rtt: 118, jitter: 6, loss: 1.1 }).last).toEqual([]);
    expect(page.tell({ e: "sample", n: 1, rtt: NaN, jitter: -1, loss: 400 }).beats).toMatchObject([{ quality: { rtt_ms: 0, jitter_ms: 0, loss_percent: 100 } }]);
    page.tell({ e: "warning", n: 1, warning: "high-rtt", on: true }).tell({ e: "warning", n: 1, warning: "reconnecting", on: true });
    expect(page.beats).toMatchObject([{ quality: { warning: "reconnecting" } }]);
    expect(page.tell({ e: "warning", n: 1, warning: "reconnecting", on: false }).beats).toMatchObject([{ quality: { warning: "high-rtt" } }]);
  });
});

describe("tokens", () => {
  it("asks when one is refused or about to end, not in a storm, and hands the answer on", () => {
    const page = new Page().ready().tell({ e: "token-wanted", refused: true });
    expect(page.said).toEqual([{ t: "token" }]);
    expect(page.beats).toMatchObject([{ trouble: "carrier" }]);
    expect(page.tell({ e: "token-wanted", refused: true }).said).toEqual([]);
    expect(page.tell({ e: "heard", msg: { t: "token", token: "T2", expires: START + 7_200_000 } }).asked("token")).toEqual([{ c: "token", token: "T2" }]);
    expect(page.tell({ e: "heard", msg: { t: "token", token: "T2", expires: START + 7_200_000 } }).last).toEqual([]);
  });

  it("asks again until one is taken, every few seconds, whatever the answers are", () => {
    const asks = (page: Page, ms: number) => {
      const before = page.commands.length;
      return page.wait(ms).asked("send", page.commands.slice(before)).filter(({ msg }) => msg.t === "token").length;
    };
    const page = new Page().ready().tell({ e: "token-wanted", refused: true });
    // The very token that was refused, then one that is refused at once, then silence.
    page.tell({ e: "heard", msg: { t: "token", token: "T1", expires: START + 7_200_000 } });
    expect(asks(page, 6000)).toBe(1);
    page.tell({ e: "heard", msg: { t: "token", token: "T2", expires: START + 7_200_000 } });
    expect(page.tell({ e: "token-wanted", refused: true }).said).toEqual([]);
    expect(asks(page, 60_000)).toBe(10);
    page.tell({ e: "heard", msg: { t: "token", token: "T3", expires: START + 7_200_000 } });
    expect(asks(page, 60_000)).toBe(0);
  });

  it("asks before the end though the SDK's own timer slept, by the server's clock", () => {
    const page = new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true });
    page.tell({ e: "heard", msg: { t: "welcome", version: 2, identity: "u1", name: "G", token: "T1", expires: START + 3_600_000 + 100_000, now: START + 3_600_000 } });
    page.house().tell({ e: "press", key: "enable" }).tell({ e: "mic", mic: "granted" }).tell({ e: "device", up: true });
    expect(page.wait(30_000).said).toEqual([]);
    expect(page.wait(14_000).asked("send", page.commands).filter(({ msg }) => msg.t === "token")).toHaveLength(1);
  });

  it("keeps a token that holds through a new connection, so that a call is not disturbed", () => {
    const page = new Page().talking().tell({ e: "line", up: false }).tell({ e: "line", up: true }).welcome({ token: "T2" });
    expect(page.asked("token")).toEqual([]);
    const refused = new Page().ready().tell({ e: "token-wanted", refused: true }).tell({ e: "line", up: false }).tell({ e: "line", up: true }).welcome({ token: "T2" });
    expect(refused.asked("token")).toEqual([{ c: "token", token: "T2" }]);
  });

  it("begins anew where the carrier has moved", () => {
    const page = new Page().ready().tell({ e: "line", up: false }).tell({ e: "line", up: true }).welcome({ token: "T2", signalling: "127.0.0.1:4010" });
    expect(page.asked("start")).toEqual([{ c: "start", token: "T2", signalling: "127.0.0.1:4010" }]);
  });
});

describe("a registration that the SDK has forgotten", () => {
  /** When it was asked for, in seconds since it was forgotten. */
  const asked = (page: Page, seconds: number): number[] => {
    const begin = page.at;
    const moments = [];
    for (let waited = 0; waited < seconds; waited += 2) {
      page.tell({ e: "tick" }, 2000);
      if (page.asked("register").length > 0) moments.push((page.at - begin) / 1000);
    }
    return moments;
  };
  const forgotten = () => new Page().ready().tell({ e: "forgotten", is: true });

  it("is asked for again, later each time, and the page can talk meanwhile", () => {
    const page = forgotten();
    expect(page.asked("register")).toEqual([]);
    expect(asked(page, 240)).toEqual([2, 6, 14, 30, 62, 122, 182]);
    expect(page.tell({ e: "tick" }).beats).toMatchObject([{ ready: true }]);
    expect(page.house({ seat: seat() }).asked("connect")).toHaveLength(1);
  });

  it("is asked for no more when it is held, or the stream is gone", () => {
    expect(asked(forgotten().tell({ e: "forgotten", is: false }), 60)).toEqual([]);
    expect(asked(forgotten().tell({ e: "device", up: false }), 60)).toEqual([]);
    expect(asked(forgotten().tell({ e: "device", up: false }).tell({ e: "device", up: true }), 60)).toEqual([]);
    expect(asked(new Page().tell({ e: "forgotten", is: true }), 60)).toEqual([]);
  });

  it("is not asked for in a storm where it is taken and forgotten again, and soon again where it held for long", () => {
    const flapping = () => {
      const page = forgotten();
      expect(asked(page, 6)).toEqual([2, 6]);
      return page.tell({ e: "forgotten", is: false });
    };
    expect(asked(flapping().tell({ e: "forgotten", is: true }), 12)).toEqual([8]);
    expect(asked(flapping().wait(120_000).tell({ e: "forgotten", is: true }), 4)).toEqual([2]);
  });
});

describe("sleep and loss", () => {
  it("connects everything anew when the machine has slept, but lets a call be", () => {
    const page = new Page().ready().wait(4000).tell({ e: "tick" }, 11_000);
    expect(page.last.map(({ c }) => c)).toEqual(expect.arrayContaining(["reconnect", "rebuild"]));
    const call = new Page().talking().wait(4000).tell({ e: "tick" }, 60_000);
    expect(call.asked("reconnect")).toHaveLength(1);
    expect(call.asked("rebuild")).toEqual([]);
    expect(new Page().ready().wait(4000).tell({ e: "tick" }, 9000).asked("reconnect")).toEqual([]);
  });

  it("gives up a socket on which it has heard nothing for three of the server's pulses, once", () => {
    const fresh = () => new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true });
    const heard = () => fresh().welcome({ pulse_ms: 5000 }).house();
    const asks = (page: Page) => page.asked("reconnect", page.commands).length;
    expect(asks(heard().wait(14_000))).toBe(0);
    expect(asks(heard().wait(14_000).house().wait(14_000))).toBe(0);
    const dead = heard().wait(16_000);
    expect(asks(dead)).toBe(1);
    // The line does so, and is asked for nothing while it looks for the server.
    expect(asks(dead.tell({ e: "line", up: false }).wait(60_000))).toBe(1);
    // A server that has never welcomed us, and one that says only what there is.
    expect(asks(fresh().wait(16_000))).toBe(1);
    expect(asks(fresh().welcome().house().wait(600_000))).toBe(0);
  });

  it("asks a silent server again when the carrier is lost: nothing else shows a dead network", () => {
    expect(new Page().ready().wait(12_000).tell({ e: "device", up: false }).asked("reconnect")).toHaveLength(1);
    expect(new Page().ready().house().tell({ e: "device", up: false }).asked("reconnect")).toEqual([]);
  });

  it("remembers for a reload that sound was enabled", () => {
    expect(new Page().tell({ e: "press", key: "enable" }).asked("remember")).toEqual([{ c: "remember", enabled: true, muted: false }]);
    const again = new Page({ enabled: true }).tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house({ seat: seat() });
    expect(again.tell({ e: "mic", mic: "granted" }).asked("start")).toHaveLength(1);
    expect(again.tell({ e: "device", up: true }).asked("connect")).toHaveLength(1);
  });

  it("says that what was lost is gone, for a while", () => {
    const page = new Page().ready().tell({ e: "lost", what: "microphone", label: "Headset" });
    expect(page.state.note).toMatchObject({ say: "microphone-lost", label: "Headset" });
    expect(page.wait(16_000).state.note).toBeNull();
    // No other is used where there is none.
    expect(page.tell({ e: "mic", mic: "missing" }).tell({ e: "lost", what: "microphone", label: "" }).state.note).toBeNull();
    expect(page.tell({ e: "lost", what: "output", label: "" }).state.note).toMatchObject({ say: "output-lost" });
  });
});

describe("the keypad", () => {
  it("sends keys only while it is open in a call, and only keys that exist", () => {
    const page = new Page().talking();
    expect(page.tell({ e: "digit", digit: "5" }).last).toEqual([]);
    page.tell({ e: "press", key: "keypad" });
    expect(page.tell({ e: "digit", digit: "5" }).asked("digit")).toEqual([{ c: "digit", n: 1, digit: "5" }]);
    expect(page.tell({ e: "digit", digit: "w" }).last).toEqual([]);
    expect(page.tell({ e: "call", n: 1, is: "ended" }).state.keypad).toBe(false);
    expect(page.tell({ e: "press", key: "keypad" }).state.keypad).toBe(false);
  });
});
