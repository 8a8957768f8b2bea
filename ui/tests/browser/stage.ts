// What browser tests stand on: the built app in Chromium, its files and the engine's bytes from a small server.
// Pictures are drawn by the browser itself, films are made by ffmpeg: the player plays real chunks.

import { execFileSync } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import type { Film } from "../../src/bindings";
import { installCanned, type Scene } from "./canned";

const dist = new URL("../../dist", import.meta.url).pathname;
const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2" };
const chunkSeconds = 4;
const filmSeconds = 32;

export type Stage = { browser: Browser; origin: string; film: Film; fetched: string[]; close: () => Promise<void> };

/** Chunks of one track: fragmented MP4 in absolute time, as the recorder writes them. */
function makeTrack(dir: string, name: string, input: string[], codec: string[]): { from: number; to: number; bytes: number }[] {
  const to = join(dir, name);
  execFileSync("mkdir", ["-p", to]);
  execFileSync("ffmpeg", ["-v", "error", "-f", "lavfi", ...input, "-t", String(filmSeconds), ...codec, "-f", "hls", "-hls_time", String(chunkSeconds), "-hls_list_size", "0",
    "-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4", "-hls_segment_filename", join(to, "%d.m4s"), join(to, "list.m3u8")]);
  const files = readdirSync(to).filter((file) => file.endsWith(".m4s"));
  return files.map((_, i) => ({ from: i * chunkSeconds, to: Math.min(filmSeconds, (i + 1) * chunkSeconds), bytes: statSync(join(to, `${i}.m4s`)).size }));
}

function makeFilm(dir: string): Film {
  const picture = makeTrack(dir, "program", ["-i", "testsrc2=size=640x360:rate=30"], ["-c:v", "libx264", "-preset", "ultrafast", "-g", "120", "-keyint_min", "120", "-sc_threshold", "0", "-bf", "0", "-pix_fmt", "yuv420p"]);
  const sound = makeTrack(dir, "mix", ["-i", "sine=frequency=440:sample_rate=48000"], ["-c:a", "aac", "-b:a", "96k"]);
  const segments = (all: typeof picture) => all.map((segment, i) => ({ init: "abc", index: i, offset: 0, ...segment }));
  return {
    session: "film", duration: filmSeconds,
    tracks: [
      { track: "program", kind: "program", media_type: 'video/mp4; codecs="avc1.64001f"', segments: segments(picture) },
      { track: "mix", kind: "mix", media_type: 'audio/mp4; codecs="mp4a.40.2"', segments: segments(sound) },
    ],
  };
}

const desktop = (n: number) => `<body style="margin:0;width:1280px;height:720px;background:linear-gradient(160deg,#2b3f4a,#46626b 60%,#7d8f86);font:15px Inter,sans-serif;position:relative;overflow:hidden">
<div style="position:absolute;left:70px;top:60px;width:760px;height:540px;background:#fbfbfa;border-radius:10px;box-shadow:0 20px 60px #0008;overflow:hidden"><div style="height:34px;background:#e8e8e4"></div>
<div style="padding:26px 34px"><h1 style="margin:0 0 18px;font-size:28px">Quarterly figures</h1>${[82, 64, 91, 45, 77].map((w, i) => `<div style="display:flex;align-items:center;gap:14px;margin:14px 0"><b style="width:70px;color:#666">Q${i + 1 + n}</b><i style="height:26px;width:${w * 5}px;background:${i === 2 ? "#2f6fde" : "#c9d3d8"};border-radius:4px"></i></div>`).join("")}
<p style="color:#666;line-height:1.6;width:520px">Revenue rose in all regions but one. The third quarter stands out, since two large customers renewed early.</p></div></div>
<div style="position:absolute;right:60px;top:120px;width:340px;height:300px;background:#1b2226;border-radius:10px;box-shadow:0 20px 60px #0008;color:#8fd3a8;font:13px/1.7 'JetBrains Mono',monospace;padding:20px">$ make report<br>reading 412 rows<br>drawing 5 charts<br>done in 1.2 s<br>$ _</div>
<div style="position:absolute;right:40px;bottom:26px;width:180px;height:180px;border-radius:50%;border:4px solid #fff;background:radial-gradient(circle at 50% 42%,#dcb798 0 27%,#33414c 28% 32%,#6d8290 33%)"></div></body>`;

function send(response: ServerResponse, type: string, body: Buffer, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-type": type, "access-control-allow-origin": "*", ...headers }).end(body);
}

/** Starts all of it. */
export async function openStage(): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), "spool-ui-"));
  const film = makeFilm(dir);
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"] });
  const painter = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  const pictures: Buffer[] = [];
  for (const n of [0, 1, 2]) {
    await painter.setContent(desktop(n));
    pictures.push(await painter.screenshot({ type: "jpeg", quality: 80 }));
  }
  await painter.close();
  const fetched: string[] = [];
  let looks = 0;
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const [, kind, name, second, third] = path.split("/").map(decodeURIComponent);
    if (kind === "engine") {
      fetched.push(path);
      if (name === "look") return void setTimeout(() => send(response, "image/jpeg", pictures[0]!, { "x-number": String((looks += 1)), "access-control-expose-headers": "x-number" }), 120);
      if (name === "glance" || name === "still") return send(response, "image/jpeg", pictures[(second ?? "").length % 3]!);
      const file = join(dir, third ?? "", name === "init" ? "init.mp4" : `${path.split("/").at(-1)}.m4s`);
      return existsSync(file) ? send(response, "video/mp4", readFileSync(file)) : void response.writeHead(404).end("there is no such chunk");
    }
    const file = join(dist, path === "/" ? "index.html" : path);
    if (!existsSync(file)) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream" });
    createReadStream(file).pipe(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async () => {
    await browser.close();
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true });
  };
  return { browser, origin, film, fetched, close };
}

export type Look = { theme?: "light" | "dark"; width?: number; height?: number; welcomed?: boolean; language?: string };
const usual: Scene = { activity: "idle", recordings: 24, alarm: false, engine: "connected", permission: "granted", upload: "nowhere" };

/** A window of the app at this address, in this state. Fails the test where the page throws. */
export async function openPage(stage: Stage, hash: string, scene: Partial<Scene> = {}, look: Look = {}): Promise<Page> {
  const { theme = "light", width = 1180, height = 760, welcomed = true, language = "en" } = look;
  const context = await stage.browser.newContext({ viewport: { width, height }, locale: "en-GB", reducedMotion: "reduce", colorScheme: theme });
  const page = await context.newPage();
  const thrown: string[] = [];
  page.on("pageerror", (error) => thrown.push(error.message));
  page.on("close", () => {
    if (thrown.length) throw new Error(thrown.join("\n"));
  });
  await page.addInitScript(`const __name = (f) => f; (${installCanned.toString()})(${JSON.stringify({ ...usual, ...scene, film: stage.film, origin: stage.origin })})`);
  await page.addInitScript(([seen, tag]) => {
    localStorage.setItem("spool.first-run", seen!);
    localStorage.setItem("spool.language", tag!);
  }, [welcomed ? "off" : "on", language]);
  await page.goto(`${stage.origin}/${hash}`);
  return page;
}
