// Fetches the dashboard again every few seconds while somebody looks and does not act.

import { showElapsed } from "./elapsed.js";
import { showCount } from "./needs.js";

const PERIOD = 5000;
const dashboard = document.getElementById("dashboard");

const refresh = async () => {
  if (document.hidden || dashboard.contains(document.activeElement)) return;
  const response = await fetch(dashboard.dataset.url).catch(() => null);
  if (response?.redirected) location.reload(); // logged out
  if (!response?.ok || dashboard.contains(document.activeElement)) return;
  dashboard.innerHTML = await response.text();
  showCount(document.getElementById("inbox").dataset.count);
  showElapsed();
};

showElapsed();
setInterval(refresh, PERIOD);
document.addEventListener("visibilitychange", refresh);
