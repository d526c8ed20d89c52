// A server, a gateway and somebody at the other end, all played, for look.mjs.
//
// It serves `dist/` under the policy that the real server sends, speaks as much of WebSocket as two small sockets need,
// and answers the SDK's offers with a second page's RTCPeerConnection that sends 440 Hz. It proves nothing about the real
// server: it shows whether the page does its part.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";

const DIST = new URL("../dist/", import.meta.url);
const KINDS = { html: "text/html; charset=utf-8", css: "text/css; charset=utf-8", js: "text/javascript; charset=utf-8", svg: "image/svg+xml", wav: "audio/wav", txt: "text/plain; charset=utf-8" };

/** One WebSocket of a server, for text frames. */
function socket(request, stream, protocol, heard) {
  const key = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  stream.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ""}\r\n`);
  const frame = (code, body) => {
    const head = body.length < 126 ? Buffer.from([0x80 | code, body.length]) : Buffer.from([0x80 | code, 126, body.length >> 8, body.length & 255]);
    if (!stream.destroyed) stream.write(Buffer.concat([head, body]));
  };
  let rest = Buffer.alloc(0);
  stream.on("data", (data) => {
    rest = Buffer.concat([rest, data]);
    for (;;) {
      if (rest.length < 2) return;
      let length = rest[1] & 127;
      let at = 2;
      if (length === 126) { if (rest.length < 4) return; length = rest.readUInt16BE(2); at = 4; }
      if (rest.length < at + 4 + length) return;
      const mask = rest.subarray(at, at + 4);
      const body = Buffer.from(rest.subarray(at + 4, at + 4 + length).map((byte, i) => byte ^ mask[i & 3]));
      const code = rest[0] & 15;
      rest = rest.subarray(at + 4 + length);
      if (code === 1) heard(body.toString());
      if (code === 8) stream.end();
      if (code === 9) frame(10, body);
    }
  });
  stream.on("error", () => undefined);
  return { say: (text) => frame(1, Buffer.from(text)), close: () => stream.destroy() };
}

export async function double(browser, { noCarrier }) {
  const listening = (server) => new Promise((done) => server.listen(0, "127.0.0.1", () => done(server.address().port)));

  // The gateway.
  const other = await browser.newContext();
  const peer = await other.newPage();
  const carrier = { invites: 0, answers: 0, ends: 0, params: [] };
  const until = async (what) => {
    for (let left = 200; carrier[what] === 0; left -= 1) {
      if (left === 0) throw new Error(`no ${what} in ten seconds`);
      await new Promise((next) => setTimeout(next, 50));
    }
  };
  const gateway = createServer();
  gateway.on("upgrade", (request, stream) => {
    const frame = (type, payload) => line.say(JSON.stringify({ type, version: "1.6", payload }));
    const line = socket(request, stream, "", async (text) => {
      if (text === "\n") return;
      const { type, payload } = JSON.parse(text);
      if (type === "listen") frame("connected", { region: "US_EAST_VIRGINIA", token: { identity: "u1", ttl: 3600 } });
      // The token has no grant to be rung: the registration is refused, the stream stays.
      if (type === "register") frame("error", { error: { code: 31204, message: "no incoming grant" } });
      if (type === "hangup") carrier.ends += 1;
      if (type === "invite") {
        carrier.invites += 1;
        carrier.params.push(payload.twilio.params);
        const sid = `CA${String(carrier.invites).padStart(32, "0")}`;
        const sdp = await peer.evaluate(answerOffer, payload.sdp);
        frame("ringing", { callsid: sid });
        frame("answer", { callsid: sid, sdp, reconnect: "r" });
        carrier.answers += 1;
      }
    });
    const beat = setInterval(() => line.say("\n"), 5000);
    stream.on("close", () => clearInterval(beat));
  });
  const port = await listening(gateway);
  const signalling = `127.0.0.1:${port}`;
  if (noCarrier) gateway.close();

  // The server.
  const house = { beats: [], said: [], line: null, away: false };
  const server = createServer(async (request, response) => {
    if (house.away) return request.socket.destroy();
    const { pathname } = new URL(request.url, "http://x");
    const json = (status, body) => { response.writeHead(status, { "content-type": "application/json" }); response.end(JSON.stringify(body)); };
    if (pathname === "/api/token") return json(200, { access: "a", refresh: "r", expires_in: 900 });
    if (pathname === "/api/ticket") return json(200, { ticket: "t" });
    if (pathname === "/api/pairings/claim") return json(200, { device_code: "d", check: "47", interval: 60 });
    const name = pathname === "/phone" ? "phone.html" : /^\/assets\/([a-z.]+)$/.exec(pathname)?.[1];
    if (!name) return json(404, {});
    let body = await readFile(new URL(name, DIST)).catch(() => null);
    if (!body) return json(404, {});
    const headers = { "content-type": KINDS[name.split(".").pop()], "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin", "permissions-policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()" };
    if (name === "phone.html") {
      body = body.toString().replace("<!--signalling-->", `<script src="/assets/signalling.js" data-host="${signalling}"></script>`);
      headers["content-security-policy"] = `default-src 'none'; script-src 'self'; style-src 'self'; worker-src 'self'; media-src 'self' blob: mediastream:; connect-src 'self' ws://${request.headers.host} ws://${signalling}; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types cordboard`;
    } else headers["content-security-policy"] = "default-src 'none'; frame-ancestors 'none'";
    response.writeHead(200, headers);
    response.end(body);
  });
  server.on("upgrade", (request, stream) => {
    if (house.away) return stream.destroy();
    const line = house.line = socket(request, stream, "cordboard", (text) => {
      const message = JSON.parse(text);
      house.said.push(message);
      if (message.t === "heartbeat") house.beats.push(message);
      if (message.t !== "hello") return;
      line.say(JSON.stringify({ t: "welcome", version: 2, identity: "u1", name: "Grace Oduya", token: "demo.u1", expires: Date.now() + 3_600_000, now: Date.now(), signalling }));
      line.say(JSON.stringify({ t: "state", active: true, offers: [], held: [] }));
    });
  });
  house.say = (message) => house.line.say(JSON.stringify(message));
  house.down = () => { house.away = true; house.line.close(); };
  const url = `http://localhost:${await listening(server)}`;
  await peer.goto(`${url}/assets/icon.svg`);

  return {
    url, house,
    carrier: {
      get invites() { return carrier.invites; },
      params: carrier.params,
      answered: () => until("answers"),
      over: () => until("ends"),
      // The microphone that Chromium pretends beeps once a second.
      loudest: async () => {
        let most = 0;
        for (let i = 0; i < 24; i += 1) {
          most = Math.max(most, await peer.evaluate(() => globalThis.level()));
          await new Promise((next) => setTimeout(next, 60));
        }
        return most;
      },
    },
    close: async () => { await other.close(); server.closeAllConnections(); server.close(); gateway.closeAllConnections(); gateway.close(); },
  };
}

/** In the other page: answers an offer, sends a tone, and measures what comes. */
async function answerOffer(sdp) {
  const pc = new RTCPeerConnection();
  const context = new AudioContext();
  await context.resume();
  const out = context.createMediaStreamDestination();
  const tone = new OscillatorNode(context, { frequency: 440 });
  tone.connect(out);
  tone.start();
  const analyser = new AnalyserNode(context, { fftSize: 8192 });
  const samples = new Float32Array(8192);
  globalThis.level = () => { analyser.getFloatTimeDomainData(samples); return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length); };
  pc.ontrack = ({ track }) => {
    const stream = new MediaStream([track]);
    const player = new Audio();
    player.muted = true;
    player.srcObject = stream;
    player.play();
    context.createMediaStreamSource(stream).connect(analyser);
  };
  await pc.setRemoteDescription({ type: "offer", sdp });
  // With its stream: the SDK plays nothing that belongs to none.
  pc.addTrack(out.stream.getAudioTracks()[0], out.stream);
  await pc.setLocalDescription(await pc.createAnswer());
  await new Promise((done) => { if (pc.iceGatheringState === "complete") done(); else pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done(); });
  globalThis.pc = pc;
  return pc.localDescription.sdp;
}
