// Our own socket to the server: opened with a ticket, kept open, opened again.
//
// It must not understand what it carries. What cannot be sent is not kept: on every connection the server says the whole
// state again, and the reducer knows what it still owes. A socket that was given up says nothing more.
//
// Read next: account.ts (tickets), phone.ts (what is said).

import { parse } from "./wire";
import type { PageMsg, ServerMsg } from "./wire";

/** The longest pause before each try, of which the dice take a part. Short for as long as the server waits for a page that
 *  is in a call, which is ten seconds; then longer, for those who are away all night. */
const PAUSES = [500, 1000, 2000, 2000, 2000, 2000, 2000, 2000, 4000, 8000, 15_000];
/** How long a socket may take to open. */
const OPENING = 10_000;

/** The part of a WebSocket that is used. */
export interface Wire {
  readyState: number;
  send(text: string): void;
  close(): void;
  onopen: (() => void) | null;
  onclose: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
}

export interface Ends {
  /** A ticket. None: this page is not paired any more. An error: try again. */
  ticket(): Promise<string | null>;
  open(protocols: string[]): Wire;
  up(up: boolean): void;
  heard(message: ServerMsg): void;
  unpaired(): void;
  /** From 0 to 1. */
  dice(): number;
}

export class Line {
  #socket: Wire | null = null;
  #up = false;
  #running = false;
  #tries = 0;
  /** Each attempt has a number, and only the newest counts. */
  #attempt = 0;
  /** What is to be done when, of one thing at a time: a socket has to open, or it is time to try again. */
  #alarm: { at: number; timer: ReturnType<typeof setTimeout>; pause: boolean; work: () => void } | null = null;

  constructor(private readonly ends: Ends) {}

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#tries = 0;
    void this.#try();
  }

  stop(): void {
    this.#running = false;
    this.#drop();
  }

  /** Opens a new one at once, whatever becomes of this one. */
  again(): void {
    if (!this.#running) return;
    this.#drop();
    this.#tries = 0;
    void this.#try();
  }

  /** Tries at once, unless it is connected or about to be. */
  hurry(): void {
    if (this.#running && this.#alarm?.pause) this.again();
  }

  /** Does what is due. A hidden tab's own timers may be a minute late; whoever has a clock that is not says so here. */
  look(): void {
    if (this.#alarm && Date.now() >= this.#alarm.at) this.#ring();
  }

  /** Says it, or does not, if nobody is there. */
  send(message: PageMsg): void {
    if (this.#up && this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #drop(): void {
    this.#attempt += 1;
    this.#calm();
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onopen = socket.onclose = socket.onmessage = null;
      socket.close();
    }
    if (this.#up) {
      this.#up = false;
      this.ends.up(false);
    }
  }

  async #try(): Promise<void> {
    const attempt = ++this.#attempt;
    let ticket: string | null;
    try {
      ticket = await this.ends.ticket();
    } catch {
      if (attempt === this.#attempt) this.#later();
      return;
    }
    if (attempt !== this.#attempt || !this.#running) return;
    if (ticket === null) {
      this.stop();
      this.ends.unpaired();
      return;
    }
    const socket = this.#socket = this.ends.open(["cordboard", `ticket.${ticket}`]);
    const lost = (): void => {
      if (attempt !== this.#attempt) return;
      this.#drop();
      this.#later();
    };
    this.#wait(OPENING, false, lost);
    socket.onopen = () => {
      if (attempt !== this.#attempt) return;
      this.#calm();
      this.#up = true;
      this.ends.up(true);
    };
    socket.onclose = lost;
    socket.onmessage = ({ data }) => {
      if (attempt !== this.#attempt) return;
      const message = parse(data);
      // The server has heard us and answered: only that ends a row of failures.
      if (message?.t === "welcome") this.#tries = 0;
      if (message) this.ends.heard(message);
    };
  }

  #later(): void {
    if (!this.#running) return;
    const most = PAUSES[this.#tries]!;
    this.#tries = Math.min(this.#tries + 1, PAUSES.length - 1);
    this.#wait(this.ends.dice() * most, true, () => void this.#try());
  }

  #wait(ms: number, pause: boolean, work: () => void): void {
    this.#calm();
    this.#alarm = { at: Date.now() + ms, timer: setTimeout(() => this.#ring(), ms), pause, work };
  }

  #calm(): void {
    if (this.#alarm) clearTimeout(this.#alarm.timer);
    this.#alarm = null;
  }

  #ring(): void {
    const work = this.#alarm?.work;
    this.#calm();
    work?.();
  }
}
