import { announcement } from "../state/announce";

/** Shows and reads out what has just happened. */
export function Announcement() {
  return (
    <div class="announcement" role="status" aria-live="polite" data-testid="announcement">
      {announcement.value}
    </div>
  );
}
