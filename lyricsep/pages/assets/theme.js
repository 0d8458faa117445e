/** Light and dark: as the system has it, until the button says otherwise. */

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const themeButton = document.getElementById("theme");

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : systemDark.matches;
}

/** Call a function whenever the colours change. */
export function onTheme(listener) {
  document.addEventListener("theme", listener);
}

/** Remember a theme, or give the one that was remembered. */
function memory(theme) {
  try {
    if (theme) localStorage.setItem("lyricsep-theme", theme);
    return localStorage.getItem("lyricsep-theme");
  } catch {
    return theme; // a browser that keeps nothing for files
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
