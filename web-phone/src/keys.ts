// The one-letter shortcuts: which key means which press.
//
// A pure function, so that it is tested without a keyboard. It must not act: it names an event or nothing. Letters are
// letters while somebody types, a held-down key counts once, and the whole can be switched off (WCAG 2.1.4).
//
// Read next: phone.ts (what a press does).

import { ringing, seatOf } from "./state";
import type { Happening, State } from "./state";
import { WORDS } from "./words";

export interface Key {
  key: string; repeat: boolean; modified: boolean;
  /** The person writes into a field. */
  typing: boolean;
  /** The focus is on something that Enter presses. */
  onButton: boolean;
}

export function meant(s: State, key: Key, on: boolean): Happening | null {
  if (key.modified || key.repeat || key.typing || s.door.at !== "in") return null;
  const [offer] = ringing(s);
  if (key.key === "Enter") return offer && !key.onButton ? { e: "press", key: "accept", call: offer.call } : null;
  if (key.key === "Escape") return s.keypad ? { e: "press", key: "keypad" } : null;
  if (s.keypad && /^[0-9*#]$/.test(key.key)) return { e: "digit", digit: key.key };
  if (!on) return null;
  const K = WORDS.keys;
  const seat = seatOf(s);
  switch (key.key.toUpperCase()) {
    case K.accept: return offer ? { e: "press", key: "accept", call: offer.call } : null;
    case K.decline: return offer ? { e: "press", key: "decline", call: offer.call } : null;
    case K.mute: return s.own || seat ? { e: "press", key: "mute" } : null;
    case K.hold:
      if (seat?.at === "held") return { e: "press", key: "resume", call: seat.call };
      return seat ? { e: "press", key: "hold" } : null;
    case K.hangup: return s.own || seat ? { e: "press", key: "hangup" } : null;
    case K.keypad: return s.own ? { e: "press", key: "keypad" } : null;
    default: return null;
  }
}
