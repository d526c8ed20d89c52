// Looks at the page in a real browser, with the unmodified SDK: takes a picture of every face, and fails where the page
// breaks its policy, logs an error, or does not do what the picture claims.
//
// For people at work on the page; no part of the tests that run everywhere. It needs a Chromium and playwright-core, which
// is no dependency of ours: PLAYWRIGHT=<folder of playwright-core> CHROMIUM=<program> node test/look.mjs <folder> [face...]
// The server, the carrier's gateway and the person at the other end are played here: double.mjs.

import { createRequire } from "node:module";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { double } from "./double.mjs";

const { chromium } = createRequire(import.meta.url)(process.env.PLAYWRIGHT ?? "playwright-core");
const [, , folder = "look", ...only] = process.argv;
mkdirSync(folder, { recursive: true });

const ROSA = { call: "c_1", name: "Rosa Diaz", number: "+44 20 7946 0321", why: "new" };
const now = () => Date.now();
const offer = (over = {}) => ({ ...ROSA, since: now() - 7000, ...over });
const seat = (over = {}) => ({ call: "c_1", leg: "c_1.2", ticket: "t", joined: false, at: "connecting", name: ROSA.name, number: ROSA.number, since: now() - 83_000, ...over });
const state = (over = {}) => ({ t: "state", active: true, offers: [], held: [], ...over });
const held = [{ call: "c_7", name: "Ada Okonkwo-Wetherington", number: "+1 555 0100", since: now() - 130_000 }];

const enable = async ({ page }) => {
  await page.click("button.main:visible");
  await page.waitForSelector('html[data-face="ready"]', { timeout: 15_000 });
};
const talk = async (w, over = {}) => {
  await enable(w);
  w.house.say(state({ seat: seat() }));
  await w.carrier.answered();
  w.house.say(state({ seat: seat({ joined: true, at: "talking" }), ...over }));
  await w.page.waitForFunction(() => Boolean(window.cordboard.marks()["first-audio"]), null, { timeout: 10_000 });
};

const FACES = {
  pairing: { paired: false, hash: "#BCDF-GHJK", go: async ({ page }) => { await page.waitForSelector("form:not([hidden])"); } },
  digits: { paired: false, hash: "#BCDF-GHJK", go: async ({ page }) => { await page.click("form button"); await page.waitForSelector(".digits:not([hidden])"); } },
  explain: { go: async ({ page }) => { await page.waitForSelector('html[data-face="asleep"]'); } },
  ready: { go: enable },
  settings: { go: async (w) => { await enable(w); await w.page.click("summary"); await w.page.waitForTimeout(900); } },
  ringing: { go: async (w) => {
    await enable(w);
    w.house.say(state({ offers: [offer()] }));
    await w.page.waitForSelector(".offer");
    const [on, title] = await w.page.evaluate(() => [document.activeElement?.textContent, document.title]);
    if (on !== "Rosa Diaz" || title !== "☎ Rosa Diaz is calling") throw new Error(`focus on ${on}, title ${title}`);
  } },
  returned: { go: async (w) => {
    await enable(w);
    w.house.say(state({ offers: [offer({ name: "‮Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenhaft‬ <b>x</b>", why: "park-expired" }), offer({ call: "c_2", name: "", number: "+1 555 0199", why: "transfer" })] }));
    await w.page.waitForSelector(".offer");
  } },
  talking: { go: async (w) => {
    await talk(w);
    await w.page.waitForTimeout(2500);
    await w.page.waitForFunction(() => window.cordboard.levels().in > 0.001);
    const [marks, levels, hertz] = await w.page.evaluate(() => [window.cordboard.marks(), window.cordboard.levels(), window.cordboard.spectrum()]);
    console.log("   marks", JSON.stringify(marks), "levels", JSON.stringify(levels), "hears", Math.round(hertz), "Hz");
    if (Math.abs(hertz - 440) > 20) throw new Error(`hears ${hertz} Hz`);
    const before = await w.carrier.loudest();
    if (!(before > 0.001)) throw new Error(`the other end hears ${before}`);
    await w.page.keyboard.press("m");
    await w.page.waitForTimeout(700);
    const after = await w.carrier.loudest();
    if (after > 0.0005) throw new Error(`muted, the other end hears ${after}`);
    await w.page.keyboard.press("m");
    await w.page.waitForTimeout(300);
    console.log("   the other end hears", before.toFixed(4), "muted", after.toFixed(4), "last beat", JSON.stringify(w.house.beats.at(-1)));
  } },
  keypad: { go: async (w) => { await talk(w); await w.page.keyboard.press("k"); for (const key of "15#") await w.page.keyboard.press(key); await w.page.waitForTimeout(300); } },
  muted: { go: async (w) => { await talk(w); await w.page.keyboard.press("m"); await w.page.waitForTimeout(300); } },
  held: { go: async (w) => {
    await talk(w, { held });
    w.house.say(state({ seat: seat({ joined: true, at: "held", since: now() - 12_000 }), held }));
    await w.page.waitForTimeout(700);
    const heard = await w.carrier.loudest();
    if (heard > 0.0005) throw new Error(`held, the other end hears ${heard}`);
  } },
  waiting: { go: async (w) => { await talk(w, { offers: [offer({ call: "c_9", name: "Jun Park", why: "transfer" })], held }); } },
  hangup: { go: async (w) => {
    await talk(w);
    await w.page.keyboard.press("x");
    await w.carrier.over();
    if (w.house.said.at(-1)?.t !== "heartbeat" || !w.house.said.some((m) => m.t === "leave")) throw new Error("no leave was said");
    w.house.say(state());
    await w.page.waitForSelector('html[data-face="ready"]');
    await w.page.waitForTimeout(300);
    if (w.carrier.invites !== 1) throw new Error(`${w.carrier.invites} calls`);
  } },
  emergency: { go: async (w) => {
    await talk(w);
    w.house.say({ t: "emergency", to: "112" });
    w.house.say({ t: "emergency", to: "112" });
    await w.page.waitForFunction(() => document.querySelector(".seat h2")?.textContent === "Emergency call");
    await w.page.waitForTimeout(1500);
    if (w.carrier.params.join(" ") !== "op=join&leg=c_1.2&ticket=t op=dial&to=112") throw new Error(w.carrier.params.join(" "));
    if (!((await w.carrier.loudest()) > 0.001)) throw new Error("nobody hears the call for help");
  } },
  second: { go: async (w) => { await enable(w); w.house.say(state({ active: false, other: "Firefox on Linux", offers: [offer()] })); await w.page.waitForSelector('html[data-face="second"]'); } },
  denied: { deny: true, go: async ({ page }) => { await page.click("button.main:visible"); await page.waitForSelector('html[data-face="denied"]'); } },
  carrier: { noCarrier: true, go: async (w) => { await w.page.click("button.main:visible"); await w.page.waitForSelector('html[data-face="carrier"]', { timeout: 15_000 }); } },
  server: { go: async (w) => { await enable(w); w.house.down(); await w.page.waitForSelector('html[data-face="server"]', { timeout: 10_000 }); await w.page.waitForTimeout(1500); } },
  "server-in-call": { go: async (w) => { await talk(w); w.house.down(); await w.page.waitForSelector('html[data-face="server"]', { timeout: 10_000 }); } },
  reload: { go: async (w) => {
    await enable(w);
    await w.page.reload();
    await w.page.waitForSelector('html[data-face="ready"]', { timeout: 15_000 });
    w.house.say(state({ offers: [offer()] }));
    await w.page.waitForSelector(".offer");
  } },
  narrow: { size: { width: 320, height: 640 }, go: async (w) => { await talk(w, { held, offers: [offer({ call: "c_9", name: "Jun Park" })] }); await w.page.evaluate(() => { if (document.documentElement.scrollWidth > innerWidth) throw new Error("wider than the window"); }); } },
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--disable-quic",
    "--allow-loopback-in-peer-connection", "--disable-features=WebRtcHideLocalIpsWithMdns", "--autoplay-policy=no-user-gesture-required",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"],
});
let failed = 0;
const looks = [["phone", { width: 390, height: 844 }, "light"], ["phone", { width: 390, height: 844 }, "dark"], ["desk", { width: 1280, height: 800 }, "light"], ["desk", { width: 1280, height: 800 }, "dark"]];
for (const [face, { go, paired = true, hash = "", deny = false, noCarrier = false, size }] of Object.entries(FACES)) {
  if (only.length > 0 && !only.includes(face)) continue;
  const world = await double(browser, { noCarrier });
  const context = await browser.newContext({ viewport: looks[0][1], colorScheme: "light" });
  const page = await context.newPage();
  page.setDefaultTimeout(12_000);
  const wrong = [];
  const meant = (text) => (deny || noCarrier || /server/.test(face)) && /WebSocket|Failed to load|ERR_CONNECTION/.test(text);
  page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !meant(m.text())) wrong.push(m.text()); });
  page.on("pageerror", (error) => wrong.push(error.message));
  page.on("requestfailed", (request) => { if (!meant("WebSocket") && request.failure()?.errorText !== "net::ERR_ABORTED") wrong.push(`${request.url()} ${request.failure()?.errorText}`); });
  await page.addInitScript(({ deny, paired }) => {
    localStorage.setItem("cordboard.measure", "1");
    localStorage.setItem("cordboard.raw-microphone", "1");
    if (paired) localStorage.setItem("cordboard.refresh", "r");
    if (deny) navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
  }, { deny, paired });
  try {
    await page.goto(`${world.url}/phone${hash}`);
    await go({ page, ...world });
    for (const [name, viewport, colorScheme] of size ? [["narrow", size, "light"]] : looks) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(120);
      await page.screenshot({ path: join(folder, `${face}-${name}-${colorScheme}.png`) });
    }
  } catch (error) {
    wrong.push(error.message);
    await page.screenshot({ path: join(folder, `${face}-failed.png`) }).catch(() => undefined);
  }
  console.log(wrong.length === 0 ? "ok  " : "FAIL", face, ...wrong.map((text) => `\n     ${text}`));
  failed += wrong.length === 0 ? 0 : 1;
  await context.close();
  await world.close();
}
await browser.close();
process.exit(failed === 0 ? 0 : 1);
