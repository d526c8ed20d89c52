// A telephone: one line to the double, one call at a time, a microphone and an ear.
//
// The line's words are those of the edge (`edge/frames.rs`). What is shown is what the line has said: a call rings when
// the double says so, and not when a button was pressed.

const $ = (id) => document.getElementById(id);
const DEFAULTS = { number: "+14155550177", name: "Your other browser" };
/** How long a lost line is left alone before it is plugged in again, in milliseconds. */
const AGAIN = 1000;

let line = null;
let call = null; // { id, state: "asks" | "dials" | "rings" | "rung" | "talks", who, sdp, peer, mic, since }
let said = "Being plugged in …";
let bad = false;
/** Counts the lines: what an old one says late is nobody's. */
let turn = 0;

function kept(key) {
  try { return localStorage.getItem(`telephone.${key}`) ?? DEFAULTS[key]; } catch { return DEFAULTS[key]; }
}

function keep(key, value) {
  try { localStorage.setItem(`telephone.${key}`, value); } catch { /* It is kept until the page goes. */ }
}

function tell(text, isBad = false) {
  said = text;
  bad = isBad;
  show();
}

function send(type, payload) {
  if (line?.readyState === WebSocket.OPEN) line.send(JSON.stringify({ type, version: "1.6", payload }));
}

// --- the line ---

function plugIn() {
  turn += 1;
  const mine = turn;
  line?.close();
  const about = new URLSearchParams({ number: $("number").value, name: $("name").value });
  line = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/telephone/line?${about}`);
  line.onmessage = ({ data }) => {
    if (mine !== turn || data === "\n") return;
    const { type, payload } = JSON.parse(data);
    heard[type]?.(payload);
  };
  line.onclose = () => {
    if (mine !== turn) return;
    line = null;
    if (call) end("The line is gone, and your call with it.", true);
    else tell("The line is gone. Is the double still running?", true);
    setTimeout(() => { if (mine === turn) plugIn(); }, AGAIN);
  };
}

const theirs = (payload) => call && payload.callsid === call.id;

const heard = {
  connected({ numbers }) {
    $("numbers").replaceChildren(...numbers.map((number) => new Option(number, number)));
    if ($("to").value === "" && numbers.length > 0) $("to").value = numbers[0];
    tell("Ready. Nobody is on the line.");
  },
  // A call out has its real name from now on.
  ringing({ callsid }) {
    if (call?.state !== "dials") return;
    call.id = callsid;
    call.state = "rings";
    tell(`Ringing at ${call.who} …`);
  },
  async answer(payload) {
    if (!theirs(payload) || call.state === "talks") return;
    if (payload.sdp) await call.peer?.setRemoteDescription({ type: "answer", sdp: payload.sdp }).catch(failed);
    if (!theirs(payload)) return;
    call.state = "talks";
    call.since = Date.now();
    tell(`Connected with ${call.who}.`);
  },
  invite({ callsid, sdp, parameters }) {
    if (call) return send("reject", { callsid });
    call = { id: callsid, state: "rung", who: parameters.From ?? "somebody", sdp };
    tell(`${call.who} is calling.`);
    ring();
  },
  cancel(payload) {
    if (theirs(payload)) end(`${call.who} has given up.`);
  },
  hangup(payload) {
    if (!theirs(payload)) return;
    const why = payload.error?.message;
    if (why) end(`The call did not come about: ${why}.`, true);
    else end(call.state === "talks" ? "The other end has hung up." : "The call is over.");
  },
  error({ error }) {
    tell(`The double refuses: ${error.message}.`, true);
  },
};

// --- a call ---

/** The microphone and a connection for this call; null, and why was said, if there is none. */
async function connection(mine) {
  let mic = null;
  try {
    mic = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (why) {
    if (call === mine) {
      const secure = navigator.mediaDevices !== undefined;
      const words = secure ? `There is no microphone: ${why.message}` : "A browser gives a microphone to https and to its own machine only: open this page at 127.0.0.1";
      end(`${words}.`, true);
    }
    return null;
  }
  if (call !== mine) {
    mic.getTracks().forEach((track) => track.stop());
    return null;
  }
  const peer = new RTCPeerConnection();
  mic.getTracks().forEach((track) => peer.addTrack(track, mic));
  peer.ontrack = ({ streams }) => { $("ear").srcObject = streams[0]; };
  Object.assign(call, { peer, mic });
  return peer;
}

async function dial(to) {
  const mine = { id: `T${crypto.randomUUID()}`, state: "asks", who: to };
  call = mine;
  tell("Waiting for your microphone …");
  const peer = await connection(mine);
  if (!peer) return;
  await peer.setLocalDescription().catch(failed);
  if (call !== mine) return;
  mine.state = "dials";
  tell(`Calling ${to} …`);
  const params = new URLSearchParams({ To: to }).toString();
  send("invite", { callsid: mine.id, sdp: peer.localDescription.sdp, twilio: { params } });
}

async function answer() {
  const mine = call;
  if (mine?.state !== "rung") return;
  mine.state = "asks";
  tell("Waiting for your microphone …");
  const peer = await connection(mine);
  if (!peer) return;
  try {
    await peer.setRemoteDescription({ type: "offer", sdp: mine.sdp });
    await peer.setLocalDescription();
  } catch (why) {
    return failed(why);
  }
  if (call === mine) send("answer", { callsid: mine.id, sdp: peer.localDescription.sdp });
}

function failed(why) {
  if (call) hangUp(`The sound cannot be agreed on: ${why.message}.`, true);
}

function hangUp(words = "You have hung up.", isBad = false) {
  if (!call) return;
  send(call.state === "rung" ? "reject" : "hangup", { callsid: call.id });
  end(words, isBad);
}

function end(words, isBad = false) {
  const over = call;
  call = null;
  over?.peer?.close();
  over?.mic?.getTracks().forEach((track) => track.stop());
  $("ear").srcObject = null;
  tell(words, isBad);
}

// --- the bell ---

let bell = null;

/** Rings while it is rung; where nobody has touched the page yet, a browser lets it ring in silence. */
function ring() {
  if (call?.state !== "rung") return;
  bell ??= new AudioContext();
  const gain = new GainNode(bell, { gain: 0.15 });
  gain.connect(bell.destination);
  for (const frequency of [440, 480]) {
    const tone = new OscillatorNode(bell, { frequency });
    tone.connect(gain);
    tone.start();
    tone.stop(bell.currentTime + 1);
  }
  setTimeout(ring, 3000);
}

// --- what is shown ---

function show() {
  const talks = call?.state === "talks";
  $("dial").hidden = call !== null;
  $("rung").hidden = call?.state !== "rung";
  $("talk").hidden = call === null || call.state === "rung";
  $("keys").hidden = $("mute").hidden = !talks;
  for (const field of [$("number"), $("name")]) field.disabled = call !== null;
  $("call").disabled = line === null;
  const muted = call?.mic ? call.mic.getTracks().every((track) => !track.enabled) : false;
  $("mute").setAttribute("aria-pressed", String(muted));
  $("status").toggleAttribute("data-bad", bad);
  if ($("status").textContent !== said) $("status").textContent = said;
  document.title = call ? `${said} · Telephone` : "Telephone";
  // Whoever pressed a button that is gone goes on with the next one, and not at the top of the page.
  const on = document.activeElement;
  if (on !== document.body && on?.checkVisibility()) return;
  if (on === document.body && call?.state !== "rung") return;
  (call === null ? $("call") : call.state === "rung" ? $("answer") : $("hang-up")).focus();
}

for (const key of "123456789*0#") {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = key;
  button.onclick = () => call?.peer?.getSenders()[0]?.dtmf?.insertDTMF(key, 160, 70);
  $("keys").append(button);
}
$("dial").onsubmit = (event) => {
  event.preventDefault();
  if (!call) dial($("to").value.replace(/[^+\d]/g, ""));
};
$("answer").onclick = () => answer();
$("refuse").onclick = () => hangUp("You have refused the call.");
$("hang-up").onclick = () => hangUp();
$("mute").onclick = () => {
  call?.mic?.getTracks().forEach((track) => { track.enabled = !track.enabled; });
  show();
};
$("own").onsubmit = (event) => event.preventDefault();
for (const key of ["number", "name"]) {
  $(key).value = kept(key);
  $(key).onchange = () => {
    if (!$("own").reportValidity()) return;
    keep(key, $(key).value);
    plugIn();
  };
}
// The desk must not talk on to a page that is gone.
addEventListener("pagehide", () => line?.close());
plugIn();
