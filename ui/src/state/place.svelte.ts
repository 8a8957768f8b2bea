// Where in the app one is. The address has it, so that going back works and links can lead anywhere.

export type Place =
  | { view: "record"; draw?: boolean }
  | { view: "library"; trash: boolean }
  | { view: "player"; id: string }
  | { view: "uploads" }
  | { view: "settings" };

/** The place that `#/player/ID` and the like name; the record view for anything else. `#/record/draw` begins to draw. */
export function placeFrom(hash: string): Place {
  const [view, rest] = hash.replace(/^#\/?/, "").split("/", 2);
  if (view === "library") return { view, trash: rest === "trash" };
  if (view === "player" && rest) return { view, id: decodeURIComponent(rest) };
  if (view === "uploads" || view === "settings") return { view };
  return { view: "record", draw: view === "record" && rest === "draw" };
}

/** As an address. */
export function addressOf(place: Place): string {
  switch (place.view) {
    case "library":
      return place.trash ? "#/library/trash" : "#/library";
    case "player":
      return `#/player/${encodeURIComponent(place.id)}`;
    case "record":
      return place.draw ? "#/record/draw" : "#/record";
    default:
      return `#/${place.view}`;
  }
}

let current = $state.raw<Place>(placeFrom(location.hash));
addEventListener("hashchange", () => (current = placeFrom(location.hash)));

/** Where one is. */
export const place = (): Place => current;
/** Goes somewhere else. */
export function go(to: Place): void {
  location.hash = addressOf(to);
}
