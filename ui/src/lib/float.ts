// Where a panel goes that opens beside its button. Pure.

export type Rect = { left: number; top: number; right: number; bottom: number };

/** Pixels between a panel and its button, and the window's edges. */
const gap = 6;

/** The panel's top left: on the wished side where it fits, else on the other; always within the window. */
export function beside(
  button: Rect,
  panel: { width: number; height: number },
  room: { width: number; height: number },
  side: "up" | "down",
  edge: "start" | "end",
): { left: number; top: number } {
  const [above, below] = [button.top - gap - panel.height, button.bottom + gap];
  const fits = { up: above >= gap, down: below + panel.height <= room.height - gap };
  const goesUp = side === "up" ? fits.up || !fits.down : !fits.down && fits.up;
  const within = (value: number, most: number) => Math.max(gap, Math.min(value, most - gap));
  const left = edge === "start" ? button.left : button.right - panel.width;
  return { left: within(left, room.width - panel.width), top: within(goesUp ? above : below, room.height - panel.height) };
}
