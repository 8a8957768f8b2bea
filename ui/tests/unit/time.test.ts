import { expect, test } from "vitest";
import * as time from "../../src/lib/time";
import { de } from "../../src/words/de";
import { en } from "../../src/words/en";

test("clocks keep their width, lengths do not", () => {
  expect([0, 999, 59_999, 767_000, 360_000_000].map(time.clock)).toEqual(["00:00:00", "00:00:00", "00:00:59", "00:12:47", "100:00:00"]);
  expect([0, 2_530_000, 5_480_000].map(time.length)).toEqual(["00:00", "42:10", "1:31:20"]);
  expect([0, 83_450, 3_600_001].map(time.precise)).toEqual(["0:00:00.000", "0:01:23.450", "1:00:00.001"]);
});

test("times are read as they are written", () => {
  for (const ms of [0, 1, 83_450, 3_723_004]) expect(time.parseTime(time.precise(ms))).toBe(ms);
  expect(["83.5", "1:23", "1:02:03,5", " 7 "].map(time.parseTime)).toEqual([83_500, 83_000, 3_723_500, 7000]);
  expect(["", "a", "1:2:3:4", "-1", "1::2"].map(time.parseTime)).toEqual([null, null, null, null, null]);
});

test("sizes and rates have as many figures as people want", () => {
  expect([0, 999, 1000, 9_940_000, 531_000_000, 212e9, 999_600_000].map((n) => time.bytes(n, "en"))).toEqual(["0 B", "999 B", "1 kB", "9.9 MB", "531 MB", "212 GB", "1 GB"]);
  expect(time.bytes(1_250_000, "de")).toBe("1,3 MB");
  expect([0, 128_000, 1_900_000, 18_000_000].map((n) => time.rate(n, "en"))).toEqual(["0 kbit/s", "128 kbit/s", "1.9 Mbit/s", "18 Mbit/s"]);
  expect([40, 1200, 59_000, 61_000].map((ms) => time.brief(ms, "de"))).toEqual(["40 ms", "1,2 s", "59 s", "01:01"]);
});

test("how long the disk lasts is a promise, so it is rounded down", () => {
  expect(time.lasting(212e9, 0.5e9, 1_900_000)).toBeCloseTo(890_526_315, -1);
  expect(time.lasting(1, 2, 1000)).toBe(0);
  expect(time.lasting(1, 0, 0)).toBeNull();
  expect([0, 59_999, 119 * 60_000, 47 * 3_600_000, 890_526_315, 4e10].map((ms) => time.roughly(ms, en.time))).toEqual(["0 minutes", "0 minutes", "119 minutes", "47 hours", "10 days", "over a year"]);
  expect(time.roughly(60_000, de.time)).toBe("1 Minute");
});

test("days are said as people say them", () => {
  const now = new Date(2026, 10, 21, 18, 0).getTime();
  const day = (...at: [number, number, number, number, number]) => time.day(new Date(...at).getTime(), now, "en-GB", en.library);
  expect(day(2026, 10, 21, 0, 1)).toBe("Today, 00:01");
  expect(day(2026, 10, 20, 23, 59)).toBe("Yesterday, 23:59");
  expect(day(2026, 10, 16, 9, 5)).toMatch(/^Mon,? 16 Nov, 09:05$/);
  expect(day(2025, 10, 21, 9, 5)).toContain("2025");
});
