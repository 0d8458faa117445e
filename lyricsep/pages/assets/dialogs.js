/** Dialogs of the editor: shift lines, replace words, title and artist, and times for a pasted text. */

/** Ask in a dialog: `fields` are elements with a label each; every button gets what it does. */
function ask(name, title, fields, buttons) {
  const dialog = element("dialog", { id: `ask-${name}`, "aria-label": title });
  const close = () => dialog.close();
  const made = buttons.map(([text, act], index) => {
    // Enter in a field is a click on the first.
    const button = element("button", { type: index ? "button" : "submit", class: "small" }, text);
    button.addEventListener("click", (event) => {
      event.preventDefault();
      close();
      act();
    });
    return button;
  });
  const leave = element("button", { type: "button", class: "small" }, "Cancel");
  leave.addEventListener("click", close);
  const labelled = fields.map(([text, field]) => element("label", { class: "asked" }, element("span", {}, text), field));
  const form = element("form", { method: "dialog" }, ...labelled, element("p", { class: "answers" }, leave, ...made));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.append(element("h2", {}, title), form);
  document.body.append(dialog);
  dialog.showModal();
  fields[0][1].focus();
}

function askShift(editor) {
  const seconds = element("input", { type: "number", step: "0.01", value: "0.5", id: "shift-by" });
  const shift = (from) => () => {
    const by = Number(seconds.value);
    if (by) editor.commit(shifted(editor.lyrics.rows, from, by, editor.content.duration), null);
  };
  const buttons = [["Shift all lines", shift(0)]];
  if (editor.index >= 0) buttons.push(["Shift this line and those below", shift(editor.index)]);
  ask("shift", "Shift lines", [["Seconds; negative is earlier", seconds]], buttons);
}

function askReplace(editor) {
  const [text, by] = [element("input", { id: "replace-text" }), element("input", { id: "replace-by" })];
  const exact = element("input", { type: "checkbox", id: "replace-exact" });
  const replace = () => {
    if (!text.value) return;
    const { rows, n } = withReplaced(editor.lyrics.rows, text.value, by.value, exact.checked);
    if (n) editor.commit(rows, null);
    editor.say(n ? `Replaced ${counted(n, "time")}` : `“${text.value}” is not in the lyrics.`);
  };
  ask("replace", "Replace words", [["Find", text], ["Replace by", by], ["Same capitals", exact]], [["Replace all", replace]]);
}

function askTitle(editor) {
  const { content } = editor;
  const title = element("input", { id: "title-text", value: content.title, dir: "auto" });
  const artist = element("input", { id: "artist-text", value: content.artist || "", dir: "auto" });
  const change = () => editor.commit(editor.lyrics.rows, editor.selected, [title.value.trim(), artist.value.trim() || null]);
  ask("title", "Title and artist", [["Title", title], ["Artist", artist]], [["Change", change]]);
}

function askText(editor) {
  const text = element("textarea", { id: "align-text", rows: "14", dir: "auto" });
  const align = () => text.value.trim() && editor.align(text.value);
  ask("text", "Times for a text", [["The lyrics, a line in every row", text]], [["Find the times", align]]);
}
