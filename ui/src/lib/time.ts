// Times, sizes and rates as people read them. Pure.

import type { Words } from "../words/en";

const pad = (n: number, digits = 2) => String(n).padStart(digits, "0");

/** `00:12:47`: a clock that does not change its width. */
export function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${pad(Math.floor(s / 3600))}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
}

/** `42:10` or `1:31:20`. */
export function length(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  const hours = Math.floor(s / 3600);
  const rest = `${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** `0:01:23.450`: exact to the millisecond, as selections need it. */
export function precise(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  const s = Math.floor(whole / 1000);
  return `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}.${pad(whole % 1000, 3)}`;
}

/** Milliseconds of `83.5`, `1:23`, `1:02:03.4`; none of anything else. */
export function parseTime(text: string): number | null {
  const parts = text.trim().replace(",", ".").split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d*)?$/.test(part))) return null;
  const seconds = parts.reduce((sum, part) => sum * 60 + Number(part), 0);
  return Math.round(seconds * 1000);
}

/** `1.2 s` or `850 ms` or `2:05`: how long something lasted that should not have. */
export function brief(ms: number, locale: string): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms >= 60_000) return length(ms);
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: 1 }).format(ms / 1000)} s`;
}

/** `212 GB`: powers of ten, three figures at most. */
export function bytes(count: number, locale: string): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = Math.max(0, count);
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value)} ${units[unit]}`;
}

/** `1.9 Mbit/s`. */
export function rate(bitsPerSecond: number, locale: string): string {
  const [value, unit] = bitsPerSecond >= 1e6 ? [bitsPerSecond / 1e6, "Mbit/s"] : [bitsPerSecond / 1e3, "kbit/s"];
  return `${new Intl.NumberFormat(locale, { maximumFractionDigits: value < 10 ? 1 : 0 }).format(value)} ${unit}`;
}

/** How long `free` bytes last at this rate, in milliseconds; none where nothing is written. */
export function lasting(free: number, reserve: number, bitsPerSecond: number): number | null {
  return bitsPerSecond > 0 ? (Math.max(0, free - reserve) * 8000) / bitsPerSecond : null;
}

/** `9 days`, `3 hours`, `12 minutes`: rounded down, since it is a promise. */
export function roughly(ms: number, words: Words["time"]): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes >= 365 * 1440) return words.years;
  if (minutes >= 2 * 1440) return words.days(Math.floor(minutes / 1440));
  if (minutes >= 120) return words.hours(Math.floor(minutes / 60));
  return words.minutes(minutes);
}

/** The same of what is to come soon: `less than a minute` is an answer too. */
export const soon = (ms: number, words: Words["time"]) => (ms < 60_000 ? words.moment : roughly(ms, words));

/** `Today, 14:02`, `Yesterday, 09:10`, `Mon, 3 Nov, 14:02`, with the year where it is another one. */
export function day(at: number, now: number, locale: string, words: { today: string; yesterday: string }): string {
  const [then, today] = [new Date(at), new Date(now)];
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  const ago = Math.round((midnight(today) - midnight(then)) / 86_400_000);
  const hour = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }).format(then);
  if (ago === 0) return `${words.today}, ${hour}`;
  if (ago === 1) return `${words.yesterday}, ${hour}`;
  const year = then.getFullYear() === today.getFullYear() ? undefined : ("numeric" as const);
  const date = new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric", month: "short", year }).format(then);
  return `${date}, ${hour}`;
}

/** A whole number with its separators. */
export const count = (n: number, locale: string) => new Intl.NumberFormat(locale).format(n);

/** `62 %`. */
export const percent = (share: number, locale: string) =>
  new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 }).format(share);
