// A worker that ticks every two seconds, where no hidden tab slows it down.
//
// It must not send heartbeats itself: the page's main thread answers each tick with one, so that a page that hangs is
// silent, which is what it then is.
//
// Read next: main.ts.

const EVERY = 2000;

setInterval(() => (self as unknown as { postMessage(message: number): void }).postMessage(0), EVERY);

export {};
