import { expect, test } from "vitest";
import { initWithPictures, setWithPictures } from "../../src/lib/sps";

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g)!, (byte) => Number.parseInt(byte, 16));
const hex = (of: Uint8Array) => Array.from(of, (byte) => byte.toString(16).padStart(2, "0")).join("");
// As x264 wrote them, for a recording at 30 and a baseline stream with cropping at 25; and what ffmpeg's trace_headers
// reads as 625 ticks of a thousandth, fixed.
const recorded = "6764001facb402802dd35010101a50000003001000000303c8f1832a";
const slower = "6764001facb402802dd35010101a500000271000003e88f1832a";
const baseline = "6742c00dd901519e226c0440000003004000000c83c50a92";

test("a parameter set names another rate and is the same otherwise", () => {
  expect(hex(setWithPictures(bytes(recorded), 1.25))).toBe(slower);
  expect(hex(setWithPictures(bytes(baseline), 1.25))).toBe("6742c00dd901519e226c044000009c400000fa23c50a92");
  // Whatever was named before, and through escapes.
  expect(hex(setWithPictures(setWithPictures(bytes(recorded), 0.002), 1.25))).toBe(slower);
});

test("what cannot be read stays as it is", () => {
  for (const broken of ["67", "6764", recorded.slice(0, 20)]) expect(hex(setWithPictures(bytes(broken), 1.25))).toBe(broken);
});

/** A box of this name around these bytes. */
function box(name: string, ...within: number[][]): number[] {
  const content = within.flat();
  const size = content.length + 8;
  return [size >>> 24, (size >>> 16) & 255, (size >>> 8) & 255, size & 255, ...Array.from(name, (letter) => letter.charCodeAt(0)), ...content];
}
const zeros = (count: number) => Array.from({ length: count }, () => 0);
function init(set: string): Uint8Array<ArrayBuffer> {
  const avcc = box("avcC", [1, 100, 0, 31, 255, 225, 0, set.length / 2], [...bytes(set)], [1, 0, 2, 104, 238]);
  const stsd = box("stsd", zeros(8), box("avc1", zeros(78), avcc, box("pasp", zeros(8))));
  const media = box("mdia", box("mdhd", zeros(24)), box("minf", box("stbl", stsd, box("stts", zeros(8)))));
  return Uint8Array.from([...box("ftyp", zeros(8)), ...box("moov", box("mvhd", zeros(100)), box("trak", box("tkhd", zeros(84)), media), box("mvex", zeros(4)))]);
}

test("all boxes around it have the new size, and everything else is where it was", () => {
  expect(hex(new Uint8Array(initWithPictures(init(recorded).buffer, 1.25)))).toBe(hex(init(slower)));
});

test("init segments of other codecs are left alone", () => {
  for (const other of [new Uint8Array(0), Uint8Array.from(box("ftyp", zeros(8))), Uint8Array.from([0, 0, 0, 99, 109, 111, 111, 118])]) {
    expect(initWithPictures(other.buffer, 1.25)).toBe(other.buffer);
  }
});
