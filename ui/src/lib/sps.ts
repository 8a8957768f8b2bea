// Names another frame rate in an H.264 init segment. A recording shows each picture for as long as it stood, as its chunks
// say; but WebKitGTK's parser (GStreamer's h264parse) goes by the rate that the stream names: to it, every picture ends
// after a thirtieth of a second, and what follows is a hole at which playing stops. Named so slow that every picture
// lasts until the next one, there are no holes; the next picture comes when it comes. Pure.
// Boxes are those of ISO/IEC 14496-12 and 14496-15, the parameter set is that of ITU-T H.264, 7.3.2.1 and E.1.1.

/** Profiles whose parameter sets say more of colour. */
const highProfiles = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);
/** What lies before the boxes within a box, its own header apart, in bytes. */
const preludes: Record<string, number> = { moov: 0, trak: 0, mdia: 0, minf: 0, stbl: 0, stsd: 8, avc1: 78, avc3: 78 };

type Box = { at: number; size: number };

/** The first box of such names below each other, and all boxes around it, outermost first; none where there is none. */
function find(bytes: Uint8Array, wanted: string, from = 0, to = bytes.length, around: Box[] = []): Box[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = from; at + 8 <= to; ) {
    const size = view.getUint32(at);
    const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (size < 8 || at + size > to) return null;
    const path = [...around, { at, size }];
    if (name === wanted) return path;
    const prelude = preludes[name];
    const within = prelude === undefined ? null : find(bytes, wanted, at + 8 + prelude, at + size, path);
    if (within) return within;
    at += size;
  }
  return null;
}

/** Without the bytes that keep start codes out (7.4.1). */
const unescaped = (bytes: Uint8Array) => bytes.filter((byte, i) => !(byte === 3 && i >= 2 && bytes[i - 1] === 0 && bytes[i - 2] === 0));

function escaped(bytes: number[]): number[] {
  const out: number[] = [];
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte <= 3) {
      out.push(3);
      zeros = 0;
    }
    out.push(byte);
    zeros = byte === 0 ? zeros + 1 : 0;
  }
  return out;
}

/** Where in the bits the flag lies that says whether a rate is named; none where there is no such flag. */
function rateFlag(bits: string): number | null {
  let at = 8;
  const read = (count: number) => Number.parseInt(bits.slice(at, (at += count)) || "0", 2);
  const golomb = () => {
    const zeros = bits.indexOf("1", at) - at;
    at += Math.max(0, zeros);
    return read(zeros + 1) - 1;
  };
  const profile = read(8);
  read(16);
  golomb();
  if (highProfiles.has(profile)) {
    if (golomb() === 3) read(1);
    golomb();
    golomb();
    read(1);
    // Scaling lists are in no recording of ours; whose they are plays as it is.
    if (read(1)) return null;
  }
  golomb();
  const order = golomb();
  if (order === 0) golomb();
  if (order === 1) return null;
  golomb();
  read(1);
  golomb();
  golomb();
  if (!read(1)) read(1);
  read(1);
  if (read(1)) for (let side = 0; side < 4; side += 1) golomb();
  if (!read(1)) return null;
  if (read(1) && read(8) === 255) read(32);
  if (read(1)) read(1);
  if (read(1)) {
    read(4);
    if (read(1)) read(24);
  }
  if (read(1)) {
    golomb();
    golomb();
  }
  return at < bits.length ? at : null;
}

/** The same parameter set with pictures of `seconds`; the same where it cannot be read. */
export function setWithPictures(set: Uint8Array, seconds: number): Uint8Array {
  const bits = Array.from(unescaped(set), (byte) => byte.toString(2).padStart(8, "0")).join("");
  const flag = rateFlag(bits);
  if (flag === null) return set;
  // The flag, ticks of half a picture in a unit of milliseconds as two numbers of 32 bits, and whether the rate is fixed.
  const number = (value: number) => value.toString(2).padStart(32, "0");
  const rate = `1${number(Math.round(seconds * 500))}${number(1000)}1`;
  const rest = bits.slice(0, flag) + rate + bits.slice(flag + (bits[flag] === "1" ? rate.length : 1), bits.lastIndexOf("1") + 1);
  const whole = rest.padEnd(Math.ceil(rest.length / 8) * 8, "0");
  const bytes = Array.from({ length: whole.length / 8 }, (_, i) => Number.parseInt(whole.slice(i * 8, i * 8 + 8), 2));
  return Uint8Array.from(escaped(bytes));
}

/** The same init segment with pictures of `seconds`; the same where it is no H.264. */
export function initWithPictures(init: ArrayBuffer, seconds: number): ArrayBuffer {
  const bytes = new Uint8Array(init);
  const path = find(bytes, "avcC");
  const record = path?.at(-1);
  // One parameter set, whose length lies six bytes into the record.
  if (!path || !record || (bytes[record.at + 13]! & 31) !== 1) return init;
  const start = record.at + 16;
  const end = start + ((bytes[start - 2]! << 8) | bytes[start - 1]!);
  const set = setWithPictures(bytes.subarray(start, end), seconds);
  const shorter = end - start - set.length;
  const out = new Uint8Array(bytes.length - shorter);
  out.set(bytes.subarray(0, start));
  out.set(set, start);
  out.set(bytes.subarray(end), start + set.length);
  const view = new DataView(out.buffer);
  view.setUint16(start - 2, set.length);
  for (const { at, size } of path) view.setUint32(at, size - shorter);
  return out.buffer;
}
