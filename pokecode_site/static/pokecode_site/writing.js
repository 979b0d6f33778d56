// Shows what the agent is just writing, until the whole message takes its place.

const LIMIT = 32000; // characters; of a longer text the end is shown

const draft = document.getElementById("draft");
const written = draft?.querySelector("pre");

// An open page gets only what is new, so a long text costs no more than a short one.
export const write = ({ text, adds }) => {
  const all = adds ? written.textContent + text : text;
  if (adds && all.length <= LIMIT) written.append(text);
  else written.textContent = all.length <= LIMIT ? all : `…\n${all.slice(-LIMIT / 2)}`;
  draft.hidden = !all;
};
