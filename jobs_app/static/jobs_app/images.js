// The images of a prompt: pasted, dropped or chosen, sent at once, shown with a way to remove each.
// Without any of this the form's own field takes them.

const box = document.querySelector(".prompt-images");
const form = box?.closest("form");
const list = box?.querySelector("ul");
const field = box?.querySelector("input[type=text]"); // what the form sends: a token for each image
const picker = box?.querySelector("input[type=file]");
const said = box?.querySelector(".said");

const types = picker?.accept.split(",");
const largest = Number(box?.dataset.largest);
const most = Number(box?.dataset.most);

let sending = 0;
let failures = [];
let waiting = null; // the submission that goes on once all is sent

const tokens = () => field.value.split(" ").filter(Boolean);

const say = (sentence) => {
  said.textContent = sentence;
};

// --- what is shown ---------------------------------------------------------------

const made = (name, properties, ...inside) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...inside);
  return element;
};

const shown = (token) => {
  const address = `${box.dataset.upload}${encodeURIComponent(token)}/`;
  const image = made("img", { src: address, alt: "An image of the prompt" });
  const link = made("a", { href: address, target: "_blank" }, image);
  const button = made("button", { type: "button", textContent: "Remove" });
  button.addEventListener("click", () => remove(token));
  const item = made("li", {}, link, button);
  item.dataset.token = token;
  return item;
};

const show = () => {
  const wanted = tokens();
  for (const item of [...list.children]) {
    if (!item.matches(".sending") && !wanted.includes(item.dataset.token)) item.remove();
  }
  for (const token of wanted) {
    if (![...list.children].some((item) => item.dataset.token === token)) list.append(shown(token));
  }
};

const keep = (all) => {
  field.value = [...new Set(all)].join(" ");
  show();
};

const remove = (token) => {
  keep(tokens().filter((one) => one !== token));
  say("");
  picker.focus();
};

// --- sending ---------------------------------------------------------------------

const refusal = (file) => {
  if (tokens().length + sending >= most) return `A prompt may have ${most} images.`;
  if (file.size > largest) return "The image is over 5 MB: send a smaller one.";
  if (file.type && !types.includes(file.type)) {
    return "This is no image that agents read: send a PNG, JPEG, GIF or WebP.";
  }
  return "";
};

const post = (file, onProgress) =>
  new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(loaded / total));
    request.addEventListener("loadend", () => resolve(request));
    request.open("POST", box.dataset.upload);
    request.setRequestHeader("X-CSRFToken", form.querySelector("[name=csrfmiddlewaretoken]").value);
    const body = new FormData();
    body.append("image", file);
    request.send(body);
  });

const answer = ({ status, responseText }) => {
  if (status === 0) return { error: "The image was not sent: the site does not answer." };
  if (status === 413) return { error: responseText.trim() };
  try {
    return JSON.parse(responseText);
  } catch {
    return { error: "The image was not taken: your login has ended or may not queue prompts." };
  }
};

const send = async (file) => {
  const progress = made("progress", { max: 1, value: 0 });
  progress.setAttribute("aria-label", "Sending an image");
  const item = made("li", { className: "sending" }, progress);
  list.append(item);
  sending += 1;
  const { token, error } = answer(await post(file, (part) => (progress.value = part || 0)));
  sending -= 1;
  item.remove();
  if (token) keep([...tokens(), token]);
  else failures.push(error);
};

const add = async (files) => {
  failures = [];
  say("");
  const sent = [...files].map((file) => {
    const reason = refusal(file);
    if (!reason) return send(file);
    failures.push(reason);
    return null;
  });
  say([...new Set(failures)].join(" "));
  await Promise.all(sent);
  say([...new Set(failures)].join(" "));
  if (waiting && !sending) goOn();
};

const goOn = () => {
  const { submitter } = waiting;
  waiting = null;
  if (failures.length) say(`The prompt is not queued yet. ${[...new Set(failures)].join(" ")}`);
  else form.requestSubmit(submitter);
};

const waitForImages = (event) => {
  if (event.target !== form || !sending) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  waiting = { submitter: event.submitter };
  say("The prompt is queued as soon as its images are sent.");
};

// --- where they come from --------------------------------------------------------

const choose = () => {
  add(picker.files);
  picker.value = ""; // they are sent, and do not go with the form as well
};

const paste = (event) => {
  const { files, types: kinds } = event.clipboardData;
  if (!files.length || kinds.includes("text/plain")) return; // a text that has a picture too
  event.preventDefault();
  add(files);
};

const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

// On the whole page: a file that misses the form would take the page's place, and its text.
const dragOver = (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  box.classList.add("is-aimed");
};

const drop = (event) => {
  box.classList.remove("is-aimed");
  if (!hasFiles(event)) return;
  event.preventDefault();
  add(event.dataTransfer.files);
};

// A form that was shown again with a mistake begins anew once it is sent without leaving the page.
const beginEmpty = () => {
  const named = field.value;
  field.defaultValue = "";
  field.value = named;
};

const start = () => {
  box.classList.add("is-live");
  list.replaceChildren();
  beginEmpty();
  show();
  form.addEventListener("reset", () => setTimeout(show)); // afterwards the field is empty
  picker.addEventListener("change", choose);
  field.addEventListener("change", show); // a draft is put back
  window.addEventListener("submit", waitForImages, { capture: true }); // before any other script
  form.addEventListener("paste", paste);
  document.addEventListener("dragover", dragOver);
  document.addEventListener("dragleave", () => box.classList.remove("is-aimed"));
  document.addEventListener("drop", drop);
};

if (box) start(); // an archived session has no form
