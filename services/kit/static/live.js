// Keeps a page up to date without moving anything: it is fetched again, and parts marked `data-live` whose content changed are exchanged in place.
// Focus and scroll stay, since no part holds anything that takes focus. Times are shown in the reader's zone. Without this script the page says
// the same: as it was when it was loaded, in UTC, with a link to load it again.

const EVERY_MILLISECONDS = 5000;
const form = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false, timeZoneName: "short",
});

const sayInZone = (root) => {
  for (const time of root.querySelectorAll("time[datetime]")) time.textContent = form.format(new Date(time.dateTime));
};

const exchange = (fresh) => {
  for (const part of document.querySelectorAll("[data-live]")) {
    const newer = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
    if (!newer || newer.outerHTML === part.outerHTML) continue;
    for (const name of ["data-state", "role", "hidden"]) {
      if (newer.hasAttribute(name)) part.setAttribute(name, newer.getAttribute(name));
      else part.removeAttribute(name);
    }
    if (part.innerHTML !== newer.innerHTML) part.innerHTML = newer.innerHTML;
  }
};

const connection = document.querySelector("[data-connection]");
const button = document.querySelector("[data-pause]");
let paused = false;

const tell = (text) => {
  if (connection && connection.textContent !== text) connection.textContent = text;
};

const look = async () => {
  if (paused || document.hidden) return;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (paused) return;
    sayInZone(fresh);
    exchange(fresh);
    tell("");
  } catch {
    tell("Reconnecting. What you see is as it was before.");
  }
};

sayInZone(document);
if (button) {
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    if (!paused) look();
  });
}
setInterval(look, EVERY_MILLISECONDS);
document.addEventListener("visibilitychange", look);
