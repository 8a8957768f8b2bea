// What people hear of uploads, and how receipts are read. Pure.

import type { ReceiptLine, UploadStatus } from "../bindings";

/** What uploads do, as far as it makes another sentence. */
export type Standing =
  | "nowhere" | "looking" | "off" | "idle" | "sending" | "paused" | "hours" | "metered" | "offline" | "trouble" | "refused";

/** Codes of what ends only when somebody logs in again. */
const refusals = new Set(["login", "forbidden", "not_logged_in"]);
/** Codes of a server that is there, and cannot take anything. */
const incapable = new Set(["store-away", "busy", "full", "strange", "setup"]);

/** What uploads do now. */
export function standing(upload: UploadStatus | undefined): Standing {
  if (!upload) return "looking";
  if (!upload.server) return "nowhere";
  const code = upload.problem?.code ?? "away";
  switch (upload.state) {
    case "uploading":
      return "sending";
    case "waiting":
    case "problem":
      if (refusals.has(code)) return "refused";
      if (code === "hours" || code === "metered") return code;
      return incapable.has(code) ? "trouble" : "offline";
    default:
      return upload.state;
  }
}

/** An address as people say it: `spool.example.org`, with the port where it is not the usual one. */
export function hostOf(address: string): string {
  try {
    return new URL(address).host || address;
  } catch {
    return address;
  }
}

/** What was typed as an address, with `https://` before a name alone; none of what is no address. */
export function addressFrom(text: string): string | null {
  const typed = text.trim();
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(typed) ? typed : `https://${typed}`;
  try {
    const url = new URL(full);
    const usual = (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "" && url.username === "" && url.password === "";
    return usual && typed !== "" && !/\s/.test(typed) ? full.replace(/\/+$/, "") : null;
  } catch {
    return null;
  }
}

/** Whether others in the network could read along. */
export function isOpenToOthers(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  return protocol === "http:" && !/^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** How long the rest takes at this speed, in milliseconds; none where nothing moves. */
export const leftMs = ({ bytes_left, bytes_per_s }: UploadStatus) => (bytes_per_s > 0 ? (bytes_left / bytes_per_s) * 1000 : null);

/** How many are told; the engine names no more than these. */
export const namedMost = 20;

/** Done, from 0 to 1. */
export const share = (done: number, total: number) => (total > 0 ? Math.min(1, done / total) : 0);

/** Below this many milliseconds a server's copy of a running session is called up to date: a chunk and its way. */
const lagNoneMs = 12_000;
export const isBehind = (lagMs: number) => lagMs > lagNoneMs;

/** How the server knows that bytes are right. */
export const vouchedBy = ({ vouched: { read_back, store } }: ReceiptLine): "none" | "readBack" | "store" | "both" =>
  read_back > 0 && store > 0 ? "both" : read_back > 0 ? "readBack" : store > 0 ? "store" : "none";
