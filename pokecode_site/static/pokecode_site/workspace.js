// Follows a session: appends what is said, joins results into their calls, keeps the jobs fresh.
// The page can be read and a prompt sent without any of this.

import { showElapsed } from "./elapsed.js";
import { write } from "./writing.js";

const NEAR = 150; // pixels from the end within which the page keeps to it
const CLOSE = 40; // the same for a text that grows: who scrolls up a little is not pulled back
const LONGEST_DELAY = 30000;

const workspace = document.getElementById("workspace");
const transcript = document.getElementById("transcript");
const end = document.getElementById("end");
const newer = document.getElementById("newer");
const connection = document.getElementById("connection");
const composer = document.querySelector(".composer");

let unseen = 0;
let settling = 0; // frames left

// --- the end of the conversation -------------------------------------------------

const isAtEnd = (near = NEAR) => end.getBoundingClientRect().top < window.innerHeight + near;

const goToEnd = () => {
  unseen = 0;
  newer.hidden = true;
  const bottom = end.getBoundingClientRect().bottom + composer.offsetHeight;
  window.scrollBy(0, bottom - window.innerHeight);
};

// Rows that come into view get their real height, which moves the end once more, so this
// goes on for some frames; a person who scrolls meanwhile has the last word.
const settle = () => {
  if (!settling) return;
  settling -= 1;
  goToEnd();
  requestAnimationFrame(settle);
};

const settleAtEnd = (frames = 20) => {
  settling = frames;
  settle();
};

const stopSettling = () => {
  settling = 0;
};

const countUnseen = (added) => {
  unseen += added;
  newer.hidden = unseen === 0;
  newer.textContent = `${unseen} new below`;
};

// --- what an event brings --------------------------------------------------------

const parsed = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
};

const replace = (shown, fresh) => {
  if (shown.open) fresh.open = true;
  const inside = document.getElementById(`${shown.id}-inside`);
  if (inside) fresh.querySelector(".inside")?.replaceChildren(...inside.childNodes);
  shown.replaceWith(fresh);
};

const place = ({ id, inside, html }) => {
  const fresh = parsed(html);
  const shown = document.getElementById(id);
  if (shown) {
    replace(shown, fresh);
    return 0;
  }
  (document.getElementById(inside) ?? transcript).append(fresh);
  return 1;
};

const update = ([id, html]) => {
  const part = document.getElementById(id);
  if (!part) return; // an archived session has no box for prompts
  const focused = part.contains(document.activeElement)
    ? document.activeElement.getAttribute("formaction")
    : null;
  part.innerHTML = html;
  if (focused) part.querySelector(`[formaction="${CSS.escape(focused)}"]`)?.focus();
};

let announced = "";
let isSaidToWrite = false;

// That the agent writes is said once while it works, and not with each of its messages.
const announce = (isWriting) => {
  const said = document.querySelector("[data-announce]").dataset.announce;
  const line = document.getElementById("announcement");
  if (announced !== said) {
    line.textContent = announced = said;
    isSaidToWrite = false;
  } else if (isWriting && !isSaidToWrite) {
    line.textContent = "The agent is writing.";
    isSaidToWrite = true;
  }
};

// For what grows by other means than the messages.
export const keepToEnd = (change) => {
  const follow = Boolean(workspace) && isAtEnd();
  change();
  if (follow) settleAtEnd(3);
};

const apply = ({ entries, draft, fragments, ...others }) => {
  const follow = isAtEnd(entries.length ? NEAR : CLOSE);
  const added = entries.map(place).reduce((sum, count) => sum + count, 0);
  if (draft) write(draft);
  Object.entries(fragments).forEach(update);
  announce(Boolean(draft?.text));
  showElapsed();
  document.dispatchEvent(new CustomEvent("followed", { detail: others }));
  if (follow && (entries.length || draft || "session-told" in fragments)) settleAtEnd(3);
  else if (!follow) countUnseen(added);
};

// --- the connection --------------------------------------------------------------

let last = workspace?.dataset.after;
let delay = 1000;
let source = null;

const connect = () => {
  if (source || document.hidden) return;
  source = new EventSource(`${workspace.dataset.events}?after=${encodeURIComponent(last)}`);
  source.onopen = () => {
    delay = 1000;
    connection.hidden = true;
  };
  source.onmessage = (event) => {
    apply(JSON.parse(event.data));
    last = event.lastEventId || last; // only now: what could not be shown is asked for again
  };
  source.onerror = () => {
    disconnect();
    connection.hidden = false;
    setTimeout(connect, delay);
    delay = Math.min(delay * 2, LONGEST_DELAY);
  };
};

const disconnect = () => {
  source?.close();
  source = null;
};

// A browser opens six connections to a site: tabs that nobody looks at must not hold them all.
const connectWhileVisible = () => {
  if (document.hidden) disconnect();
  else connect();
};

// --- earlier messages ------------------------------------------------------------

const loadEarlier = async (event) => {
  event.preventDefault();
  const link = event.target;
  const response = await fetch(link.href).catch(() => null);
  if (!response?.ok || response.redirected) {
    location.assign(link.href);
    return;
  }
  const earlier = new DOMParser().parseFromString(await response.text(), "text/html");
  const height = document.documentElement.scrollHeight;
  const rows = [...earlier.getElementById("transcript").children];
  transcript.prepend(...rows.filter((row) => !document.getElementById(row.id)));
  window.scrollBy(0, document.documentElement.scrollHeight - height);
  const next = earlier.getElementById("earlier");
  if (next) link.href = next.href;
  else link.parentElement.remove();
};

// --- the page --------------------------------------------------------------------

const openTarget = () => {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  for (let row = target; row; row = row.parentElement?.closest("details")) {
    if (row.localName === "details") row.open = true;
  }
  if (target) target.scrollIntoView({ block: "nearest" });
};

const submitOnCtrlEnter = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
};

const start = () => {
  showElapsed();
  newer.addEventListener("click", () => settleAtEnd());
  window.addEventListener("scroll", () => isAtEnd() && countUnseen(-unseen), { passive: true });
  for (const act of ["wheel", "touchmove", "keydown"]) {
    window.addEventListener(act, stopSettling, { passive: true });
  }
  window.addEventListener("hashchange", openTarget);
  document.querySelector(".to-latest")?.remove();
  document.getElementById("earlier")?.addEventListener("click", loadEarlier);
  document.querySelector("#prompt textarea")?.addEventListener("keydown", submitOnCtrlEnter);
  if (workspace.dataset.events) {
    document.addEventListener("visibilitychange", connectWhileVisible);
    connect();
  }
  // Not `:target`: the browser finds that only after this.
  const isLink = /^#(m|request)-/.test(location.hash);
  if (isLink && document.getElementById(location.hash.slice(1))) openTarget();
  else if (transcript.childElementCount) settleAtEnd();
};

if (workspace) start();
