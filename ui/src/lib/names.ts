// File names for people's titles. Pure.

/** A title as a file name that every system takes; with the ending. */
export function fileName(title: string, fallback: string, ending: string): string {
  const clean = title.replace(/[<>:"/\\|?*\u0000-\u001f]/g, " ").replace(/\s+/g, " ").trim().replace(/^\.+|\.+$/g, "");
  return `${(clean || fallback).slice(0, 120).trim()}.${ending}`;
}

/** The last step of a path, of whatever system. */
export const baseName = (path: string) => path.split(/[/\\]/).at(-1) ?? path;

/** The other title that a file's ending asks for. */
export const withEnding = (path: string, ending: string) =>
  path.toLowerCase().endsWith(`.${ending}`) ? path : `${path}.${ending}`;
