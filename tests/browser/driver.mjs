// Drives one browser for a test: Debian's Chromium, headless, with a microphone that plays a file.
//
// The test writes one JSON object a line, `{"id","code"}`; the code is the body of an async function of `page` and
// `context`, run here, and what it returns comes back as `{"id","ok"}` or `{"id","error"}`. What the page's console and
// its failures say is told between as `{"log"}`. When standard input ends, so does the browser. It decides nothing and
// knows nothing of the page. Read next: `tests/src/browser.rs`.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const plan = JSON.parse(process.argv[2]);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

// One way may be a detour. The rules are tried in this order.
const detour = plan.detour ? `MAP 127.0.0.1:${plan.detour[0]} 127.0.0.1:${plan.detour[1]}, ` : "";
const args = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream",
  // On a machine whose only network is loopback there would be no way for sound at all.
  "--allow-loopback-in-peer-connection",
  // Nothing may reach the Internet, whatever somebody forgot.
  `--host-resolver-rules=${detour}MAP 127.0.0.1 127.0.0.1, MAP localhost localhost, MAP * ~NOTFOUND`,
];
if (plan.microphone === "granted") args.push("--use-fake-ui-for-media-stream");
if (plan.microphone === "denied") args.push("--deny-permission-prompts");
if (plan.sound) args.push(`--use-file-for-fake-audio-capture=${plan.sound}`);
if (plan.gestures === false) args.push("--autoplay-policy=no-user-gesture-required");

const context = await chromium.launchPersistentContext(plan.folder, {
  executablePath: plan.chromium,
  headless: true,
  args,
  viewport: plan.viewport ?? { width: 900, height: 900 },
  colorScheme: plan.scheme ?? "light",
});
const follow = (page) => {
  page.on("console", (message) => say({ log: `${message.type()}: ${message.text()}` }));
  page.on("pageerror", (error) => say({ log: `error: ${error.stack ?? error}` }));
  page.on("crash", () => say({ log: "the page has crashed" }));
};
const page = context.pages()[0] ?? (await context.newPage());
follow(page);
context.on("page", follow);
const AsyncFunction = (async () => {}).constructor;
say({ ready: true });

for await (const line of createInterface({ input: process.stdin })) {
  const { id, code } = JSON.parse(line);
  // Not waited for: a test may ask something else while a page is stuck.
  new AsyncFunction("page", "context", code)(page, context).then(
    (value) => say({ id, ok: value ?? null }),
    (error) => say({ id, error: String(error?.message ?? error) }),
  );
}
await context.close();
process.exit(0);
