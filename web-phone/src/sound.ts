// The machine's sound: the microphone's permission, which devices are chosen, the meters, and what the page plays itself.
//
// It must not know of calls: it is told to ring, and given streams to measure. The call's own sound goes through the SDK,
// see device.ts, on the devices that are chosen here.
//
// Read next: settings.ts (the pickers), device.ts.

import type { Choice } from "./device";
import type { Mic, Ring } from "./state";

export type Kind = "microphone" | "speaker" | "ring";
export interface Listed { id: string; label: string }

const KEPT = "cordboard.device.";
/** For measuring only: a browser's clean-up of speech flattens the steady tones that are measured with. */
const RAW = "cordboard.raw-microphone";
const RING = "/assets/ring.wav";
const KNOCK_EVERY = 6000;

const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477];
const KEYS = "123456789*0#";

/** Our own store, which a browser may refuse. */
function stored(key: string): string {
  try { return localStorage.getItem(key) ?? ""; } catch { return ""; }
}

export class Sound {
  #context: AudioContext | null = null;
  /** From the permission until the carrier has opened the microphone itself. */
  #first: MediaStream | null = null;
  #ears: { in: Ear | null; out: Ear | null } = { in: null, out: null };
  #bell: HTMLAudioElement | null = null;
  #knocking: ReturnType<typeof setInterval> | null = null;
  #ring: Ring = "off";

  constructor(private readonly blocked: () => void) {}

  choice(): Choice {
    const clean = stored(RAW) !== "1";
    return {
      microphone: stored(KEPT + "microphone"), speaker: stored(KEPT + "speaker"),
      constraints: { echoCancellation: clean, noiseSuppression: clean, autoGainControl: clean },
    };
  }

  choose(kind: Kind, id: string): void {
    try { localStorage.setItem(KEPT + kind, id); } catch { /* It holds until the page is closed elsewhere. */ }
    if (kind === "ring" && this.#ring === "ring") { this.ring("off"); this.ring("ring"); }
  }

  chosen(kind: Kind): string { return stored(KEPT + kind); }

  /** Opens the microphone; the browser may ask. Called from a gesture, or where it is known not to ask. */
  async open(): Promise<Mic> {
    this.wake();
    const { microphone, constraints } = this.choice();
    const media = navigator.mediaDevices;
    if (!media) return "missing";
    try {
      const audio = microphone ? { ...constraints, deviceId: { ideal: microphone } } : constraints;
      const stream = await media.getUserMedia({ audio });
      if (this.#ears.in) stream.getTracks().forEach((track) => track.stop());
      else { this.#first = stream; this.#ears.in = this.#ear(stream); }
      return "granted";
    } catch (error) {
      const name = error instanceof DOMException ? error.name : "";
      return name === "NotAllowedError" || name === "SecurityError" ? "denied" : "missing";
    }
  }

  /** Whether the microphone opens without a question. */
  async granted(): Promise<boolean> {
    try {
      const status = await navigator.permissions.query({ name: "microphone" as PermissionName });
      return status.state === "granted";
    } catch {
      // A browser that does not say: it shows names only to those who may listen.
      const devices = await navigator.mediaDevices?.enumerateDevices() ?? [];
      return devices.some((d) => d.kind === "audioinput" && d.label !== "");
    }
  }

  /** Tells when the permission is given or taken in the browser's own settings. */
  async watch(changed: (state: PermissionState) => void): Promise<void> {
    try {
      const status = await navigator.permissions.query({ name: "microphone" as PermissionName });
      status.addEventListener("change", () => changed(status.state));
    } catch { /* This browser does not tell; the next call will. */ }
  }

  async list(): Promise<Record<Kind, Listed[]>> {
    const devices = await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? [];
    const of = (kind: MediaDeviceKind): Listed[] =>
      devices.filter((d) => d.kind === kind && d.deviceId !== "").map((d) => ({ id: d.deviceId, label: d.label }));
    const outputs = "setSinkId" in HTMLMediaElement.prototype ? of("audiooutput") : [];
    return { microphone: of("audioinput"), speaker: outputs, ring: outputs };
  }

  /** What the meters measure: our own voice and the others'. */
  streams(inward: MediaStream | null, remote: MediaStream | null): void {
    if (inward && this.#first && inward !== this.#first) {
      this.#first.getTracks().forEach((track) => track.stop());
      this.#first = null;
    }
    this.#ears.in = this.#swap(this.#ears.in, inward ?? this.#first);
    this.#ears.out = this.#swap(this.#ears.out, remote);
  }

  #swap(old: Ear | null, stream: MediaStream | null): Ear | null {
    if (old && old.of(stream)) return old;
    old?.close();
    return stream ? this.#ear(stream) : null;
  }

  #ear(stream: MediaStream): Ear | null {
    this.#context ??= new AudioContext();
    try { return new Ear(this.#context, stream); } catch { return null; }
  }

  /** How loud both ends are, from 0 to 1. */
  levels(): { in: number; out: number } {
    return { in: this.#ears.in?.level() ?? 0, out: this.#ears.out?.level() ?? 0 };
  }

  /** The strongest frequency of what is heard, in Hz. For measuring. */
  spectrum(): number { return this.#ears.out?.strongest() ?? 0; }

  /** A gesture has happened: now sound is allowed. */
  wake(): void {
    this.#context ??= new AudioContext();
    if (this.#context.state !== "running") void this.#context.resume().catch(() => undefined);
    if (this.#ring === "ring" && this.#bell?.paused) this.#play(this.#bell);
  }

  ring(ring: Ring): void {
    if (ring === this.#ring) return;
    this.#ring = ring;
    if (this.#knocking !== null) clearInterval(this.#knocking);
    this.#knocking = null;
    if (this.#bell) { this.#bell.pause(); this.#bell.currentTime = 0; }
    if (ring === "ring") void this.#bellOn();
    if (ring === "knock") {
      this.#knock();
      this.#knocking = setInterval(() => this.#knock(), KNOCK_EVERY);
    }
  }

  async #bellOn(): Promise<void> {
    const bell = this.#bell ??= new Audio(RING);
    bell.loop = true;
    await sink(bell, stored(KEPT + "ring"));
    if (this.#ring === "ring") this.#play(bell);
  }

  #play(bell: HTMLAudioElement): void {
    bell.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") this.blocked();
    });
  }

  /** Somebody else rings during a call: two quiet notes. */
  #knock(): void {
    this.#tone([740], 0, 0.12, 0.06);
    this.#tone([587], 0.18, 0.16, 0.06);
  }

  /** Lets the person hear which device is which. */
  async test(kind: "speaker" | "ring"): Promise<void> {
    this.wake();
    if (kind === "ring") {
      const bell = new Audio(RING);
      await sink(bell, stored(KEPT + "ring"));
      return bell.play().catch(() => undefined);
    }
    const context = this.#context;
    if (!context) return;
    const out = context.createMediaStreamDestination();
    const player = new Audio();
    player.srcObject = out.stream;
    await sink(player, stored(KEPT + "speaker"));
    await player.play().catch(() => undefined);
    this.#tone([523], 0, 0.35, 0.15, out);
    this.#tone([659], 0.35, 0.35, 0.15, out);
    this.#tone([784], 0.7, 0.6, 0.15, out);
    setTimeout(() => { player.pause(); player.srcObject = null; }, 1600);
  }

  /** The sound of a key, for the one who presses it. */
  digit(digit: string): void {
    const at = KEYS.indexOf(digit);
    if (at >= 0) this.#tone([ROWS[Math.floor(at / 3)]!, COLUMNS[at % 3]!], 0, 0.11, 0.05);
  }

  #tone(hertz: number[], after: number, seconds: number, loud: number, out?: AudioNode): void {
    const context = this.#context;
    if (!context || context.state !== "running") return;
    const begin = context.currentTime + after;
    const gain = context.createGain();
    gain.gain.setValueAtTime(0, begin);
    gain.gain.linearRampToValueAtTime(loud, begin + 0.015);
    gain.gain.setTargetAtTime(0, begin + seconds - 0.04, 0.015);
    gain.connect(out ?? context.destination);
    for (const frequency of hertz) {
      const note = new OscillatorNode(context, { frequency });
      note.connect(gain);
      note.start(begin);
      note.stop(begin + seconds + 0.1);
      note.onended = () => note.disconnect();
    }
  }
}

/** Sends an element's sound to a device, where the browser can. A device that is gone means the default. */
async function sink(element: HTMLMediaElement, id: string): Promise<void> {
  if (!("setSinkId" in element)) return;
  await element.setSinkId(id).catch(() => element.setSinkId("").catch(() => undefined));
}

/** Listens to one stream. */
class Ear {
  readonly #source: MediaStreamAudioSourceNode;
  readonly #analyser: AnalyserNode;
  readonly #samples = new Float32Array(2048);

  constructor(context: AudioContext, private readonly stream: MediaStream) {
    this.#source = context.createMediaStreamSource(stream);
    this.#analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0.2 });
    this.#source.connect(this.#analyser);
  }

  of(stream: MediaStream | null): boolean { return stream === this.stream; }

  level(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return Math.sqrt(sum / this.#samples.length);
  }

  strongest(): number {
    const bins = new Float32Array(this.#analyser.frequencyBinCount);
    this.#analyser.getFloatFrequencyData(bins);
    let best = 1;
    for (let i = 2; i < bins.length; i += 1) if (bins[i]! > bins[best]!) best = i;
    return best * this.#analyser.context.sampleRate / this.#analyser.fftSize;
  }

  close(): void {
    this.#source.disconnect();
    this.#analyser.disconnect();
  }
}
