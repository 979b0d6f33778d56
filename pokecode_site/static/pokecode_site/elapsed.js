// Turns "since 12:03:10" into a running "2 min 5 s"; without scripts the first stays true.

const spoken = (seconds) =>
  seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;

export const showElapsed = () => {
  for (const element of document.querySelectorAll("time[data-elapsed]")) {
    const seconds = Math.floor((Date.now() - Date.parse(element.dateTime)) / 1000);
    element.textContent = `for ${spoken(Math.max(0, seconds))}`;
  }
};

setInterval(showElapsed, 1000);
