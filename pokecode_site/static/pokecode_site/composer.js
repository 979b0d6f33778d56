// What is told to a working agent goes to the server without leaving the page, which shows by
// itself what becomes of it. Where that fails, the form is sent the plain way.

const prompt = document.querySelector("#prompt textarea");

const post = (button) =>
  fetch(button.formAction, {
    method: "POST",
    body: new FormData(button.form, button),
    headers: { "X-Requested-With": "fetch" },
    redirect: "manual",
  });

const send = async (button) => {
  button.disabled = true;
  const answer = await post(button).catch(() => null);
  button.disabled = false;
  if (answer?.status !== 204) {
    button.dataset.byScript = "failed";
    if (button.isConnected) button.click();
  } else if (button.form.contains(prompt)) {
    prompt.value = "";
    prompt.focus();
  }
};

const sendByScript = (event) => {
  const button = event.submitter;
  if (button?.dataset.byScript !== "") return;
  event.preventDefault();
  event.stopImmediatePropagation();
  send(button);
};

// Esc stops the turn, as in the agents' own terminals, but never what a person is writing.
const interruptOnEscape = (event) => {
  if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
  if (!event.target.closest(".conversation") || prompt?.value.trim()) return;
  document.getElementById("interrupt")?.click();
};

document.addEventListener("submit", sendByScript, true);
document.addEventListener("keydown", interruptOnEscape);
