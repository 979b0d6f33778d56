// What is asked of an agent goes to the server without leaving the page, which shows by itself
// what becomes of it. What the server does not simply do is sent again the plain way, and its
// answer is a page.

const composer = document.querySelector(".composer");
const form = document.querySelector("form#prompt");
const prompt = form?.querySelector("textarea");

const post = (button) =>
  fetch(button.getAttribute("formaction") ?? button.form.getAttribute("action"), {
    method: "POST",
    body: new FormData(button.form, button),
    headers: { "X-Requested-With": "fetch" },
    redirect: "manual",
  });

const say = (text) => {
  composer.querySelector(".unsent")?.remove();
  if (!text) return;
  const note = document.createElement("p");
  note.className = "unsent errornote";
  note.setAttribute("role", "alert");
  note.textContent = text;
  composer.prepend(note);
};

// As a page has it that comes anew.
const clear = () => {
  for (const error of form.querySelectorAll(".errornote")) error.remove();
  for (const field of form.querySelectorAll("textarea, input:not([type=hidden])")) {
    field.value = "";
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }
};

const send = async (button) => {
  button.disabled = true;
  const answer = await post(button).catch(() => null);
  button.disabled = false;
  if (!answer || answer.status >= 500) {
    say("The server did not answer, so this may not have been sent: look, then try again.");
  } else if (answer.status !== 204) {
    button.removeAttribute("data-by-script");
    button.form.requestSubmit(button);
  } else {
    say("");
    if (button.form === form) clear();
    prompt?.focus();
  }
};

const sendByScript = (event) => {
  const button = event.submitter ?? event.target.querySelector("[type=submit]");
  if (event.defaultPrevented || !button?.hasAttribute("data-by-script")) return;
  event.preventDefault();
  event.stopPropagation(); // what was sent is no draft to put back
  send(button);
};

// Esc stops the turn, as in the agents' own terminals, but never what a person is writing.
const interruptOnEscape = (event) => {
  if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
  if (!event.target.closest(".conversation") || prompt?.value.trim()) return;
  document.getElementById("interrupt")?.click();
};

for (const each of [form, document.getElementById("job-verbs")]) {
  each?.addEventListener("submit", sendByScript);
}
document.addEventListener("keydown", interruptOnEscape);
