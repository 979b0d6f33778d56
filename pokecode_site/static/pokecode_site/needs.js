// How many requests wait for this person: in the header and in the title of every page. Pages that
// follow something anyway are told; the others ask once a minute while somebody looks. A person
// who wants to be notified is, by any page that is open: with that on, each asks every 15 seconds.

const PERIOD = 60000;
const PERIOD_WITH_NOTIFICATIONS = 15000;
const WANTED = "pokecode-notify";
const SEEN = "pokecode-notified"; // the newest request of which this browser has told

const link = document.getElementById("needs-you");
const button = document.getElementById("notify");

export const showCount = (count) => {
  if (!link) return;
  link.hidden = !count;
  link.querySelector("strong").textContent = count;
  const title = document.title.replace(/^\(\d+\+?\) /, "");
  document.title = count ? `(${count}) ${title}` : title;
};

// --- notifications ---------------------------------------------------------------

const canNotify = "Notification" in window && window.isSecureContext;
const isWanted = () =>
  canNotify && Notification.permission === "granted" && localStorage.getItem(WANTED) === "on";

// Ids grow with time. A page that the person looks at needs no notification.
const notify = (newest) => {
  const seen = localStorage.getItem(SEEN) ?? "";
  for (const { id, title, text, url } of [...newest].reverse()) {
    if (id <= seen || document.hasFocus()) continue;
    const notification = new Notification(title, { body: text, tag: id });
    notification.onclick = () => {
      window.focus();
      location.assign(url);
    };
  }
  if (newest.length && newest[0].id > seen) localStorage.setItem(SEEN, newest[0].id);
};

const WORDS = { granted: "Notify me", default: "Notify me", denied: "Notifications are blocked" };

const showButton = () => {
  if (!button || !canNotify) return;
  button.hidden = false;
  button.disabled = Notification.permission === "denied";
  button.setAttribute("aria-pressed", isWanted());
  button.textContent = isWanted() ? "Notifications are on" : WORDS[Notification.permission];
};

const toggle = async () => {
  if (isWanted()) localStorage.removeItem(WANTED);
  else if ((await Notification.requestPermission()) === "granted") {
    localStorage.setItem(WANTED, "on");
  }
  showButton();
  schedule();
};

// --- asking ------------------------------------------------------------------------

const ask = async () => {
  if (document.hidden && !isWanted()) return;
  const response = await fetch(link.dataset.url).catch(() => null);
  if (!response?.ok || response.redirected) return;
  const { count, newest } = await response.json();
  showCount(count);
  if (isWanted()) notify(newest);
};

let timer = null;
const schedule = () => {
  clearInterval(timer);
  timer = setInterval(ask, isWanted() ? PERIOD_WITH_NOTIFICATIONS : PERIOD);
};

if (link) {
  showButton();
  button?.addEventListener("click", toggle);
  document.addEventListener("visibilitychange", ask);
  schedule();
}
