/** Light or dark: the setting of the system, until the button is used. */

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const themeButton = document.getElementById("theme");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : systemDark.matches;
}

/** Call a function whenever the colours change. */
function onTheme(listener) {
  document.addEventListener("theme", listener);
}

/** Store a theme, or return the stored one. */
function memory(theme) {
  try {
    if (theme) localStorage.setItem("lyricsep-theme", theme);
    return localStorage.getItem("lyricsep-theme");
  } catch {
    return theme; // some browsers have no storage for local files
  }
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  themeButton.setAttribute("aria-pressed", String(isDark()));
  document.dispatchEvent(new Event("theme"));
}

themeButton.addEventListener("click", () => setTheme(memory(isDark() ? "light" : "dark")));
systemDark.addEventListener("change", () => setTheme(null));
setTheme(memory(null));
