// Drawings on the picture, in pixels of what is recorded. Pure.

import type { Color, Device, Drawing, Point, SessionPlan, Tool } from "../bindings";

export type ToolName = "pen" | "highlighter" | "line" | "arrow" | "rectangle" | "ellipse" | "text" | "eraser";
export type ColourName = "red" | "yellow" | "green" | "blue" | "white" | "black";
export type WidthName = "thin" | "medium" | "thick";
export type Size = { width: number; height: number };

/** What can be drawn with, and the key that picks it. */
export const tools: [ToolName, string][] = [
  ["pen", "p"], ["highlighter", "h"], ["line", "l"], ["arrow", "a"],
  ["rectangle", "r"], ["ellipse", "e"], ["text", "t"], ["eraser", "x"],
];
export const colours: Record<ColourName, Color> = {
  red: { red: 224, green: 52, blue: 43 },
  yellow: { red: 255, green: 204, blue: 0 },
  green: { red: 38, green: 166, blue: 91 },
  blue: { red: 47, green: 111, blue: 222 },
  white: { red: 255, green: 255, blue: 255 },
  black: { red: 20, green: 20, blue: 19 },
};
/** Line widths and heights of letters as shares of the picture's height. */
const widths: Record<WidthName, { line: number; text: number }> = {
  thin: { line: 0.003, text: 0.03 },
  medium: { line: 0.006, text: 0.045 },
  thick: { line: 0.012, text: 0.07 },
};
/** How long drawings stay that fade. */
export const fadeMs = 3000;
/** The engine refuses more points in one drawing. */
const pointsMax = 10_000;
/** The engine refuses wider lines. */
const widthMax = 500;

/** Colours as a style sheet has them. */
export const css = ({ red, green, blue }: Color) => `rgb(${red} ${green} ${blue})`;

/** From a place on the shown picture, in shares of it, to pixels of what is recorded. */
export function pointFrom(x: number, y: number, size: Size): Point {
  const within = (share: number, side: number) => Math.min(side - 1, Math.max(0, Math.round(share * side)));
  return { x: within(x, size.width), y: within(y, size.height) };
}

/** A line's width, or a text's height, in pixels. */
export function widthOf(width: WidthName, tool: ToolName, size: Size): number {
  const share = tool === "text" ? widths[width].text : widths[width].line;
  return Math.min(widthMax, Math.max(1, Math.round(share * size.height)));
}

/** How far the eraser reaches, in pixels. */
export const eraserRadius = (width: WidthName, size: Size) => Math.max(2, widthOf(width, "pen", size) * 2);

/** The drawing that goes through these points; none where there is nothing to see yet. */
export function drawingOf(
  id: number,
  tool: Exclude<ToolName, "eraser">,
  points: Point[],
  text: string,
  style: { colour: ColourName; width: WidthName; fades: boolean },
  size: Size,
): Drawing | null {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last) return null;
  const isFree = tool === "pen" || tool === "highlighter";
  if (tool === "text" ? text.trim() === "" : !isFree && first.x === last.x && first.y === last.y) return null;
  const engineTool: Tool = tool === "text" ? { text: text.slice(0, 1000) } : tool;
  return {
    id,
    tool: engineTool,
    points: tool === "text" ? [first] : isFree ? thinned(points) : [first, last],
    color: colours[style.colour],
    width: widthOf(style.width, tool, size),
    fade_after_ms: style.fades ? fadeMs : null,
  };
}

/** No more points than the engine takes, evenly left out, with both ends. */
export function thinned(points: Point[]): Point[] {
  if (points.length <= pointsMax) return points;
  const step = (points.length - 1) / (pointsMax - 1);
  return Array.from({ length: pointsMax }, (_, i) => points[Math.round(i * step)]!);
}

/** Numbers of `x11:region:10,20,640x480`, or of a camera's `1280x720@30 MJPG`. */
function sizeIn(text: string): Size | null {
  const found = /(\d+)x(\d+)/.exec(text);
  return found ? { width: Number(found[1]), height: Number(found[2]) } : null;
}

/** The size of the main picture of a plan: drawings are in its pixels. None where there is no picture. */
export function mainSize(plan: SessionPlan, devices: Device[]): Size | null {
  const sized = (kinds: string[], choice: SessionPlan["screen"]) => {
    if (choice === "off") return null;
    if (typeof choice === "object" && choice.id.includes(":region:")) return sizeIn(choice.id.split(":region:")[1] ?? "");
    const known = devices.filter(({ kind }) => kinds.includes(kind));
    const device = typeof choice === "object" ? known.find(({ id }) => id === choice.id) : (known.find((d) => d.is_default) ?? known[0]);
    const format = kinds.includes("camera") ? (plan.camera_format ?? device?.formats[0]) : undefined;
    if (format) return sizeIn(format);
    return device?.size ? { width: device.size[0], height: device.size[1] } : null;
  };
  return sized(["screen", "window"], plan.screen) ?? sized(["camera"], plan.camera);
}

/** The camera's width by its height, as far as it is known. */
export function cameraAspect(plan: SessionPlan, devices: Device[]): number {
  const size = mainSize({ ...plan, screen: "off" }, devices);
  return size ? size.width / size.height : 16 / 9;
}
