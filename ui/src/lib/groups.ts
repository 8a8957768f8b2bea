// How settings are put together for people, and how each is chosen. Pure.

import type { Setting } from "../bindings";

export type GroupName = "picture" | "sources" | "camera" | "pointer" | "start" | "storage" | "uploads" | "other";

/** Settings that are a memory, or have a place of their own in the window. */
export const hidden = new Set(["screen-token", "encryption-key", "theme", "language", "library-view", "first-run", "updates", "server"]);
/** Settings that are keys, which are shown beside whether they work. */
export const isHotkey = (key: string) => key.startsWith("hotkey-");

const known: Record<Exclude<GroupName, "other">, string[]> = {
  picture: ["preset", "fps", "mode"],
  sources: ["screen", "camera", "camera-format", "mic", "system-audio"],
  camera: ["camera-shown", "camera-place", "camera-size", "camera-shape", "camera-mirror", "camera-border", "camera-opacity"],
  pointer: ["pointer-shown", "pointer-size", "pointer-hide", "pointer-ripple", "keys", "keys-shown"],
  start: ["countdown", "autostart", "close-to-tray", "notifications", "idle-exit"],
  storage: ["trash-keep", "keep-days", "keep-size", "keep-unverified", "keep-uploaded", "disk-warning", "disk-reserve", "chunk", "encryption"],
  uploads: ["upload", "upload-limit", "upload-hours", "upload-metered", "upload-parallel", "upload-proxy", "upload-ca"],
};

/** Every setting in one group, in the order in which people look for them; what is new comes last, under `other`. */
export function grouped(settings: Setting[]): [GroupName, Setting[]][] {
  const by = new Map(settings.filter(({ key }) => !hidden.has(key) && !isHotkey(key)).map((setting) => [setting.key, setting]));
  const groups = Object.entries(known).map(([name, keys]): [GroupName, Setting[]] => {
    const found = keys.flatMap((key) => by.get(key) ?? []);
    keys.forEach((key) => by.delete(key));
    return [name as GroupName, found];
  });
  return [...groups, ["other", [...by.values()]] as [GroupName, Setting[]]].filter(([, all]) => all.length > 0);
}

export type Control =
  | { kind: "switch" }
  /** Of an open one people may write something else too. */
  | { kind: "choice"; values: string[]; open: boolean }
  | { kind: "share"; low: number; high: number }
  | { kind: "device"; devices: string[] }
  | { kind: "text" };

/** Values that the engine's help names, for engines that do not list them. */
const choices: Record<string, string[]> = {
  fps: ["24", "30", "60"],
  mode: ["program", "tracks", "both"],
  preset: ["480p", "720p", "1080p", "1440p", "2160p"],
  "camera-shape": ["circle", "rounded", "rectangle"],
};
const shares: Record<string, [number, number]> = {
  "camera-size": [5, 100],
  "camera-border": [0, 5],
  "camera-opacity": [0, 100],
  "pointer-size": [50, 400],
};
const devices: Record<string, string[]> = {
  screen: ["screen", "window"],
  camera: ["camera"],
  mic: ["microphone"],
  "system-audio": ["system_audio"],
};

/** Choices beside which people have values of their own: the hours of their contract, the address of their proxy. */
const open = new Set(["upload-limit", "upload-hours", "upload-parallel", "upload-proxy"]);

/** With what a setting is chosen. */
export function controlFor({ key, value, choices: given }: Setting): Control {
  if (devices[key]) return { kind: "device", devices: devices[key] };
  const values = given.length > 0 ? given : choices[key];
  const isSwitch = (values ?? [value]).every((one) => one === "on" || one === "off");
  if (isSwitch && (values?.length ?? 2) === 2) return { kind: "switch" };
  if (values) return { kind: "choice", values: values.includes(value) ? values : [value, ...values], open: open.has(key) };
  const share = shares[key];
  if (share && value.endsWith("%")) return { kind: "share", low: share[0], high: share[1] };
  return { kind: "text" };
}
