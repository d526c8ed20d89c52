// The carrier's side: the one file that imports the Voice SDK.
//
// It does what the reducer's commands say and reports what comes of it. It must not decide about calls, and it uses
// nothing private of the SDK but the two options that point it at the carrier's double, and only there. What the SDK does
// not say it is asked for: whether its stream is connected shows in `edge`; a peer connection of our own class (a public
// option) shows when the first sound arrives.
//
// Read next: sound.ts (which microphone and which speaker), state.ts (what is reported).

import { Device } from "@twilio/voice-sdk";
import type { Call } from "@twilio/voice-sdk";
import type { Happening } from "./state";
import type { Warning } from "./wire";

const SILENCE = "/assets/silence.wav";
/** The token's fault: invalid, expired, as the SDK or as the gateway spells it. */
const EXPIRED = [20104, 31205];
const TOKEN = [20101, 31204, ...EXPIRED];
const MICROPHONE_DENIED = 31401;
const MICROPHONE_BROKEN = 31402;
/** How long an open call may bring no sound before that is said. */
const QUIET = 3000;
/** How long the SDK may look for its gateway by itself. It gives up on a stream that the gateway has closed for good. */
const HOPELESS = 25_000;
/** How soon a microphone that the browser has ended is opened again, if that did not work. */
const REVIVE = 2000;
/** How often a new call is looked at for its first sound. */
const LOOK = 25;

const WARNINGS: Record<string, Warning> = {
  "high-rtt": "high-rtt", "high-jitter": "high-jitter", "low-mos": "low-mos",
  "high-packet-loss": "high-loss", "high-packets-lost-fraction": "high-loss",
  "constant-audio-input-level": "no-sound-in", "low-bytes-sent": "no-sound-in", "low-bytes-received": "no-sound-out",
  "ice-connectivity-lost": "reconnecting",
};

const SOUNDS = ["incoming", "outgoing", "disconnect", "dtmfs", "dtmfh", ...Array.from("0123456789", (d) => `dtmf${d}`)];

export interface Choice { microphone: string; speaker: string; constraints: MediaTrackConstraints }

export interface Hooks {
  report(event: Happening): void;
  choice(): Choice;
  /** Our streams, for the meters. None: there is none. */
  streams(inward: MediaStream | null, remote: MediaStream | null): void;
  mark(name: string): void;
}

interface Live { n: number; call: Call | null; muted: boolean; ended: boolean; pc: RTCPeerConnection | null; doomed: boolean }

export class Carrier {
  #device: Device | null = null;
  #token = "";
  #signalling: string | null = null;
  #live: Live | null = null;
  #up = false;
  #forgotten = false;
  #downSince = 0;
  /** There is no microphone left, or none that opens. */
  #deaf = false;
  #revived = 0;
  #watch: ReturnType<typeof setInterval> | null = null;

  constructor(private readonly hooks: Hooks) {}

  /** Begins, or begins again elsewhere. */
  start(token: string, signalling: string | null): void {
    this.#token = token;
    this.#signalling = signalling;
    this.rebuild();
  }

  token(token: string): void {
    this.#token = token;
    this.#device?.updateToken(token);
  }

  /** A new device: after sleep, no socket can be believed, and the SDK offers no other way to try at once. */
  rebuild(): void {
    this.#discard();
    this.#setUp(false);
    this.#downSince = Date.now();
    const local = this.#signalling === null ? {} : { chunderw: this.#signalling, publishEvents: false };
    const seen = (pc: RTCPeerConnection) => { if (this.#live) this.#live.pc = pc; };
    const options: Device.Options = {
      ...local,
      sounds: Object.fromEntries(SOUNDS.map((name) => [name, SILENCE])),
      disableAudioContextSounds: true,
      enableImprovedSignalingErrorPrecision: true,
      maxCallSignalingTimeoutMs: 30_000,
      tokenRefreshMs: 60_000,
      logLevel: "silent",
      RTCPeerConnection: class extends RTCPeerConnection {
        constructor(configuration?: RTCConfiguration) { super(configuration); seen(this); }
      },
    };
    const device = this.#device = new Device(this.#token, options);
    for (const sound of ["incoming", "outgoing", "disconnect"] as const) device.audio?.[sound](false);
    device.on("registered", () => this.check());
    device.on("unregistered", () => this.check());
    device.on("tokenWillExpire", () => this.hooks.report({ e: "token-wanted", refused: false }));
    // On a stream that is up the token was taken: then it is the registration that was refused, which this token's
    // missing grant is meant to be. Nobody is rung through the carrier; the stream is warm all the same.
    device.on("error", (error: { code?: number }) => {
      this.check();
      const code = error.code ?? 0;
      if (EXPIRED.includes(code) || (TOKEN.includes(code) && !this.#up)) this.hooks.report({ e: "token-wanted", refused: true });
    });
    // The SDK tells of changed outputs before it has looked at the inputs, of which there is none then at the start.
    device.audio?.on("deviceChange", (lost: MediaDeviceInfo[]) => queueMicrotask(() => this.#devicesChanged(lost)));
    device.register().catch(() => this.check());
    this.#watch ??= setInterval(() => this.check(), 250);
    void this.useChoice();
  }

  /** Registers again where the SDK has forgotten that it was. It would not by itself. */
  register(): void {
    if (this.#device?.state === "unregistered") this.#device.register().catch(() => this.check());
  }

  /** Looks whether the microphone is open, whether the stream is connected, and whether the SDK knows that it is
   *  registered: it forgets that when its gateway drops a socket before it has said that it is connected, and comes
   *  back without. */
  check(): void {
    const device = this.#device;
    if (!device || device.state === "destroyed") return;
    void this.#revive();
    const news = this.#setUp(device.edge !== null);
    const forgotten = this.#up && device.state === "unregistered";
    if (forgotten !== this.#forgotten) {
      this.#forgotten = forgotten;
      this.hooks.report({ e: "forgotten", is: forgotten });
    }
    if (news || this.#up || this.#live) return;
    if (Date.now() - this.#downSince > HOPELESS) this.rebuild();
  }

  #setUp(up: boolean): boolean {
    if (up === this.#up) return false;
    this.#up = up;
    this.#forgotten = false;
    this.#downSince = Date.now();
    this.hooks.report({ e: "device", up });
    return true;
  }

  /** What was in use and is gone is said; the SDK and our own choice fall back to what is left. */
  #devicesChanged(lost: MediaDeviceInfo[]): void {
    this.#hears(this.#device?.audio?.availableInputDevices.size !== 0);
    for (const { kind, label } of lost) {
      this.hooks.report({ e: "lost", what: kind === "audioinput" ? "microphone" : "output", label });
    }
    void this.useChoice();
  }

  #hears(yes: boolean): void {
    if (yes === !this.#deaf) return;
    this.#deaf = !yes;
    this.hooks.report({ e: "mic", mic: yes ? "granted" : "missing" });
  }

  /** A browser ends a microphone that is still there, when the machine has slept or a driver was restarted. The SDK would
   *  go on with the dead stream, in this call and in the next. */
  async #revive(): Promise<void> {
    const audio = this.#device?.audio;
    const ended = audio?.inputStream?.getTracks().some((track) => track.readyState === "ended");
    if (!audio || !ended || Date.now() - this.#revived < REVIVE) return;
    this.#revived = Date.now();
    const opened = await audio.setAudioConstraints(this.hooks.choice().constraints).then(() => true, () => false);
    if (this.#device?.audio !== audio) return;
    this.#hears(opened);
    this.#tellStreams();
  }

  /** Opens the chosen microphone and keeps it open, so that a call need not wait for it, and sends sound where chosen. */
  async useChoice(): Promise<void> {
    const audio = this.#device?.audio;
    if (!audio) return;
    const { microphone, speaker, constraints } = this.hooks.choice();
    try {
      const inputs = audio.availableInputDevices;
      const id = [microphone, "default", ...inputs.keys()].find((one) => one !== "" && inputs.has(one));
      if (id !== undefined) {
        // Both open it; the second time the same device is no news, so a call is not disturbed.
        if (audio.inputDevice === null) await audio.setAudioConstraints(constraints);
        await audio.setInputDevice(id);
      }
      if (audio.isOutputSelectionSupported) {
        const outputs = audio.availableOutputDevices;
        const out = [speaker, "default"].find((one) => one !== "" && outputs.has(one));
        if (out !== undefined) await audio.speakerDevices.set(out);
      }
    } catch {
      // A device that went away this moment: `deviceChange` brings us here again.
    }
    if (this.#device?.audio === audio) this.#tellStreams();
  }

  #tellStreams(): void {
    const call = this.#live?.call;
    this.hooks.streams(call?.getLocalStream() ?? this.#device?.audio?.inputStream ?? null, call?.getRemoteStream() ?? null);
  }

  async connect(n: number, params: Record<string, string>): Promise<void> {
    const device = this.#device;
    const live: Live = this.#live = { n, call: null, muted: false, ended: false, pc: null, doomed: false };
    this.hooks.mark("connect");
    try {
      if (!device) throw new Error("no device");
      const call = live.call = await device.connect({ params, rtcConstraints: { audio: this.hooks.choice().constraints } });
      call.mute(live.muted);
      this.#follow(live, call);
      if (live.doomed) call.disconnect();
    } catch {
      this.#end(live, "unplaced");
    }
  }

  #end(live: Live, is: "ended" | "unplaced"): void {
    if (live.ended) return;
    live.ended = true;
    if (this.#live === live) this.#live = null;
    this.#tellStreams();
    this.hooks.report({ e: "call", n: live.n, is });
  }

  #follow(live: Live, call: Call): void {
    const { n } = live;
    const report = (event: Happening) => { if (!live.ended) this.hooks.report(event); };
    const named = () => { const sid = call.parameters["CallSid"]; if (sid) report({ e: "call-sid", n, sid }); };
    const warn = (name: string, on: boolean) => {
      const warning = WARNINGS[name];
      // A muted microphone is meant to give no sound.
      if (warning && !(on && warning === "no-sound-in" && call.isMuted())) report({ e: "warning", n, warning, on });
    };
    call.on("ringing", named);
    call.on("accept", () => {
      this.hooks.mark("sdk-accept");
      named();
      report({ e: "call", n, is: "open" });
      this.#tellStreams();
      void this.#listen(live);
    });
    call.on("sample", (s: { rtt: number; jitter: number; packetsLostFraction: number }) =>
      report({ e: "sample", n, rtt: s.rtt, jitter: s.jitter, loss: s.packetsLostFraction }));
    call.on("warning", (name: string) => warn(name, true));
    call.on("warning-cleared", (name: string) => warn(name, false));
    call.on("reconnecting", () => report({ e: "warning", n, warning: "reconnecting", on: true }));
    call.on("reconnected", () => report({ e: "warning", n, warning: "reconnecting", on: false }));
    call.on("error", (error: { code?: number }) => {
      if (error.code === MICROPHONE_DENIED) report({ e: "mic", mic: "denied" });
      if (error.code === MICROPHONE_BROKEN) report({ e: "mic", mic: "missing" });
      if (TOKEN.includes(error.code ?? 0)) report({ e: "token-wanted", refused: true });
    });
    call.on("disconnect", () => this.#end(live, "ended"));
    // A call that cannot be found again after its socket is closed without a word, and leaves its sound running.
    call.on("transportClose", () => queueMicrotask(() => {
      if (live.ended || (call.status() as string) !== "closed") return;
      live.pc?.close();
      this.#end(live, "ended");
      this.rebuild();
    }));
  }

  /** Looks for the first sound, and for its absence. */
  async #listen(live: Live): Promise<void> {
    const opened = Date.now();
    let quiet = false;
    while (!live.ended) {
      if (await arrived(live.pc)) {
        this.hooks.mark("first-audio");
        this.hooks.report({ e: "call", n: live.n, is: "flowing" });
        this.#tellStreams();
        return;
      }
      if (!quiet && Date.now() - opened > QUIET) {
        quiet = true;
        this.hooks.report({ e: "call", n: live.n, is: "silent" });
      }
      await new Promise((next) => setTimeout(next, quiet ? 500 : LOOK));
    }
  }

  disconnect(n: number): void {
    const live = this.#live;
    if (live?.n !== n) return;
    live.doomed = true;
    live.call?.disconnect();
  }

  mute(n: number, on: boolean): void {
    if (this.#live?.n !== n) return;
    this.#live.muted = on;
    this.#live.call?.mute(on);
  }

  digit(n: number, digit: string): void {
    if (this.#live?.n === n) this.#live.call?.sendDigits(digit);
  }

  stop(): void {
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
    this.#discard();
    this.#device = null;
  }

  /** The old one may still report an error, and one that nobody listens to is thrown. */
  #discard(): void {
    this.#device?.destroy();
    this.#device?.on("error", () => undefined);
  }
}

/** Whether a packet of sound has come in. */
async function arrived(pc: RTCPeerConnection | null): Promise<boolean> {
  if (!pc) return false;
  for (const report of (await pc.getStats()).values() as Iterable<RTCInboundRtpStreamStats>) {
    if (report.type === "inbound-rtp" && (report.packetsReceived ?? 0) > 0) return true;
  }
  return false;
}
