/** What surrounds the lyrics: the page header, scores, doubtful lines, decoding details and the manifest. */

const KINDS = [
  ["hits", "right", "hit"],
  ["substitutions", "wrong", "substitution"],
  ["deletions", "missed", "deletion"],
  ["insertions", "extra", "insertion"],
];

function fillHead(content) {
  const nLines = content.lines.length + content.untimed.length;
  const flagged = content.lines.filter((line) => line.flags.length).length;
  const facts = [
    content.language && languageName(content.language),
    clock(content.duration),
    nLines ? counted(nLines, "line") : "no lyrics",
    flagged > 0 && counted(flagged, "doubtful line"),
    content.scores && `${percent(content.scores.rates.WER)} word errors`,
  ];
  showNames(content);
  const home = content.review ? content.review.home : content.home;
  if (home) document.getElementById("title").before(element("a", { href: home, class: "home" }, "← All songs"));
  document.getElementById("facts").replaceChildren(...facts.filter(Boolean).map((fact) => element("li", {}, fact)));
}

function showNames({ title, artist }) {
  // File names without spaces are easier to read with them.
  document.getElementById("title").textContent = /\s/.test(title) ? title : title.replaceAll("_", " ");
  document.getElementById("artist").textContent = artist || "";
}

function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) || code;
  } catch {
    return code;
  }
}

/** Return notes on what the page lacks. */
function lacks(content) {
  const { audio, peaks } = content;
  const notes = [];
  if (!audio.mixture && !audio.vocals) notes.push("This page was made without audio, so nothing can be played.");
  else if (!audio.vocals) notes.push("The separated vocals are not available: only the song itself can be played.");
  else if (!audio.mixture) notes.push("The song itself is not available: only its vocals can be played.");
  if (!peaks.mixture && !peaks.vocals) notes.push("No audio was found, so there is no waveform.");
  if (content.untimed.length) {
    notes.push("These lyrics have no times, so they do not follow the song.");
  } else if (!content.lines.length) {
    notes.push(
      content.segments.length
        ? "There are vocals, but no words were recognised."
        : "No vocals were found: this is probably an instrumental.",
    );
  } else if (!content.lines.some((line) => line.words.length)) {
    notes.push("These lyrics have line times only, so single words are not highlighted.");
  }
  return notes;
}

function fillNotes(content) {
  const notes = lacks(content);
  const place = document.getElementById("notes");
  place.hidden = notes.length === 0;
  place.replaceChildren(...notes.map((note) => element("p", {}, ...coded(note))));
}

function coded(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

function fillScores(content) {
  const place = document.getElementById("scores");
  const { scores } = content;
  if (!scores) {
    place.append(element("p", { class: "quiet" }, "No reference was given, so these lyrics are not scored."));
    return;
  }
  const { rates, counts, timing, intervals } = scores;
  const n = counts.hits + counts.substitutions + counts.deletions;
  const errors = counts.substitutions + counts.deletions + counts.insertions;
  const interval = intervals?.WER;
  const parts = [
    element("p", { class: "figure" }, percent(rates.WER)),
    element("p", { class: "quiet" }, `${counted(errors, "error")} in ${counted(n, "reference word")} (word error rate)`),
    interval && element("p", { class: "quiet" }, `95 % interval ${percent(interval[0])} to ${percent(interval[1])}`),
    bar(counts),
    element(
      "ul",
      { class: "tally" },
      ...KINDS.map(([name, text, kind]) =>
        element(
          "li",
          { class: kind },
          element("span", { class: `swatch ${kind}`, "aria-hidden": "true" }),
          text,
          element("b", {}, String(counts[name])),
        ),
      ),
    ),
    element("dl", { class: "rates" }, ...smallRates(rates, counts, timing)),
  ];
  place.append(...parts.filter(Boolean));
}

function smallRates(rates, counts, timing) {
  const hallucinated = counts.hallucinated_insertions + counts.hallucinated_substitutions;
  const rows = [
    ["Hallucinated (long runs)", counted(hallucinated, "word")],
    ["Near misses", counted(counts.near_misses, "word")],
    ["Line breaks, F1", percent(rates.F1_line)],
    timing && timing.start_error !== null && ["Line start error, mean", `${timing.start_error.toFixed(2)} s`],
    timing && ["Lines found", `${timing.n_matched} of ${timing.nLines}`],
  ];
  return rows.filter(Boolean).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
}

function bar(counts) {
  const whole = KINDS.reduce((sum, [name]) => sum + counts[name], 0) || 1;
  const parts = KINDS.filter(([name]) => counts[name]).map(([name, , kind]) => {
    const part = element("span", { class: `part ${kind}` });
    part.style.width = `${(100 * counts[name]) / whole}%`;
    return part;
  });
  return element("div", { class: "bar", "aria-hidden": "true" }, ...parts);
}

function fillDoubts(content, go) {
  const flagged = content.lines.filter((line) => line.flags.length);
  fillPlaces("doubts", flagged, content, go);
  fillPlaces("unwritten", content.unwritten, content, go);
}

function fillPlaces(id, lines, content, go) {
  const place = document.getElementById(id);
  place.hidden = lines.length === 0;
  place.querySelector("ul").replaceChildren(
    ...lines.map((line) => {
      const name = [element("b", {}, clock(line.start)), " ", element("bdi", {}, line.text)];
      const button = element("button", { type: "button", class: "link" }, ...name);
      button.addEventListener("click", () => go(line.start));
      const reasons = line.flags.map((flag) => content.flags[flag] || flag).join("; ");
      return element("li", {}, button, element("p", { class: "quiet" }, reasons));
    }),
  );
}

function fillEvidence(content, go) {
  const place = document.getElementById("evidence");
  place.hidden = content.decodings.length === 0;
  const rows = content.decodings.map((decoding) => {
    const button = element("button", { type: "button", class: "link" }, clock(decoding.start));
    button.addEventListener("click", () => go(decoding.start));
    const cells = [
      button,
      clock(decoding.end),
      percent(Math.exp(decoding.avg_logprob)),
      percent(decoding.no_speech_prob),
      decoding.compression_ratio.toFixed(1),
      String(decoding.attempts),
      String(decoding.no_repeat_ngram_size || ""),
      decoding.temperature.toFixed(1),
      decoding.flags.join(", "),
    ];
    return element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
  });
  place.querySelector("tbody").replaceChildren(...rows);
}

function fillManifest(content) {
  const place = document.getElementById("manifest");
  place.hidden = content.manifest === null;
  if (content.manifest === null) return;
  const { command, started, device, lyricsep } = content.manifest;
  const settings = content.manifest.plan;
  const line = Array.isArray(command) ? command.join(" ") : command && `lyricsep ${command}`;
  const facts = [
    ["Separator", settings?.separator],
    ["Model", settings?.model],
    ["Transcriber", settings?.backend],
    ["Device", device],
    ["Started", started],
    ["Command", line && `${line}, version ${lyricsep}`],
  ];
  const shown = facts.filter(([, value]) => typeof value === "string");
  place.querySelector("dl").replaceChildren(
    ...shown.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]),
  );
  const text = JSON.stringify(content.manifest, null, 2);
  place.querySelector("pre").textContent = text;
  const copy = place.querySelector("button");
  copy.addEventListener("click", async () => {
    copy.textContent = (await copied(text, place.querySelector("pre"))) ? "Copied" : "Selected: press Ctrl+C";
    setTimeout(() => (copy.textContent = "Copy"), 2000);
  });
}

async function copied(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection().selectAllChildren(shown);
    return false;
  }
}
