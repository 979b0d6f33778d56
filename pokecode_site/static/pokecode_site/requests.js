// Cards of what an agent asks: answered in place, by keys too, and kept up to date. Without this
// they are plain forms.

import { showElapsed } from "./elapsed.js";
import { showCount } from "./needs.js";
import { keepToEnd } from "./workspace.js";

const workspace = document.getElementById("workspace");
const transcript = document.getElementById("transcript");
const others = document.getElementById("requests");
const UNREACHED = "The server did not answer. What you typed is still here: try again.";
const KEYS = { a: ["allow", "approve"], s: ["allow for session"], d: ["deny"] };
const TYPING = "textarea, select, input:not([type=radio], [type=checkbox])";

// --- putting cards where they belong -----------------------------------------------

const parsed = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
};

const entryOf = (card) => {
  const key = card.dataset.asks || "none";
  return [...(transcript?.querySelectorAll(`.entry[data-asks="${key}"]`) ?? [])].at(-1);
};

// Somebody else was faster: what was typed here is not sent, and is not lost either.
const keepTyped = (shown, fresh) => {
  fresh.append(...shown.querySelectorAll(".typed"));
  const typed = [...shown.querySelectorAll("textarea")]
    .filter((field) => field.value.trim() && field.value !== field.defaultValue)
    .map((field) => field.value);
  if (!typed.length || shown.dataset.sent) return;
  const kept = document.createElement("p");
  kept.className = "quiet typed";
  kept.textContent = `You had typed: ${typed.join(" / ")}`;
  fresh.append(kept);
};

const replace = (shown, fresh) => {
  const hadFocus = shown.contains(document.activeElement);
  keepTyped(shown, fresh);
  shown.replaceWith(fresh);
  if (hadFocus) fresh.focus({ preventScroll: true });
};

// A card whose state is the same stays as it is, with all that was typed and chosen in it.
const put = (html) => {
  const fresh = parsed(html);
  if (!fresh) return;
  const shown = document.getElementById(fresh.id);
  if (!shown) (entryOf(fresh)?.after(fresh) ?? others?.append(fresh));
  else if (shown.dataset.state !== fresh.dataset.state) replace(shown, fresh);
  showElapsed();
};

// The entry of a request may come after its card, which takes its place; one in which somebody
// is typing stays where it is.
const joinEntries = () => {
  for (const card of [...(others?.children ?? [])]) {
    const entry = entryOf(card);
    if (entry) entry.hidden = true;
    if (!card.contains(document.activeElement)) entry?.after(card);
  }
};

const load = async (id) => {
  const url = workspace.dataset.request.replace("/ID/", `/${encodeURIComponent(id)}/`);
  const response = await fetch(`${url}?card`).catch(() => null);
  if (!response?.ok || response.redirected) return;
  const html = await response.text();
  keepToEnd(() => put(html));
};

const isStale = (id, state) => {
  const shown = document.getElementById(`request-${id}`);
  return shown ? shown.dataset.state !== state : ["open", "watched", "answered"].includes(state);
};

const follow = async ({ detail: { requests, cards, needs } }) => {
  if ("count" in needs) showCount(needs.count);
  if (cards.length) keepToEnd(() => cards.forEach(put));
  joinEntries();
  const stale = Object.entries(requests).filter(([id, state]) => isStale(id, state));
  await Promise.all(stale.map(([id]) => load(id)));
};

// --- answering ---------------------------------------------------------------------

const refuse = (form, sentence) => {
  const said = document.createElement("p");
  said.className = "errornote";
  said.textContent = sentence;
  form.querySelector(".refusal").replaceChildren(said);
};

// The login has expired, say: the server's own pages tell what to do, and lead back here.
const sendPlainly = (form, decision) => {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name: "decision", value: decision });
  form.append(field);
  HTMLFormElement.prototype.submit.call(form);
};

const receive = (form, { card, error }) => {
  const shown = form.closest(".request-card");
  if (error) refuse(form, error);
  else shown.dataset.sent = "true";
  if (card) put(card);
  else if (!error) shown.remove();
};

const send = async (form, decision) => {
  const body = new FormData(form);
  body.set("decision", decision);
  const options = { method: "POST", body, headers: { Accept: "application/json" } };
  const response = await fetch(form.getAttribute("action"), options).catch(() => null);
  const isOurs = response?.headers.get("Content-Type")?.startsWith("application/json");
  if (!response) refuse(form, UNREACHED);
  else if (isOurs) receive(form, await response.json());
  else sendPlainly(form, decision);
};

const submit = async (event) => {
  const form = event.target;
  if (!form.matches("form.answer") || !event.submitter) return;
  event.preventDefault();
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  await send(form, event.submitter.value);
  form.ariaBusy = "false";
};

// --- keys, for a card that has the focus ---------------------------------------------

const press = (card, decisions) => {
  const button = decisions
    .map((decision) => card.querySelector(`button[value="${decision}"]`))
    .find(Boolean);
  const isSentBack = button?.value === "deny" && card.classList.contains("plan");
  const words = card.querySelector("[name=why]");
  if (isSentBack && !words.value.trim()) words.focus(); // a plan comes back with words
  else button?.click();
  return Boolean(button);
};

// The first question that has no answer yet, unless the focus is in one.
const choose = (card, target, digit) => {
  const questions = [...card.querySelectorAll("fieldset")];
  const question =
    target.closest("fieldset") ??
    questions.find((each) => !each.querySelector(":checked")) ??
    questions.at(-1);
  const option = question?.querySelectorAll(".option input")[digit - 1];
  option?.click();
  if (option?.type === "checkbox") option.focus();
  return Boolean(option);
};

// Esc elsewhere in the conversation stops the agent, but not whoever writes to it.
const leaveText = (card, event) => {
  event.preventDefault();
  card.focus();
};

const onKey = (event) => {
  const { target, key } = event;
  const card = target.closest?.(".request-card");
  if (!card || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (target.matches(TYPING)) {
    if (key === "Escape" && !event.isComposing) leaveText(card, event);
    return;
  }
  const isDone =
    (KEYS[key] && press(card, KEYS[key])) ||
    (/^[1-9]$/.test(key) && choose(card, target, Number(key))) ||
    (key === "Enter" && target === card && press(card, ["reply"]));
  if (isDone) event.preventDefault();
};

const sendWordsOnCtrlEnter = (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  const card = event.target.closest?.(".request-card");
  const decision = { why: "deny", changed: "allow changed" }[event.target.name] ?? "reply";
  if (card && event.target.matches("textarea")) press(card, [decision]);
};

// One answer, chosen or typed: who types has changed their mind.
const unchoose = ({ target }) => {
  if (!target.matches(".request-card .own") || !target.value) return;
  for (const chosen of target.closest("fieldset").querySelectorAll("[type=radio]:checked")) {
    chosen.checked = false;
  }
};

// --- the page ------------------------------------------------------------------------

// Only where a link led to the card: the focus is never taken from elsewhere.
const focusTarget = () => {
  const card = location.hash.startsWith("#request-") && document.getElementById(location.hash.slice(1));
  if (card) card.focus();
};

document.addEventListener("followed", follow);
document.addEventListener("submit", submit);
document.addEventListener("keydown", onKey);
document.addEventListener("keydown", sendWordsOnCtrlEnter);
document.addEventListener("input", unchoose);
window.addEventListener("hashchange", focusTarget);
showElapsed();
focusTarget();
