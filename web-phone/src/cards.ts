// The cards for calls: who rings, who one talks to, who is on hold.
//
// They show the state and say which button was pressed; they decide nothing. Names and numbers are set apart with `bdi`,
// so that one written from right to left, or to deceive, turns nothing else round.
//
// Read next: view.ts, phone.ts (what a press does).

import { attr, button, h, keyed, relabel, show, text } from "./dom";
import { ringing, seatOf, warning } from "./state";
import type { Happening, State } from "./state";
import type { Held, Offer } from "./wire";
import { WORDS, clean, clock, place, quality, who, why } from "./words";

export type Say = (event: Happening) => void;

const C = WORDS.call;
const K = WORDS.keys;

/** How long since, by the server's clock. */
const since = (s: State, at: number): string => clock(s.now + s.skew - at);
/** The number under a name; not twice, where it is all that is known. */
const number = (of: { name?: string | null; number?: string | null }): string => (clean(of.name) ? clean(of.number) : "");

class Card {
  readonly node: HTMLElement;
  readonly line = h("p", { class: "line" });
  readonly name = h("bdi");
  readonly number = h("bdi");
  constructor(tag: "article" | "li", kind: string, readonly buttons: HTMLElement) {
    this.node = h(tag, { class: `card ${kind}` }, this.line, h("h2", { tabindex: "-1" }, this.name),
      h("p", { class: "number" }, this.number), buttons);
  }
  says(of: { name?: string | null; number?: string | null }): void {
    text(this.name, who(of));
    text(this.number, number(of));
  }
}

/** Who rings. The first in line has the keys. */
export class Offers {
  readonly node = h("section", { class: "offers", "aria-label": "Ringing" });
  readonly #kept = new Map<string, HTMLElement>();
  readonly #cards = new WeakMap<HTMLElement, { card: Card; accept: HTMLButtonElement; decline: HTMLButtonElement }>();

  constructor(private readonly say: Say) {}

  #make(offer: Offer): HTMLElement {
    const accept = button(C.accept, { class: "go" }, () => this.say({ e: "press", key: "accept", call: offer.call }), K.accept);
    const decline = button(C.decline, { class: "stop quiet" }, () => this.say({ e: "press", key: "decline", call: offer.call }), K.decline);
    const card = new Card("article", "offer", h("div", { class: "row" }, accept, decline));
    attr(card.node, "role", "group");
    this.#cards.set(card.node, { card, accept, decline });
    return card.node;
  }

  /** Returns the first card that has just appeared. */
  draw(s: State, on: boolean): HTMLElement | null {
    const offers = on ? ringing(s) : [];
    show(this.node, offers.length > 0);
    const fresh = keyed(this.node, this.#kept, offers, (o) => o.call, (o) => this.#make(o), (node, offer) => {
      const it = this.#cards.get(node)!;
      it.card.says(offer);
      text(it.card.line, `${why(offer.why)} · ${since(s, offer.since)}`);
      attr(node, "aria-label", `${why(offer.why)}: ${who(offer)}`);
      const busy = s.answering !== null || !s.line.up;
      it.accept.disabled = busy;
      it.decline.disabled = !s.line.up;
      const first = offer === offers[0];
      for (const key of node.querySelectorAll<HTMLElement>("kbd")) show(key, first);
    });
    return fresh[0] ?? null;
  }
}

/** Who one talks to. */
export class Seat {
  readonly card: Card;
  readonly #quality = h("p", { class: "quality" });
  readonly #off = h("p", { class: "off" });
  readonly #mute; readonly #hold; readonly #keys; readonly #end;
  readonly #pad = h("div", { class: "pad", role: "group", "aria-label": C.keypad });
  readonly #pressed = h("output", { class: "pressed", "aria-label": C.pressed });
  #resume = "";

  constructor(say: Say) {
    this.#mute = button(C.mute, { "aria-pressed": "false" }, () => say({ e: "press", key: "mute" }), K.mute);
    this.#hold = button(C.hold, {}, () =>
      say(this.#resume ? { e: "press", key: "resume", call: this.#resume } : { e: "press", key: "hold" }), K.hold);
    this.#keys = button(C.keypad, { "aria-expanded": "false" }, () => say({ e: "press", key: "keypad" }), K.keypad);
    this.#end = button(C.hangup, { class: "stop" }, () => say({ e: "press", key: "hangup" }), K.hangup);
    this.card = new Card("article", "seat", h("div", { class: "row four" }, this.#mute, this.#hold, this.#keys, this.#end));
    this.card.buttons.before(this.#quality, this.#off);
    this.#pad.append(this.#pressed, ...Array.from("123456789*0#", (digit) =>
      h("button", { type: "button", class: "digit" }, digit)));
    this.#pad.addEventListener("click", ({ target }) => {
      if (target instanceof HTMLButtonElement) say({ e: "digit", digit: target.textContent ?? "" });
    });
    this.card.node.append(this.#pad);
  }

  draw(s: State): boolean {
    const seat = seatOf(s);
    const own = s.own;
    const news = show(this.card.node, seat !== null || own !== null);
    if (!seat && !own) return news;
    const emergency = own?.emergency === true;
    const [at, began] = emergency || !seat ? ["", 0] : [seat.at, seat.since];
    if (emergency || !seat) {
      text(this.card.name, emergency ? C.emergency : place(""));
      text(this.card.number, "");
      text(this.card.line, own?.ending ? C.ending : own?.open ? place("talking") : place("connecting"));
    } else {
      this.card.says(seat);
      const doing = s.holding?.call === seat.call && at === "talking" ? "holding" : at;
      text(this.card.line, own?.ending ? C.ending : `${place(doing)} · ${since(s, began)}`);
    }
    text(this.#quality, own?.open ? quality(own.quality, warning(own), own.silent) : "");
    attr(this.#quality, "data-bad", (own?.silent || warning(own) !== null) && own !== null);
    const quiet = !emergency && (at !== "" && !["talking", "dialling", "connecting"].includes(at) || s.holding !== null);
    text(this.#off, s.muted ? C.muted : quiet ? C.quiet : "");
    attr(this.card.node, "data-at", s.muted ? "muted" : quiet ? "quiet" : "open");
    relabel(this.#mute, s.muted ? C.unmute : C.mute);
    attr(this.#mute, "aria-pressed", String(s.muted));
    this.#resume = at === "held" && seat ? seat.call : "";
    relabel(this.#hold, this.#resume ? C.resume : C.hold);
    this.#hold.disabled = emergency || !s.line.up || !(at === "held" || (at === "talking" && s.holding === null));
    this.#keys.disabled = !own?.open;
    attr(this.#keys, "aria-expanded", String(s.keypad));
    this.#end.disabled = own?.ending === true;
    show(this.#pad, s.keypad);
    text(this.#pressed, s.digits);
    return news;
  }
}

/** Who waits on hold. */
export class HeldCalls {
  readonly #list = h("ul");
  readonly node = h("section", { class: "held" }, h("h3", {}, C.held), this.#list);
  readonly #kept = new Map<string, HTMLElement>();
  readonly #cards = new WeakMap<HTMLElement, { card: Card; resume: HTMLButtonElement }>();

  constructor(private readonly say: Say) {}

  #make(call: Held): HTMLElement {
    const resume = button(C.resume, {}, () => this.say({ e: "press", key: "resume", call: call.call }));
    const card = new Card("li", "waiting", resume);
    this.#cards.set(card.node, { card, resume });
    return card.node;
  }

  draw(s: State): void {
    const seat = seatOf(s);
    const held = s.house?.active ? s.house.held.filter((call) => call.call !== seat?.call) : [];
    show(this.node, held.length > 0);
    keyed(this.#list, this.#kept, held, (call) => call.call, (call) => this.#make(call), (node, call) => {
      const { card, resume } = this.#cards.get(node)!;
      card.says(call);
      text(card.line, since(s, call.since));
      attr(resume, "aria-label", `${C.resume}: ${who(call)}`);
      resume.disabled = !s.line.up;
    });
  }
}
