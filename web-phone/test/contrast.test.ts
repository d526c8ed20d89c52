// The colours, counted: each pair of text and ground in phone.css reaches WCAG AA, in both palettes.

import { describe, expect, it } from "vitest";
import css from "../src/phone.css?raw";

type Palette = Map<string, string>;
const palette = (block: string): Palette => new Map([...block.matchAll(/--([a-z-]+): (#[0-9a-f]{6})\b/g)].map(([, name, value]) => [name!, value!]));
const [light, dark] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, block]) => palette(block!)) as [Palette, Palette];

function luminance(hex: string): number {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(colours: Palette, text: string, ground: string): number {
  const [a, b] = [text, ground].map((name) => luminance(colours.get(name)!)) as [number, number];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

const TEXT: [string, string[]][] = [
  ["ink", ["ground", "card", "well", "wash-amber", "wash-red"]],
  ["soft", ["ground", "card", "wash-amber", "wash-red"]],
  ["amber", ["card"]], ["go", ["card"]], ["stop", ["ground", "card"]],
  ["on-go", ["go"]], ["on-stop", ["stop"]], ["on-main", ["main"]],
];
/** What is no text but must be seen: the ring round what has the focus, and the lamps. */
const SIGNS: [string, string[]][] = [["focus", ["ground", "card"]], ["soft", ["card"]], ["go", ["ground", "card"]], ["stop", ["ground"]]];

describe.each([["light", light], ["dark", dark]] as const)("the %s palette", (_, colours) => {
  it("has every colour", () => expect(colours.size).toBeGreaterThan(15));
  it.each(TEXT)("%s can be read", (text, grounds) => {
    for (const ground of grounds) expect(contrast(colours, text, ground), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
  });
  it.each(SIGNS)("%s can be seen", (sign, grounds) => {
    for (const ground of grounds) expect(contrast(colours, sign, ground), `${sign} on ${ground}`).toBeGreaterThanOrEqual(3);
  });
});
