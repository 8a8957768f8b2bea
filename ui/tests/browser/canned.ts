// Canned replies that stand in for the engine, so that views can be looked at in every state. Only for these tests: the
// app itself is tested with the real engine elsewhere. It runs within the page, so it may use nothing from outside.

import type { Command, Device, Event, ReceiptLine, RecordingLine, Reply, Setting, Snapshot, UploadStatus } from "../../src/bindings";

export type Scene = {
  activity: Snapshot["activity"];
  recordings: number;
  alarm: boolean;
  engine: "connected" | "starting" | "lost";
  permission: "granted" | "denied";
  slowFilm?: boolean;
  /** How it is with the server. */
  upload: "nowhere" | "idle" | "sending" | "offline" | "paused" | "refused" | "full" | "hours";
};

/** What a test may ask of the page. */
export type Canned = {
  asked: Command[];
  /** Pages that were to be shown in the browser. */
  opened: string[];
  tell: (event: Event) => void;
  engine: (state: string) => void;
  snapshot: Snapshot;
  film: unknown;
  fail: Record<string, string>;
};

export function installCanned(scene: Scene & { film: unknown; origin: string }): void {
  const minute = 60_000;
  const started = new Date().setHours(14, 2, 0, 0);
  const titles = ["Sprint review", "Checkout bug, second try", "Interview with pilot user", "Design critique: onboarding", "Boss fight, last try", "Lecture 7: spectral methods", "", "How to file an expense", "Walkthrough for support", "Daily stand-up"];
  const lengths = [42 * minute + 10_000, 3 * minute + 27_000, 58 * minute + 3000, 17 * minute + 44_000, 2 * minute, 91 * minute + 20_000, 41_000, 6 * minute + 12_000, 9 * minute, 12 * minute];
  const lines: RecordingLine[] = Array.from({ length: scene.recordings }, (_, i) => ({
    recording: `0193a5e2-7c1d-7000-8000-${String(i).padStart(12, "0")}`,
    session: `0193a5e2-7c1d-7000-9000-${String(i).padStart(12, "0")}`,
    title: i < 10 ? (titles[i] ?? "") : `${titles[i % 10] || "Notes"} ${Math.floor(i / 10)}`,
    started_at: started - i * 7.3 * 3_600_000,
    duration_ms: lengths[i % 10]!,
    bytes: Math.round((lengths[i % 10]! / 1000) * 210_000),
    state: i === 3 ? "recovered" : "finalized",
    lost_ms: i === 3 ? 1200 : null,
    has_pictures: i % 10 !== 4,
    encryption: i === 7 ? "locked" : "plain",
    trashed_at: null,
    uploaded: scene.upload === "nowhere" || i === 2 ? "not_wanted" : i === 1 ? "partial" : i === 4 ? "waiting" : "verified",
  }));
  const trashed = new Set<string>();
  const marks: { at_ms: number; label: string }[] = [{ at_ms: 9000, label: "Question about pricing" }, { at_ms: 21_500, label: "" }];
  const setting = (key: string, value: string, help: string, choices: string[] = [], chosen = false): Setting => ({ key, value, chosen, help, choices });
  let settings = [
    setting("camera", "default", "the camera", [], true), setting("camera-border", "0.5%", "width of the camera's border"), setting("camera-format", "best", "what the camera is asked for"),
    setting("camera-mirror", "on", "the camera as in a mirror", ["on", "off"]), setting("camera-opacity", "100%", "how much of the camera is seen"), setting("camera-place", "bottom-right", "where the camera is"),
    setting("camera-shape", "circle", "the camera's outline", ["circle", "rounded", "rectangle"]), setting("camera-shown", "on", "whether the camera is seen", ["on", "off"]), setting("camera-size", "25%", "height of the camera"),
    setting("chunk", "4s", "length of a chunk, 2s to 10s"), setting("disk-reserve", "500MB", "a recording is finalized before less than this is free"), setting("disk-warning", "5GB", "below this people are warned"),
    setting("encryption", "on", "whether new recordings are encrypted", ["on", "off"], true), setting("encryption-key", "05ccc6d7394b4c88", "which key"),
    setting("fps", "30", "most pictures a second", ["24", "30", "60"]), setting("idle-exit", "60s", "an engine with nothing to do ends"), setting("keys", "off", "whether keys are recorded", ["on", "off"]), setting("keys-shown", "on", "whether keys are shown", ["on", "off"]),
    setting("mic", "default", "the microphone"), setting("mode", "program", "what is recorded", ["program", "tracks", "both"]), setting("pointer-hide", "never", "hides a resting pointer"), setting("pointer-ripple", "off", "a ring", ["on", "off"]),
    setting("pointer-shown", "on", "whether the pointer is seen", ["on", "off"]), setting("pointer-size", "100%", "size of the pointer"), setting("preset", "1080p", "largest picture", ["480p", "720p", "1080p", "1440p", "2160p"], true),
    setting("screen", "default", "the screen, window or region"), setting("screen-token", "abc", "what the desktop gave"), setting("system-audio", "default", "what the speakers play", [], true), setting("countdown", "0", "seconds before", ["0", "3", "5", "10"]), setting("trash-keep", "30d", "what lies in the trash is deleted"), setting("server", "", "the address"), setting("keep-uploaded", "on", "whether it is kept", ["on", "1d", "7d", "30d", "90d"]), setting("upload", "on", "what goes to the server", ["on", "manual", "off"]), setting("upload-ca", "", "a PEM file"),
    setting("upload-hours", "always", "when uploads go", ["always", "22:00-06:00", "18:00-08:00"]), setting("upload-limit", "5MB/s", "how fast at most", ["off", "1MB/s", "5MB/s", "20MB/s"], true), setting("upload-metered", "off", "whether", ["on", "off"]), setting("upload-parallel", "16", "at once", ["1", "4", "16", "64"]), setting("upload-proxy", "system", "how it is reached", ["system", "direct"]), setting("updates", "off", "whether somebody is asked", ["off", "ask"]),
  ];
  const device = (id: string, kind: string, name: string, size: [number, number] | null, is_default = false, formats: string[] = []): Device => ({ id, kind, name, is_default, size, formats });
  const devices = [
    device("x11:screen", "screen", "Whole desktop", [1920, 1080], true), device("x11:monitor:HDMI-1", "screen", "Built-in display", [1920, 1080]),
    device("x11:window:1", "window", "Quarterly figures – Sheets", [1280, 900]), device("x11:window:2", "window", "Terminal", [960, 640]), device("x11:window:3", "window", "Spool: sprint board", [1440, 900]),
    device("v4l:0", "camera", "Logitech BRIO", [1280, 720], true, ["1280x720@30 MJPG", "640x480@30 YUYV"]), device("mic:1", "microphone", "Shure MV7", null, true), device("mic:2", "microphone", "Built-in microphone", null), device("sys:1", "system_audio", "Speakers", null, true),
  ];
  const address = "https://spool.example.org";
  const way = (i: number, chunks_done: number, chunks_total: number, active: boolean) => ({
    session: lines[i]?.session ?? `s${i}`, recording: lines[i]?.recording ?? `r${i}`, title: lines[i]?.title ?? "", chunks_done, chunks_total, bytes_done: chunks_done * 1_050_000, bytes_total: chunks_total * 1_050_000, active, problem: null,
  });
  const live = { ...way(0, 190, 192, true), recording: "0193a5e2-7c1d-7000-8000-running00000", session: lines[0]?.session ?? "s", title: "Quarterly figures, explained" };
  const gone = { ...way(6, 3, 11, false), problem: { code: "taken", message: "The server holds something else in its place" } };
  const states: Record<Scene["upload"], [UploadStatus["state"], UploadStatus["problem"], number | null]> = {
    nowhere: ["off", null, null], idle: ["idle", null, null], sending: ["uploading", null, null], paused: ["paused", null, null],
    offline: ["waiting", { code: "away", message: "connection refused" }, 47_000], hours: ["waiting", { code: "hours", message: "uploads wait for 22:00" }, 9_000_000],
    full: ["problem", { code: "full", message: "507" }, 60_000], refused: ["problem", { code: "login", message: "401" }, null],
  };
  function uploadOf(state: Scene["upload"], records: boolean): UploadStatus {
    const sessions = state === "nowhere" || state === "idle" ? [] : [...(records ? [live] : []), way(1, 31, 62, state === "sending"), way(4, 0, 30, false), gone];
    const bytes_left = sessions.reduce((sum, one) => sum + one.bytes_total - one.bytes_done, 0);
    const [is, problem, retry_in_ms] = states[state];
    return { server: state === "nowhere" ? null : address, state: is, problem, retry_in_ms, sessions, bytes_left, chunks_left: Math.round(bytes_left / 1_050_000), bytes_per_s: state === "sending" ? 740_000 : 0, lag_ms: records && state !== "idle" ? 21_000 : 0 };
  }
  const receiptOf = (line: RecordingLine): ReceiptLine | null => {
    const some = { server: address, expected: 412, bytes: line.bytes, lost: 0, complete: true, at: started - 3_600_000, vouched: { read_back: 414, store: 0 }, missing: [], verified: 412 };
    if (line.uploaded === "verified") return line.state === "recovered" ? { ...some, lost: 2, verified: 410, expected: 410 } : some;
    return line.uploaded === "partial" ? { ...some, verified: 31, expected: 62, complete: false, vouched: { read_back: 0, store: 33 }, missing: Array.from({ length: 20 }, (_, i) => `program/${String(i + 32).padStart(6, "0")}-1a2b3c4d.m4s`) } : null;
  };
  const running = scene.activity === "recording" || scene.activity === "paused";
  const snapshot: Snapshot = {
    activity: scene.activity, session: running ? lines[0]?.session ?? "s" : null, recording: running ? "0193a5e2-7c1d-7000-8000-running00000" : null, title: running ? "Quarterly figures, explained" : "", picture: running ? [1920, 1080] : null, elapsed_ms: running ? 767_000 : 0,
    fps: 24, fps_ceiling: 30, frames: { captured: 9000, encoded: 9200, unchanged: 4000, dropped: 0 }, bytes: running ? 182_000_000 : 0, bitrate: running ? 1_900_000 : 0,
    tracks: [
      { track: running ? "program" : "screen", kind: running ? "program" : "screen", label: "Built-in display", chunks: 191, peak_db: null, fps: 24, trouble: null },
      { track: "mic", kind: "microphone", label: "Shure MV7", chunks: 191, peak_db: -14, fps: null, trouble: null },
      { track: "system", kind: "system_audio", label: "Speakers", chunks: 191, peak_db: -31, fps: null, trouble: null },
    ],
    alarms: scene.alarm ? [{ kind: "silent", track: "mic", message: "Nothing can be heard from Shure MV7: is it muted?" }] : [], disk_free: 212e9, notices: [], library: 0, settings: 0, upload: uploadOf(scene.upload, running),
  };
  const layout = { background: { red: 0, green: 0, blue: 0 }, camera: { shown: true, x: 1, y: 1, size: 0.25, shape: "circle", border: 0.005, border_color: { red: 255, green: 255, blue: 255 }, mirrored: true, opacity: 1 }, pointer: { shown: true, size: 1, ripple: false, hide_after_ms: null }, keys: true };
  const asked: Command[] = [];
  const opened: string[] = [];
  const fail: Record<string, string> = {};
  const listeners = new Map<string, ((message: unknown) => void)[]>();
  const emit = (event: string, payload: unknown) => listeners.get(event)?.forEach((hear) => hear({ event, id: 1, payload }));
  const canned: Canned = { asked, opened, tell: (event) => emit("engine", event), engine: (state) => emit("engine-state", { state }), snapshot, film: scene.film, fail };
  Object.assign(window, { canned });

  const named = (id: string) => lines.find(({ recording }) => recording === id) ?? lines[0]!;
  const details = (id: string) => ({
    ...named(id), receipt: receiptOf(named(id)), description: "Figures of the third quarter, with the questions that came up.", metadata: { Team: "Finance", Recorder: "Mara" }, chunk_ms: 4000, mode: "program",
    tracks: [
      { track: "program", kind: "program", label: "Built-in display", codec: "H.264 1920×1080", chunks: 206, inits: 1, bytes: 402_000_000 },
      { track: "mix", kind: "mix", label: "Shure MV7", codec: "AAC 48 kHz", chunks: 206, inits: 1, bytes: 41_000_000 },
    ],
    gaps: named(id).state === "recovered" ? [{ track: "mix", span: { start: 61e9, end: 62.4e9 }, reason: "device_lost" }] : [], check: { end_offset_us: 4200, sound: [{ track: "mix", drift_ppm: -18, offset_us: 900, filled_ms: 0 }] }, marks,
  });
  function list(query: { text: string; trashed: boolean; offset: number; limit: number; order: string }): Reply {
    const found = lines.filter(({ recording, title }) => trashed.has(recording) === query.trashed && title.toLowerCase().includes(query.text.toLowerCase()));
    const sorted = query.order === "title" ? [...found].sort((a, b) => a.title.localeCompare(b.title)) : found;
    const shown = sorted.slice(query.offset, query.offset + query.limit).map((line) => ({ ...line, trashed_at: query.trashed ? started : null }));
    return { recordings: { total: found.length, bytes: found.reduce((sum, { bytes }) => sum + bytes, 0), recordings: shown } };
  }
  const become = (state: Scene["upload"]) => {
    snapshot.upload = uploadOf(state, running);
    canned.tell({ changed: { ...snapshot } });
  };
  const plain: Record<string, () => Reply> = {
    keys: () => ({ keys: [{ id: "05ccc6d7394b4c88", current: true, kept: "keychain", path: null, recordings: 12 }, { id: "df79fd9933ee2b6f", current: false, kept: "away", path: null, recordings: 1 }] }),
    logout: () => (become("nowhere"), "done"), upload_pause: () => (become("paused"), "done"), upload_resume: () => (become("sending"), "done"),
    status: () => ({ status: { ...snapshot } }), layout: () => ({ layout } as Reply), usage: () => ({ usage: { recordings: lines.length, bytes: 48e9, trashed: trashed.size + 2, trashed_bytes: 3.1e9, free: 212e9, reserve: 5e8 } }),
    permissions: () => ({ permissions: ["screen", "window", "camera", "microphone", "system_audio"].map((kind) => ({ kind, state: kind === "camera" ? scene.permission : "granted", advice: kind === "camera" && scene.permission === "denied" ? "Add yourself to the group video, then log in again." : "" })) }),
  };
  const carrying: Record<string, (value: never) => Reply> = {
    list, devices: () => ({ devices }), show: ({ id }: { id: string }) => ({ details: details(id) } as Reply), film: () => ({ film: scene.film } as Reply),
    waveform: ({ spans }: { spans: number }) => ({ waveform: Array.from({ length: spans }, (_, i) => Math.round(30 + 190 * Math.abs(Math.sin(i / 9) * Math.sin(i / 61)))) }),
    verify: ({ id }: { id: string }) => ({ verified: { session: id, chunks: 412, verified: 412, damaged: [], missing: [] } }),
    settings: () => ({ settings }),
    sync: ({ id }: { id: string | null }) => (id ? (named(id).uploaded = "waiting") : become("sending"), "done"),
    upload_verify: ({ id }: { id: string }) => ({ receipt: receiptOf(named(id))! }),
    login: ({ server, token }: { server: string; token: string | null }) => {
      if (!token) return { pairing: { server, user_code: "WDJB-MJHT", url: `${server}/pair?code=WDJB-MJHT`, expires_in_s: 600 } };
      become("idle");
      return { logged_in: { server: address, kept: "file", path: "/home/mara/.config/spool/access", why: "there is no keychain" } };
    },
    set: ({ key, value }: { key: string; value: string | null }) => {
      settings = settings.map((one) => (one.key === key ? { ...one, value: value ?? one.value, chosen: value !== null } : one));
      return { settings: settings.filter((one) => one.key === key) };
    },
    trash: ({ id }: { id: string }) => (trashed.add(id), "done"), restore: ({ id }: { id: string }) => (trashed.delete(id), "done"),
    delete: ({ id }: { id: string }) => (lines.splice(lines.findIndex(({ recording }) => recording === id), 1), trashed.delete(id), { deleted: { bytes: 41e6 } }),
    describe: ({ id, title }: { id: string; title: string | null }) => ((named(id).title = title ?? named(id).title), "done"),
    mark: ({ at_ms, label }: { at_ms: number | null; label: string }) => (marks.push({ at_ms: at_ms ?? 0, label }), "done"),
    begin: () => ({ begun: { session: "s", recording: "r", notices: [] } }),
    export: ({ output }: { output: string }) => ({ exported: { output, bytes: 41e6, duration_ms: 12_000, skipped: [] } }),
  };
  const about = { version: "0.3.0", data: "/home/mara/.local/share/spool", system: "Debian GNU/Linux 12", session: "x11", hides_controller: false, updates_itself: true, hotkeys: [
    { action: "record", keys: "Ctrl+Shift+R", state: "active", advice: "" }, { action: "pause", keys: "Ctrl+Shift+P", state: "active", advice: "" },
    { action: "annotate", keys: "Ctrl+Shift+A", state: "taken", advice: "Another program holds these keys." } ] };
  const shell: Record<string, (args: never) => unknown> = {
    ask: ({ command }: { command: Command }) => {
      asked.push(command);
      if (scene.engine !== "connected") throw { code: "lost", message: "the engine is gone" };
      const [name, value] = typeof command === "string" ? [command, undefined] : Object.entries(command)[0]!;
      if (fail[name]) throw { code: "invalid", message: fail[name] };
      return value === undefined ? (plain[name]?.() ?? "done") : (carrying[name]?.(value as never) ?? "done");
    },
    open_page: ({ url }: { url: string }) => void opened.push(url), about: () => about, look_for_update: () => ({ version: "0.4.0", notes: "Sharper letters." }), install_update: () => null, choose_file: ({ suggestedName }: { suggestedName: string }) => `/home/mara/Videos/${suggestedName}`,
    "plugin:event|listen": ({ event, handler }: { event: string; handler: number }) => {
      const hear = (window as unknown as Record<string, (message: unknown) => void>)[`_${handler}`]!;
      listeners.set(event, [...(listeners.get(event) ?? []), hear]);
      if (event === "engine-state" && scene.engine === "lost") setTimeout(() => emit("engine-state", { state: "lost" }), 20);
      return handler;
    },
  };
  let callbacks = 1;
  Object.assign(window, {
    __TAURI_INTERNALS__: {
      invoke: async (name: string, args: never) => shell[name]?.(args),
      transformCallback: (hear: unknown) => {
        const id = (callbacks += 1);
        Object.assign(window, { [`_${id}`]: hear });
        return id;
      },
      unregisterCallback: () => {},
      convertFileSrc: () => `${scene.origin}/engine/`,
    },
    __TAURI_EVENT_PLUGIN_INTERNALS__: { unregisterListener: () => {} },
  });
}
