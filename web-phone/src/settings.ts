// Which microphone, speaker and ring tone; the meters; the shortcuts; and the way out.
//
// The devices are the machine's, not the call's, so they are shown from what sound.ts lists and not from the state. It
// must not open a microphone: the page's one gesture does. Meters run only while this is open.
//
// Read next: sound.ts.

import { attr, button, h, relabel, show, text } from "./dom";
import type { Kind, Listed, Sound } from "./sound";
import { WORDS } from "./words";

const W = WORDS.settings;
const SHORTCUTS = "cordboard.shortcuts";

export function shortcuts(): boolean {
  try { return localStorage.getItem(SHORTCUTS) !== "off"; } catch { return true; }
}

class Meter {
  readonly #bar = h("span", { class: "bar" });
  readonly node: HTMLElement;
  constructor(label: string) {
    // It moves ten times a second: words for it are only a label.
    this.node = h("div", { class: "meter", role: "img", "aria-label": label }, this.#bar);
  }
  /** From silence at -60 dB to full. */
  set(level: number): void {
    const share = Math.max(0, Math.min(1, 1 + Math.log10(Math.max(level, 1e-6)) / 3));
    this.#bar.style.setProperty("transform", `scaleX(${share.toFixed(3)})`);
  }
}

export class Settings {
  readonly node: HTMLDetailsElement;
  readonly #selects: Record<Kind, HTMLSelectElement>;
  readonly #fixed = h("p", { class: "hint" }, W.fixed);
  readonly #in = new Meter(W.level);
  readonly #out = new Meter(W.heard);
  #timer: ReturnType<typeof setInterval> | null = null;
  #listed = "";

  constructor(private readonly sound: Sound, chosen: (kind: Kind) => void, unpair: () => void) {
    const pick = (kind: Kind) => {
      const select = h("select", { id: `pick-${kind}` });
      select.addEventListener("change", () => { sound.choose(kind, select.value); chosen(kind); });
      return select;
    };
    this.#selects = { microphone: pick("microphone"), speaker: pick("speaker"), ring: pick("ring") };
    const field = (kind: Kind, label: string, ...more: HTMLElement[]) =>
      h("div", { class: "field" }, h("label", { for: `pick-${kind}` }, label), h("div", { class: "pick" }, this.#selects[kind], ...more));
    const test = (kind: "speaker" | "ring") => {
      const node = button(W.test, {}, () => void sound.test(kind));
      attr(node, "aria-label", `${W.test}: ${kind === "ring" ? W.ring : W.speaker}`);
      return node;
    };
    const keys = h("input", { type: "checkbox", id: "shortcuts" });
    keys.checked = shortcuts();
    keys.addEventListener("change", () => {
      try { localStorage.setItem(SHORTCUTS, keys.checked ? "on" : "off"); } catch { /* It holds for nobody, then. */ }
      document.documentElement.dataset["shortcuts"] = keys.checked ? "on" : "off";
    });
    document.documentElement.dataset["shortcuts"] = keys.checked ? "on" : "off";
    let sure = false;
    // Asked in place: a question box of the browser's would stop the page, and with it the heartbeat.
    const out = button(W.unpair, { class: "stop quiet" }, () => {
      if (sure) unpair();
      sure = !sure;
      relabel(out, sure ? W.sure : W.unpair);
    });
    out.addEventListener("blur", () => { sure = false; relabel(out, W.unpair); });
    this.node = h("details", { class: "settings" }, h("summary", {}, W.title), h("div", { class: "inside" },
      field("microphone", W.microphone), this.#in.node,
      field("speaker", W.speaker, test("speaker")), this.#out.node,
      field("ring", W.ring, test("ring")), this.#fixed,
      h("label", { class: "check" }, keys, h("span", {}, W.shortcuts)),
      h("p", { class: "hint keys" }, ...this.#keys()),
      h("div", { class: "foot" }, out, h("a", { href: "/assets/licences.txt", target: "_blank", rel: "noreferrer" }, W.licences)),
    ));
    this.node.addEventListener("toggle", () => this.#run(this.node.open));
    this.#selects.speaker.addEventListener("focus", () => void this.list());
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.list());
  }

  #keys(): (Node | string)[] {
    const names: Record<keyof typeof WORDS.keys, string> = {
      accept: WORDS.call.accept, decline: WORDS.call.decline, mute: WORDS.call.mute, hold: WORDS.call.hold,
      hangup: WORDS.call.hangup, keypad: WORDS.call.keypad,
    };
    return (Object.keys(names) as (keyof typeof names)[]).map((key) => h("span", {}, h("kbd", {}, WORDS.keys[key]), ` ${names[key]}`));
  }

  #run(open: boolean): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (!open) return;
    void this.list();
    this.#timer = setInterval(() => {
      const { in: inward, out } = this.sound.levels();
      this.#in.set(inward);
      this.#out.set(out);
    }, 80);
  }

  /** Reads the machine's devices again. */
  async list(): Promise<void> {
    const devices = await this.sound.list();
    const said = JSON.stringify(devices);
    if (said === this.#listed) return;
    this.#listed = said;
    for (const kind of ["microphone", "speaker", "ring"] as const) this.#fill(kind, devices[kind]);
    show(this.#fixed, devices.speaker.length === 0);
  }

  #fill(kind: Kind, devices: readonly Listed[]): void {
    const select = this.#selects[kind];
    const options = [h("option", { value: "" }, W.standard)];
    for (const { id, label } of devices) {
      if (id === "default" || id === "communications") continue;
      const option = h("option", { value: id });
      text(option, label || id.slice(0, 8));
      options.push(option);
    }
    select.replaceChildren(...options);
    const chosen = this.sound.chosen(kind);
    select.value = options.some((o) => o.value === chosen) ? chosen : "";
    select.disabled = devices.length === 0;
  }
}
