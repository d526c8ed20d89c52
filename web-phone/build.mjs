// Builds the page into `dist/`: what the server serves at `/phone` and under `/assets/`, with a `.gz` beside each text.
//
// Everything comes from this folder and from what package-lock.json pins; nothing is fetched. The tones are computed, so
// that the repository holds no binaries. It prints what each file weighs and what the bundle is made of.

import { build } from "esbuild";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";

const OUT = new URL("dist/", import.meta.url);
const here = (path) => new URL(path, import.meta.url);

/** A sound of one channel, 16 bits. */
function wav(rate, samples) {
  const bytes = Buffer.alloc(44 + samples.length * 2);
  bytes.write("RIFF", 0); bytes.writeUInt32LE(36 + samples.length * 2, 4); bytes.write("WAVEfmt ", 8);
  bytes.writeUInt32LE(16, 16); bytes.writeUInt16LE(1, 20); bytes.writeUInt16LE(1, 22); bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * 2, 28); bytes.writeUInt16LE(2, 32); bytes.writeUInt16LE(16, 34);
  bytes.write("data", 36); bytes.writeUInt32LE(samples.length * 2, 40);
  samples.forEach((sample, i) => bytes.writeInt16LE(Math.round(Math.max(-1, Math.min(1, sample)) * 32767), 44 + i * 2));
  return bytes;
}

/** A gentle ring: a struck chord, twice, then quiet, four seconds in all. */
function ringing() {
  const rate = 11025;
  const samples = new Array(rate * 4).fill(0);
  const strike = (at, hertz, loud) => {
    const begin = Math.round(at * rate);
    for (let i = 0; i < rate * 1.1 && begin + i < samples.length; i += 1) {
      const t = i / rate;
      const shape = Math.min(1, t / 0.008) * Math.exp(-t * 5.5);
      samples[begin + i] += loud * shape * (Math.sin(2 * Math.PI * hertz * t) + 0.22 * Math.exp(-t * 9) * Math.sin(8 * Math.PI * hertz * t));
    }
  };
  for (const [begin, low] of [[0, 523.25], [0.78, 587.33]]) {
    strike(begin, low, 0.3);
    strike(begin + 0.13, low * 1.25, 0.26);
    strike(begin + 0.26, low * 1.5, 0.3);
  }
  return wav(rate, samples);
}

/**
 * The licence of each package that is in the bundle, and of what the SDK depends on: its errors were generated from a
 * package that is not imported. The SDK's own file has those of what was copied into it.
 */
async function licences(inputs) {
  const names = new Set();
  for (const path of Object.keys(inputs)) {
    const name = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
    if (name) names.add(name);
  }
  const sdk = JSON.parse(await readFile(here("node_modules/@twilio/voice-sdk/package.json"), "utf8"));
  for (const name of Object.keys(sdk.dependencies)) if (!name.startsWith("@types/")) names.add(name);
  const parts = ["What this page contains besides Cordboard's own code (MIT OR Apache-2.0), and under which terms.\n"];
  for (const name of [...names].sort()) {
    const folder = here(`node_modules/${name}/`);
    const { version, license } = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
    const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    const texts = await Promise.all(files.map((file) => readFile(new URL(file, folder), "utf8")));
    if (texts.length === 0) texts.push(`(The package carries no licence file; its manifest says: ${license}.)`);
    parts.push(`${"=".repeat(100)}\n${name} ${version} (${license})\n${"=".repeat(100)}\n\n${texts.map((text) => text.trim()).join("\n\n")}\n`);
  }
  return parts.join("\n");
}

const shared = {
  bundle: true, minify: true, sourcemap: false, target: "es2022", legalComments: "none", write: false, metafile: true,
  absWorkingDir: fileURLToPath(here(".")), logLevel: "warning",
};
const bundle = await build({ ...shared, entryPoints: { phone: "src/main.ts" }, format: "esm", outdir: "dist" });
const parts = await build({ ...shared, entryPoints: { beat: "src/beat.ts", signalling: "src/signalling.ts", phone: "src/phone.css" }, format: "iife", outdir: "dist" });

const files = new Map();
for (const file of [...bundle.outputFiles, ...parts.outputFiles]) files.set(file.path.split("/").pop(), Buffer.from(file.contents));
for (const name of ["phone.html", "icon.svg"]) files.set(name, await readFile(here(`src/${name}`)));
files.set("ring.wav", ringing());
files.set("silence.wav", wav(8000, new Array(400).fill(0)));
files.set("licences.txt", Buffer.from(await licences(bundle.metafile.inputs)));

// What has not changed is not touched, or the server that embeds it would be compiled again.
const written = new Set([".gitignore"]);
async function write(name, bytes) {
  written.add(name);
  const at = new URL(name, OUT);
  const before = await readFile(at).catch(() => null);
  if (!before?.equals(bytes)) await writeFile(at, bytes);
}

await mkdir(OUT, { recursive: true });
const rows = [];
for (const [name, bytes] of [...files].sort(([a], [b]) => a.localeCompare(b))) {
  await write(name, bytes);
  const text = !name.endsWith(".wav");
  const packed = text ? gzipSync(bytes, { level: 9 }) : null;
  if (packed) await write(`${name}.gz`, packed);
  rows.push([name, bytes.length, packed?.length ?? ""]);
}

for (const name of await readdir(OUT)) if (!written.has(name)) await rm(new URL(name, OUT));

const line = (a, b, c) => console.log(a.padEnd(34), String(b).padStart(9), String(c).padStart(9));
line("file", "bytes", "gzip");
for (const row of rows) line(...row);
const made = new Map();
const [output] = Object.values(bundle.metafile.outputs);
for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
  const name = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? path;
  made.set(name, (made.get(name) ?? 0) + bytesInOutput);
}
console.log("\nphone.js is made of");
for (const [name, bytes] of [...made].sort(([, a], [, b]) => b - a)) line(`  ${name}`, bytes, "");
