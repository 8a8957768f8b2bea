// The plan of the next session, as the settings in force make it. Pure.

import type { Choice, Device, Mode, Quality, SessionPlan } from "../bindings";

export type Values = Record<string, string>;
/** The four sources that a session may have, by the setting that remembers each. */
export type SourceKey = "screen" | "camera" | "mic" | "system-audio";

/** As the engine's presets have them. */
export const presets: Record<string, Quality> = {
  "480p": { width: 854, height: 480, bitrate: 1_000_000 },
  "720p": { width: 1280, height: 720, bitrate: 2_500_000 },
  "1080p": { width: 1920, height: 1080, bitrate: 5_000_000 },
  "1440p": { width: 2560, height: 1440, bitrate: 9_000_000 },
  "2160p": { width: 3840, height: 2160, bitrate: 18_000_000 },
};

/** Which kinds of device a source can be. */
export const kindsOf: Record<SourceKey, string[]> = {
  screen: ["screen", "window"],
  camera: ["camera"],
  mic: ["microphone"],
  "system-audio": ["system_audio"],
};

/** `default`, `off` or an id, as settings say it. */
export const choiceFrom = (text: string | undefined): Choice =>
  text === undefined || text === "default" || text === "" ? "default" : text === "off" ? "off" : { id: text };

/** As settings say it. */
export const textOf = (choice: Choice): string => (typeof choice === "object" ? choice.id : choice);

/** Milliseconds of `4s`, `250ms`, `2.5m`, `1h` or plain seconds; as the engine reads durations. */
export function millis(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?\s*$/.exec(text);
  const scale = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }[found?.[2] ?? "s"];
  return found && scale ? Number(found[1]) * scale : null;
}

/** Bytes of `500MB` or plain bytes; as the engine reads sizes. */
export function sizeInBytes(text: string): number | null {
  const found = /^\s*(\d+)\s*(B|[kK]B|MB|GB|TB)?\s*$/.exec(text);
  const scale = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }[found?.[2] ?? "B"];
  return found && scale ? Number(found[1]) * scale : null;
}

/** Names and values as the window remembers them; none of anything else, since others can write there too. */
export function notesFrom(text: string): Record<string, string> {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found !== "object" || found === null) return {};
    return Object.fromEntries(Object.entries(found).filter((pair): pair is [string, string] => typeof pair[1] === "string"));
  } catch {
    return {};
  }
}

/** What people say about one recording, besides the settings. */
export type Said = { title: string; description: string; metadata: Record<string, string> };

/** `X,Y, W × H` of a part of a screen; none of anything else. */
export function regionOf(id: string): string | null {
  const found = /:region:(-?\d+),(-?\d+),(\d+)x(\d+)$/.exec(id);
  return found && `${found[1]},${found[2]}, ${found[3]} × ${found[4]}`;
}

/** The plan. Its layout is as the settings have it. Synthetic sources are asked for by their ids like all others. */
export function planFrom(values: Values, said: Said): SessionPlan {
  const format = values["camera-format"];
  return {
    ...said,
    screen: choiceFrom(values["screen"]),
    camera: choiceFrom(values["camera"] ?? "off"),
    camera_format: format && format !== "best" ? format : null,
    microphone: choiceFrom(values["mic"]),
    system_audio: choiceFrom(values["system-audio"] ?? "off"),
    mode: (values["mode"] as Mode | undefined) ?? "program",
    layout: null,
    keys: values["keys"] === "on",
    quality: presets[values["preset"] ?? "720p"] ?? presets["720p"]!,
    fps: Number(values["fps"] ?? 30),
    chunk_ms: millis(values["chunk"] ?? "4s") ?? 4000,
    synthetic: isSynthetic(values),
    stop_after_ms: null,
  };
}

/** Whether the chosen sources are made up: the engine opens those by a plan of their own. */
const isSynthetic = (values: Values) =>
  (["screen", "camera", "mic", "system-audio"] as const).some((key) => values[key]?.startsWith("synthetic:"));

/** Whether this plan would record anything at all. */
export const isEmpty = (plan: SessionPlan) =>
  [plan.screen, plan.camera, plan.microphone, plan.system_audio].every((choice) => choice === "off");

/** The device that a choice means now; none where it is off, or not there. */
export function deviceFor(choice: Choice, kinds: string[], devices: Device[]): Device | null {
  const known = devices.filter(({ kind }) => kinds.includes(kind));
  if (choice === "off") return null;
  if (choice === "default") return known.find(({ is_default }) => is_default) ?? null;
  return known.find(({ id }) => id === choice.id) ?? null;
}
