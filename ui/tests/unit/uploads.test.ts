import { expect, test } from "vitest";
import type { ReceiptLine, UploadState, UploadStatus } from "../../src/bindings";
import * as format from "../../src/lib/time";
import { addressFrom, hostOf, isBehind, isOpenToOthers, leftMs, share, standing, vouchedBy } from "../../src/lib/uploads";
import { en } from "../../src/words/en";

const upload = (state: UploadState, code?: string, server: string | null = "https://spool.example.org"): UploadStatus =>
  ({ server, state, chunks_left: 2, bytes_left: 3_000_000, bytes_per_s: 0, lag_ms: 0, problem: code ? { code, message: "why" } : null, retry_in_ms: null, sessions: [] });

test("what uploads do is said in a sentence that fits", () => {
  expect(standing(undefined)).toBe("looking");
  expect(standing(upload("off", undefined, null))).toBe("nowhere");
  expect((["off", "idle", "uploading", "paused"] as const).map((state) => standing(upload(state)))).toEqual(["off", "idle", "sending", "paused"]);
  expect(["away", "hours", "metered", "busy", "full"].map((code) => standing(upload("waiting", code)))).toEqual(["offline", "hours", "metered", "trouble", "trouble"]);
  expect(["login", "forbidden", "strange", "unheard-of"].map((code) => standing(upload("problem", code)))).toEqual(["refused", "refused", "trouble", "offline"]);
  // What is wrong with it does not matter while it goes on.
  expect(standing(upload("uploading", "login"))).toBe("sending");
});

test("every problem that ends uploads is explained", () => {
  for (const code of ["away", "store-away", "busy", "full", "login", "forbidden", "gone", "strange", "taken", "setup"]) {
    expect(en.uploads.problems[code]?.every((words) => words.length > 5), code).toBe(true);
  }
});

test("addresses are read as people write them", () => {
  expect(addressFrom(" spool.example.org/ ")).toBe("https://spool.example.org");
  expect(addressFrom("http://192.168.1.20:8080")).toBe("http://192.168.1.20:8080");
  expect(addressFrom("https://example.org/spool/")).toBe("https://example.org/spool");
  for (const wrong of ["", "  ", "ftp://example.org", "https://", "two words", "javascript:alert(1)", "https://mara:secret@example.org"]) expect(addressFrom(wrong), wrong).toBeNull();
  expect([hostOf("https://example.org/spool"), hostOf("http://[::1]:7000"), hostOf("?")]).toEqual(["example.org", "[::1]:7000", "?"]);
  expect(["http://192.168.1.20", "http://127.0.0.1.example.org", "http://127.0.0.1:80", "http://localhost", "http://[::1]:1", "https://example.org"].map(isOpenToOthers))
    .toEqual([true, true, false, false, false, false]);
});

test("what is left is told as time only while something moves", () => {
  expect(leftMs(upload("waiting"))).toBeNull();
  expect(leftMs({ ...upload("uploading"), bytes_per_s: 50_000 })).toBe(60_000);
  expect([format.soon(59_000, en.time), format.soon(61_000, en.time)]).toEqual(["less than a minute", "1 minute"]);
  expect([share(31, 62), share(0, 0), share(5, 4)]).toEqual([0.5, 0, 1]);
  expect([4000, 60_000].map(isBehind)).toEqual([false, true]);
});

test("a receipt says how its server knows", () => {
  const receipt = (read_back: number, store: number) => ({ vouched: { read_back, store } }) as ReceiptLine;
  expect([receipt(0, 0), receipt(3, 0), receipt(0, 3), receipt(1, 2)].map(vouchedBy)).toEqual(["none", "readBack", "store", "both"]);
});
