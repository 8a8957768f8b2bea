// Loudness as a meter shows it. Pure.

/** Quieter than this is the meter's left end. */
export const floorDb = -60;
/** From here on it is about to be too loud. */
export const hotDb = -6;

/** The share of a meter that is lit, 0 to 1. */
export function lit(db: number | null): number {
  if (db === null || Number.isNaN(db)) return 0;
  return Math.min(1, Math.max(0, 1 - db / floorDb));
}

/** Which colour it has: there is no red here, red is for recording and loss. */
export function tone(db: number | null): "quiet" | "good" | "hot" {
  if (db === null || db <= floorDb) return "quiet";
  return db >= hotDb ? "hot" : "good";
}

/** `−12 dB`, with a real minus. */
export const decibels = (db: number) => `${String(Math.round(db)).replace("-", "−")} dB`;
