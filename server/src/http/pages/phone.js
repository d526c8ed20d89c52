// The phone page: pairs with a console, keeps its sign-in, and follows what it should be doing. It has no sound yet, so it
// says that it is not ready, and nobody is rung through it.
//
// The refresh token lies in this origin's local storage, where only our own scripts come near it: the policy lets no other
// run. Everything from outside reaches the page as text, never as markup.

const $ = (id) => document.getElementById(id);
const KEPT = "cordboard.refresh";
const VERSION = 2;
const BEAT_MS = 2000;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

let access = null;
let muted = false;

const say = (text) => { $("say").textContent = text; };
const show = (id, on) => { $(id).hidden = !on; };

// A request to our API: what it answers, or a problem with its sentence.
async function ask(path, body, token) {
  const headers = { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}), cache: "no-store" });
  const answer = await response.json();
  if (response.ok) return answer;
  throw Object.assign(new Error(answer.detail), { code: answer.code, status: response.status });
}

function keep(tokens) {
  access = tokens.access;
  localStorage.setItem(KEPT, tokens.refresh);
}

function forget() {
  access = null;
  localStorage.removeItem(KEPT);
}

function device() {
  const agent = navigator.userAgent;
  const browser = ["Firefox", "Edg", "Chrome", "Safari"].find((name) => agent.includes(name)) ?? "A browser";
  const system = ["Android", "iPhone", "Windows", "Mac OS", "Linux"].find((name) => agent.includes(name)) ?? "something";
  return `${browser === "Edg" ? "Edge" : browser} on ${system}`;
}

// Names the code, and waits to be let in.
async function pair(code) {
  show("pair", false);
  say("Asking your console.");
  const waiting = await ask("/api/pairings/claim", { code, device: device() });
  $("digits").textContent = waiting.check;
  show("check", true);
  say("Waiting for your console to let this page in.");
  for (let pause = waiting.interval * 1000; ; ) {
    await sleep(pause);
    try {
      keep(await ask("/api/pairings/poll", { device_code: waiting.device_code }));
      return;
    } catch (problem) {
      if (problem.code === "slow-down") pause += 5000;
      else if (problem.code !== "authorization-pending") throw problem;
    } finally {
      if (access) show("check", false);
    }
  }
}

// The next tokens. Whether there is a sign-in that goes on; an error where nobody could say.
async function renew() {
  const refresh = localStorage.getItem(KEPT);
  if (!refresh) return false;
  try {
    keep(await ask("/api/token", { refresh }));
    return true;
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    forget();
    return false;
  }
}

// What the page should be doing, in words.
function draw(state) {
  const name = (offer) => offer.name || offer.number || "number withheld";
  $("offers").replaceChildren(...state.offers.map((offer) => {
    const item = document.createElement("li");
    item.textContent = `${name(offer)} rings for you. Answer in your console.`;
    return item;
  }));
  $("seat").textContent = state.seat ? "You are in a call." : "No call.";
  $("mute").textContent = muted ? "The microphone is off." : "";
}

// Follows over one socket, until it ends.
async function follow() {
  const { ticket } = await ask("/api/ticket", {}, access);
  const address = new URL("/ws/phone", location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address, ["cordboard", `ticket.${ticket}`]);
  const send = (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
  const beat = () => send({ t: "heartbeat", ready: false, muted });
  let beating;
  let last = { offers: [], seat: null };
  await new Promise((over) => {
    socket.onopen = () => {
      send({ t: "hello", version: VERSION });
      beat();
      beating = setInterval(beat, BEAT_MS);
    };
    socket.onclose = over;
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.t === "welcome") say("Paired. This page has no sound yet.");
      else if (message.t === "state") draw(last = message);
      else if (message.t === "mute") { muted = message.on; draw(last); beat(); }
      else if (message.t === "bye") say(message.why);
    };
  });
  clearInterval(beating);
}

// A code in the link is asked about, never used by itself: whoever sent the link may not be the console's person.
function askForCode() {
  const offered = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  $("code").value = offered;
  show("calls", false);
  show("pair", true);
  say(offered ? "Is this the code that your own console shows?" : "Your console shows a code: press its key for the phone.");
  $("code").focus();
  return new Promise((typed) => {
    $("pair").onsubmit = (event) => { event.preventDefault(); typed($("code").value); };
  });
}

$("forget").onclick = async () => {
  try { if (access) await ask("/api/logout", {}, access); } finally { forget(); location.reload(); }
};

for (let tries = 0; ; ) {
  try {
    if (location.hash) forget();
    if (!(await renew())) await pair(await askForCode());
    show("calls", true);
    await follow();
    tries = 0;
    say("The connection is gone. Coming back.");
  } catch (problem) {
    show("check", false);
    say(problem.code ? problem.message : "The server cannot be reached. Trying again.");
    tries += 1;
    await sleep(problem.code ? 2000 : 0);
  }
  await sleep(Math.random() * Math.min(15000, 500 * 2 ** tries));
}
