// Puts back what was typed into a form that the server did not take because the login had expired
// or was made anew in another tab. It is kept in this tab alone, and no longer than until then.

const KEY = "pokecode-drafts";
const TYPED =
  "textarea, select:not([multiple]), input[name=version], " +
  "input:not([type=hidden], [type=password], [type=file], [type=checkbox], [type=radio], [type=submit])";

const load = () => {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
};

const store = (drafts) => {
  try {
    if (drafts.length) sessionStorage.setItem(KEY, JSON.stringify(drafts));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Full or forbidden: nothing is kept.
  }
};

const user = () => document.querySelector("#user-tools strong")?.textContent ?? "";
// Of a form's own properties none is asked: a field of the same name would hide it.
const isPost = (form) => form.getAttribute("method")?.toLowerCase() === "post";
const nameOf = (form) => {
  const { pathname } = new URL(form.getAttribute("action") ?? "", location);
  return `${pathname}#${form.getAttribute("id")}`;
};
const fieldsOf = (form) => [...form.querySelectorAll(TYPED)].filter((field) => field.name);
const isChanged = (field) =>
  field.defaultValue !== undefined && field.value !== field.defaultValue;
const forms = () =>
  [...document.querySelectorAll("form:not(#changelist-form)")].filter(
    (form) => isPost(form) && fieldsOf(form).length,
  );

// A form that is sent is done with, unless the login comes next; the page's other forms are not.
const draftOf = (form, sent) => ({
  form: nameOf(form),
  user: user(),
  isHeld: form !== sent,
  values: fieldsOf(form).map((field) => ({
    name: field.name,
    value: field.value,
    text: field.selectedOptions?.[0]?.text ?? "",
  })),
});

const keep = ({ target }) => {
  if (target.getAttribute("id") === "logout-form") store([]);
  else if (isPost(target)) {
    const typed = forms().filter((form) => form === target || fieldsOf(form).some(isChanged));
    const others = load().filter((draft) => !typed.some((form) => nameOf(form) === draft.form));
    store([...others, ...typed.map((form) => draftOf(form, target))]);
  }
};

const fill = (field, { value, text }) => {
  if (field.localName === "select" && ![...field.options].some((one) => one.value === value)) {
    field.add(new Option(text, value)); // found by a search, so not in the page
  }
  field.value = value;
  field.dispatchEvent(new Event("change", { bubbles: true }));
  const fold = field.closest("details");
  if (fold && isChanged(field) && field.type !== "hidden") fold.open = true;
};

const putBack = (form, draft) => {
  for (const saved of draft.values) {
    const field = fieldsOf(form).find((one) => one.name === saved.name);
    if (field) fill(field, saved);
  }
  const note = document.createElement("p");
  note.className = "put-back";
  note.setAttribute("role", "status");
  note.textContent = "What you typed is back, but not sent yet.";
  form.before(note);
};

const putAllBack = () => {
  const held = load().filter((draft) => draft.isHeld && draft.user === user());
  const left = held.filter((draft) => {
    const form = forms().find((one) => nameOf(one) === draft.form);
    if (form) putBack(form, draft);
    return !form;
  });
  store(left);
};

// The pages that ask for a login, or say that a form was not taken, look like the login.
if (document.body.classList.contains("login")) {
  store(load().map((draft) => ({ ...draft, isHeld: true })));
} else {
  putAllBack();
  document.addEventListener("submit", keep);
}
