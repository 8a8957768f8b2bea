// Key combinations as people write them. Pure.

/** What a keyboard says was pressed. */
export type Pressed = { key: string; code: string; ctrlKey: boolean; altKey: boolean; shiftKey: boolean; metaKey: boolean };

const named: Record<string, string> = { " ": "Space", ArrowUp: "Up", ArrowDown: "Down", ArrowLeft: "Left", ArrowRight: "Right" };
const modifiers = new Set(["Control", "Shift", "Alt", "AltGraph", "Meta", "OS", "Super"]);

/** `Ctrl+Shift+R`, as the settings have it; none while only keys are held that change others. */
export function combination({ key, code, ctrlKey, altKey, shiftKey, metaKey }: Pressed): string | null {
  if (modifiers.has(key)) return null;
  // The letter on the key, not what Shift or Alt make of it.
  const letter = /^Key([A-Z])$/.exec(code)?.[1] ?? /^Digit(\d)$/.exec(code)?.[1];
  const last = letter ?? named[key] ?? key;
  const held = [ctrlKey && "Ctrl", altKey && "Alt", shiftKey && "Shift", metaKey && "Super"].filter((name) => name !== false);
  // A key alone would be taken from every program that people write in.
  if (held.length === 0 && !/^F\d+$/.test(last)) return null;
  return [...held, last].join("+");
}
