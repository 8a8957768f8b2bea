// What a card and a row are given alike.

import type { RecordingLine } from "../../bindings";

export interface ItemProps {
  line: RecordingLine;
  trash: boolean;
  tabbed: boolean;
  chosen: boolean;
  renaming: boolean;
  play: () => void;
  details: () => void;
  rename: () => void;
  named: (title: string | null) => void;
  exportIt: () => void;
  remove: () => void;
  restore: () => void;
  erase: () => void;
}

/** The instant that stands for a recording: beginnings are often empty. */
export const coverAt = (line: RecordingLine) => Math.min(line.duration_ms / 3, 60_000);
