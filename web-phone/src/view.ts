// The page, drawn from the state: made once, then only changed where something differs.
//
// It must not keep anything that matters: a state drawn twice is one page. What changed is also said to those who do not
// see it: quietly for how things stand, at once for a call. The focus is moved to a call only if nobody is typing, and is
// caught when what had it goes away.
//
// Read next: scene.ts (which face), cards.ts (calls).

import { HeldCalls, Offers, Seat } from "./cards";
import type { Say } from "./cards";
import { attr, button, h, keyed, relabel, show, text, typing } from "./dom";
import { scene, title } from "./scene";
import { ringing, seatOf } from "./state";
import type { State } from "./state";
import { WORDS, browserOf, note, plain, undo, who, why } from "./words";

export interface Parts { settings: HTMLElement; say: Say; pair(code: string): void }

export class View {
  readonly #lamp = h("span", { class: "lamp", "aria-hidden": "true" });
  readonly #title = h("h1", { tabindex: "-1" });
  readonly #text = h("p", { class: "say" });
  readonly #other = h("bdi", { class: "other" });
  readonly #more = h("p", { class: "hint" });
  readonly #link = h("a", { target: "_blank", rel: "noopener" });
  readonly #steps = h("ol", { class: "steps" });
  readonly #digits = h("p", { class: "digits" });
  readonly #code = h("input", {
    id: "code", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: "16", placeholder: "BCDF-GHJK",
  });
  readonly #form = h("form", { class: "pair" }, h("label", { for: "code" }, WORDS.pair.label), this.#code,
    h("button", { class: "main" }, WORDS.pair.button));
  readonly #refused = h("p", { class: "refused", role: "alert" });
  readonly #calling = h("p", { class: "calling" });
  readonly #caller = h("bdi");
  readonly #act: HTMLButtonElement;
  readonly #face: HTMLElement;
  readonly #note = h("p", { class: "note" });
  readonly #me = h("bdi", { class: "me" });
  // Read aloud only: what is seen changes every second, and that must not be said every second.
  readonly #quiet = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
  readonly #loud = h("p", { class: "unseen", role: "alert", "aria-live": "assertive" });
  readonly #offers: Offers;
  readonly #seat: Seat;
  readonly #held: HeldCalls;
  readonly #stepsKept = new Map<string, HTMLLIElement>();
  #action: "enable" | "take" = "enable";
  #offered: string | null = null;
  #heard = new Set<string>();

  constructor(root: HTMLElement, private readonly parts: Parts) {
    const { say, settings } = parts;
    this.#act = button("", { class: "main" }, () => say({ e: "press", key: this.#action }));
    this.#calling.append(this.#caller, ` ${WORDS.enable.waiting}`);
    this.#face = h("section", { class: "face" }, h("div", { class: "head" }, this.#lamp, this.#title), this.#text, this.#other,
      this.#digits, this.#steps, this.#form, this.#refused, this.#calling, this.#act, this.#more, this.#link);
    this.#offers = new Offers(say);
    this.#seat = new Seat(say);
    this.#held = new HeldCalls(say);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#code.value.trim() !== "") parts.pair(this.#code.value);
    });
    root.replaceChildren(
      h("header", {}, h("span", { class: "brand" }, "Cordboard"), this.#me),
      h("main", {}, this.#quiet, this.#loud, this.#offers.node, this.#face, this.#note, this.#seat.card.node, this.#held.node, settings),
    );
  }

  draw(s: State): void {
    const focused = document.activeElement;
    const at = scene(s);
    const inside = s.door.at === "in";
    document.title = title(s);
    document.documentElement.dataset["face"] = at.face;
    attr(this.#face, "data-tone", at.tone);
    // All is well and there is a call: then the call is the page.
    const aside = at.calls && (at.tone === "good" || at.tone === "busy");
    show(this.#face, !aside);
    attr(this.#face, "data-aside", at.calls);
    text(this.#title, at.title);
    text(this.#text, at.text);
    show(this.#text, at.text !== "");
    text(this.#other, at.face === "second" ? (s.house?.other ?? "") : at.face === "server" && s.line.bye ? `${WORDS.server.bye} ${s.line.bye}` : "");
    show(this.#other, this.#other.textContent !== "");
    this.#doors(s);
    show(this.#act, at.action !== null);
    if (at.action) { this.#action = at.action.key; relabel(this.#act, at.action.label); }
    text(this.#more, at.hint);
    show(this.#more, at.hint !== "");
    show(this.#link, at.link !== null);
    if (at.link) { text(this.#link, at.link.label); attr(this.#link, "href", at.link.href); }
    const steps = at.face === "denied" ? undo(browserOf(navigator.userAgent)) : [];
    show(this.#steps, steps.length > 0);
    keyed(this.#steps, this.#stepsKept, steps, (step) => step, () => h("li"), text);
    const [asleep] = at.face === "asleep" ? ringing(s) : [];
    show(this.#calling, asleep !== undefined);
    if (asleep) text(this.#caller, who(asleep));
    text(this.#me, s.name);
    show(this.#me, inside && s.name !== "");
    text(this.#note, s.note ? note(s.note) : "");
    show(this.#note, s.note !== null);
    show(this.parts.settings, inside);
    attr(this.parts.settings, "data-inside", inside);
    const rings = this.#offers.draw(s, at.face !== "asleep" && at.face !== "prompting");
    const talks = this.#seat.draw(s);
    this.#held.draw(s);
    this.#speak(s, at.face === "server" ? WORDS.server.title : `${at.title}. ${at.text}`, at.face === "server");
    this.#focus(focused, rings, talks);
  }

  #doors(s: State): void {
    const { door } = s;
    text(this.#digits, door.at === "waiting" ? door.digits : "");
    show(this.#digits, door.at === "waiting");
    if (show(this.#form, door.at === "asking")) this.#code.focus();
    const said = door.at === "asking" ? (door.said ?? "") : "";
    text(this.#refused, said);
    show(this.#refused, said !== "");
    // A code in the link is offered once, never used by itself: whoever sent the link may not be the console's person.
    if (door.at === "asking" && this.#offered !== door.offered) {
      this.#offered = door.offered;
      this.#code.value = door.offered;
    }
  }

  #speak(s: State, status: string, alone: boolean): void {
    const seat = seatOf(s);
    const aloud = ringing(s).filter((o) => !this.#heard.has(o.call)).map((o) => `${plain(who(o))}. ${why(o.why)}.`);
    this.#heard = new Set(ringing(s).map((o) => o.call));
    if (aloud.length > 0) text(this.#loud, aloud.join(" "));
    else if (this.#heard.size === 0) text(this.#loud, "");
    const talk = seat && s.own ? title(s) : "";
    text(this.#quiet, s.note ? note(s.note) : alone ? status : talk || status);
  }

  #focus(before: Element | null, rings: HTMLElement | null, talks: boolean): void {
    if (rings && !typing()) return rings.querySelector<HTMLElement>("h2")?.focus({ preventScroll: false });
    const lost = before instanceof HTMLElement && before !== document.body && !before.checkVisibility();
    if (!lost && !(talks && document.activeElement === document.body)) return;
    const next = this.#seat.card.node.hidden ? this.#title : this.#seat.card.node.querySelector<HTMLElement>("h2");
    next?.focus({ preventScroll: true });
  }
}
