"use strict";
// Draws reports from the data in the page. Everything that came from a user goes in as text, never as markup.

const NAMES = { audio: "Sound", image: "Picture", text: "Words" };
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];

/** An element; properties that begin with "--" are CSS variables, others attributes, functions listeners. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") made.addEventListener(name, value);
    else if (name.startsWith("--")) made.style.setProperty(name, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

const nameOf = (modality) => NAMES[modality] ?? modality;
const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const percent = (value) => `${Math.round(100 * value)}%`;
const isValues = (label) => label !== null && typeof label === "object" && !Array.isArray(label);
const ranked = (scores) => Object.entries(scores).sort((one, other) => other[1] - one[1]);

function listing(items) {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items[items.length - 1]}`;
}

function clock(seconds, step = 1) {
  const whole = Math.floor(seconds + 1e-6);
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  const hours = Math.floor(whole / 3600);
  const tenths = step < 1 ? `.${Math.floor((seconds - whole + 1e-6) * 10)}` : "";
  return (hours ? `${hours}:${parts.join(":")}` : `${Number(parts[0])}:${parts[1]}`) + tenths;
}

/** What was decided for an item at a threshold: its words, its colour, whether it is too unsure to say. */
function decision(item, tones, threshold) {
  const best = ranked(item.scores)[0];
  if (!best) return { text: "Nothing to decide from", short: "", state: "nothing" };
  if (isValues(item.label)) {
    const text = Object.entries(item.label).map(([name, value]) => `${name} ${value.toFixed(2)}`).join(", ");
    return { text, short: text, state: "sure", tone: tones[best[0]] };
  }
  if (Array.isArray(item.label)) {
    const text = [...new Set(item.label)].join(", ") || "no label";
    return { text: upper(text), short: text, state: "sure", tone: tones[best[0]] };
  }
  const [label, confidence] = best;
  if (confidence < threshold)
    return { text: "Not sure", short: `${label}?`, state: "unsure", confidence, closest: label };
  return { text: upper(label), short: label, state: "sure", confidence, tone: tones[label] };
}

class Report {
  constructor(data, threshold) {
    this.data = data;
    this.threshold = threshold;
    this.windows = data.windows;
    const starts = this.windows.map((window) => window.start);
    this.ends = this.windows.map((window, number) => Math.min(window.end, starts[number + 1] ?? Infinity));
    this.length = Math.max(data.seconds ?? 0, ...this.ends, 0.1);
    this.values = [data, ...this.windows].some((item) => isValues(item.label));
    this.single = [data, ...this.windows].every((item) => item.label === null || typeof item.label === "string");
    this.current = 0;
    this.node = element("article", { class: "report", "aria-label": data.name });
    this.player = this.makePlayer();
    this.draw();
  }

  decided(item) {
    return decision(item, this.data.tones, this.single ? this.threshold : 0);
  }

  draw() {
    const several = this.windows.length > 0;
    this.verdict = element("header", { class: "summary" });
    this.moment = element("section", { class: "moment" });
    this.said = several ? element("p", { class: "hidden", role: "status" }) : null;
    this.timeline = several ? element("figure") : null;
    this.words = several && this.windows.some((window) => window.text) ? element("section") : null;
    this.faces = this.data.faces.length ? element("section") : null;
    const parts = [this.verdict, this.player?.box, this.single ? this.slider() : null];
    parts.push(this.timeline, this.said, this.moment, this.words, this.faces, this.details());
    this.node.append(...parts.filter(Boolean));
    this.refresh();
    this.follow();
  }

  /** Draws again what depends on the threshold. */
  refresh() {
    this.verdict.replaceChildren(...this.headline());
    this.timeline?.replaceChildren(this.lanes(), this.legend());
    this.words?.replaceChildren(...this.transcript());
    this.faces?.replaceChildren(...this.peaks());
    this.table?.replaceChildren(this.rows());
    this.select(this.current);
  }

  headline() {
    const { data } = this;
    const found = this.decided(data);
    const sure = found.confidence === undefined ? "" : `${percent(found.confidence)} confident`;
    const closest = found.state === "unsure" ? `closest: ${found.closest}, ${sure}` : sure;
    const remarks = [];
    if (this.windows.length) remarks.push("Over the whole recording.");
    if (data.present.length > 1) remarks.push("The shares say how much each source moves the decision.");
    if (data.transcribed) remarks.push("The words were made from the sound and may be wrong.");
    return [
      element("h2", { class: "name" }, data.name),
      data.kind === "text" ? element("p", { class: "said", "--tone": found.tone }, data.text) : null,
      element("p", { class: "verdict", "--tone": found.tone }, element("span", { class: "dot" }), found.text, element("b", {}, closest)),
      this.sources(),
      remarks.length ? element("p", { class: "quiet" }, remarks.join(" ")) : null,
    ].filter(Boolean);
  }

  /** What was there and what it contributes, what was not and why. */
  sources() {
    const { data } = this;
    const items = data.present.map((name) => {
      const share = data.present.length > 1 && data.shares[name] !== undefined ? ` ${percent(data.shares[name])}` : "";
      return element("li", {}, `${nameOf(name)}${share}`);
    });
    const absent = data.absent.map(([name, reason]) => element("li", { class: "absent" }, `No ${nameOf(name).toLowerCase()}: ${reason}`));
    const notes = data.notes.map((note) => element("li", { class: "absent" }, note));
    return items.length + absent.length + notes.length ? element("ul", { class: "sources" }, ...items, ...absent, ...notes) : null;
  }

  makePlayer() {
    const { media, kind, name } = this.data;
    if (!media) return null;
    const note = element("p", { class: "note" }, media.note ?? "");
    note.hidden = !media.note;
    if (!media.source) return { box: element("div", { class: "player" }, note) };
    const tag = { video: "video", audio: "audio", image: "img" }[kind];
    const shown = element(tag, kind === "image" ? { alt: name } : { controls: true, preload: "metadata", playsinline: true, "aria-label": name });
    shown.addEventListener("error", () => {
      shown.hidden = true;
      note.hidden = false;
      note.textContent = media.embedded ? "This browser cannot play the file; the timeline below is complete." : `The file was not found at ${media.source}; the timeline below is complete.`;
    });
    for (const event of ["timeupdate", "seeking", "loadedmetadata"]) shown.addEventListener(event, () => this.follow());
    shown.addEventListener("play", () => this.run());
    shown.src = media.source;
    return { box: element("div", { class: "player" }, shown, note), element: kind === "image" ? null : shown };
  }

  slider() {
    const shown = element("output", {}, percent(this.threshold));
    const change = (event) => {
      this.threshold = Number(event.target.value) / 100;
      shown.textContent = percent(this.threshold);
      this.refresh();
    };
    const input = element("input", { type: "range", min: 0, max: 95, step: 5, value: Math.round(100 * this.threshold), input: change });
    return element("label", { class: "slider" }, "Say nothing below a confidence of", input, shown);
  }

  lanes() {
    const names = element("div", { class: "names" });
    const wide = Math.max(this.windows.length * 16, 1);
    this.tracks = element("div", { class: "tracks", click: (event) => this.clicked(event) });
    this.tracks.style.width = `max(100%, ${wide}px)`;
    const add = (name, remark, height, track) => {
      names.append(element("div", { class: height }, name, remark ? element("small", {}, remark) : ""));
      track.classList.add("track", height);
      this.tracks.append(track);
    };
    this.buttons = this.windows.map((window, number) => this.segment(number));
    const label = "Timeline. The arrow keys move, space plays.";
    if (this.values) this.valueLanes(add);
    else add("Decision", "confidence", "decision", element("div", { role: "group", "aria-label": label, keydown: (event) => this.pressed(event) }, ...this.buttons));
    const modalities = [...new Set(this.windows.flatMap((window) => Object.keys(window.opinions)))].sort();
    for (const name of this.values ? [] : modalities) {
      const share = this.data.shares[name];
      add(nameOf(name), share === undefined ? "" : percent(share), "opinion", this.opinions(name));
    }
    if (this.data.loudness.length) add("Loudness", "", "loudness", this.wave());
    this.head = element("div", { class: "head" });
    this.tracks.append(this.head, this.axis());
    const scroller = element("div", { class: "scroller" }, this.tracks);
    return element("div", { class: "timeline" }, names, scroller);
  }

  place(node, number) {
    node.style.left = `${(100 * this.windows[number].start) / this.length}%`;
    node.style.width = `${(100 * (this.ends[number] - this.windows[number].start)) / this.length}%`;
    return node;
  }

  /** From when to when; to tenths of a second where the whole is short. */
  span(item) {
    return [item.start, item.end].map((time) => clock(time, this.length < 60 ? 0.1 : 1)).join(" to ");
  }

  segment(number) {
    const window = this.windows[number];
    const found = this.decided(window);
    const bar = element("i");
    bar.style.height = `${100 * (found.confidence ?? (found.state === "nothing" ? 0 : 1))}%`;
    const from = window.present.length ? `, from ${listing(window.present.map((name) => nameOf(name).toLowerCase()))}` : "";
    const sure = found.confidence === undefined ? "" : ` ${percent(found.confidence)}`;
    const label = `${this.span(window)}: ${found.state === "unsure" ? `not sure, closest ${found.closest}` : found.text}${sure}${from}`;
    return this.place(element("button", { type: "button", class: `window ${found.state}`, tabindex: -1, title: label, "aria-label": label, "--tone": found.tone }, bar, element("span", {}, found.short)), number);
  }

  opinions(name) {
    const segments = this.windows.map((window, number) => {
      const best = ranked(window.opinions[name] ?? {})[0];
      const bar = element("i");
      bar.style.height = best ? `${100 * Math.min(1, best[1])}%` : "0";
      const title = best ? `${nameOf(name)} alone: ${best[0]} ${percent(best[1])}` : `no ${nameOf(name).toLowerCase()}`;
      return this.place(element("div", { class: `window ${best ? "" : "nothing"}`, title, "--tone": best && this.data.tones[best[0]] }, bar), number);
    });
    return element("div", { "aria-hidden": "true" }, ...segments);
  }

  /** A lane for each dimension, filled from the lowest value of the recording to the highest. */
  valueLanes(add) {
    for (const name of Object.keys(this.data.tones)) {
      const values = this.windows.map((window) => window.scores[name]);
      const known = values.filter((value) => value !== undefined);
      const [low, high] = [Math.min(...known), Math.max(...known)];
      const first = name === Object.keys(this.data.tones)[0];
      const segments = this.windows.map((window, number) => {
        const node = first ? this.buttons[number] : this.place(element("div", { class: "window" }), number);
        node.style.setProperty("--tone", this.data.tones[name]);
        const bar = element("i");
        bar.style.height = values[number] === undefined ? "0" : `${10 + (90 * (values[number] - low)) / (high - low || 1)}%`;
        node.replaceChildren(bar);
        return node;
      });
      const remark = known.length ? `${low.toFixed(2)} to ${high.toFixed(2)}` : "";
      add(name, remark, "opinion", element("div", first ? { role: "group", keydown: (event) => this.pressed(event) } : {}, ...segments));
    }
  }

  wave() {
    const space = "http://www.w3.org/2000/svg";
    const drawing = document.createElementNS(space, "svg");
    const levels = this.data.loudness;
    drawing.setAttribute("viewBox", `0 0 ${levels.length} 2`);
    drawing.setAttribute("preserveAspectRatio", "none");
    const path = document.createElementNS(space, "path");
    const upperEdge = levels.map((level, number) => `${number},${1 - level}`);
    const lowerEdge = levels.map((level, number) => `${number},${1 + level}`).reverse();
    path.setAttribute("d", `M${[...upperEdge, ...lowerEdge].join("L")}Z`);
    drawing.append(path);
    return element("div", { "aria-hidden": "true" }, drawing);
  }

  axis() {
    const marks = Math.max(3, Math.round(this.windows.length * 16 > 600 ? (this.windows.length * 16) / 90 : 6));
    const step = STEPS.find((candidate) => this.length / candidate <= marks) ?? STEPS[STEPS.length - 1];
    const times = Array.from({ length: Math.floor(this.length / step - 0.2) + 1 }, (_, number) => number * step);
    return element("div", { class: "axis", "aria-hidden": "true" }, ...times.map((time) => {
      const mark = element("span", {}, clock(time, step));
      mark.style.left = `${(100 * time) / this.length}%`;
      return mark;
    }));
  }

  legend() {
    if (this.values) return "";
    const seen = this.windows.flatMap((window) => [window.scores, ...Object.values(window.opinions)].map((scores) => ranked(scores)[0]?.[0]));
    const labels = Object.keys(this.data.tones).filter((label) => seen.includes(label));
    return element("ul", { class: "legend", "aria-label": "Colours" }, ...labels.map((label) => element("li", { "--tone": this.data.tones[label] }, element("span", { class: "dot" }), ` ${label}`)));
  }

  transcript() {
    this.spoken = [];
    const spans = this.windows.flatMap((window, number) => {
      if (!window.text) return [];
      const found = this.decided(window);
      const button = element("button", { type: "button", class: found.state, "--tone": found.tone, title: `${clock(window.start)} ${found.short}`, click: () => this.go(number) }, window.text);
      this.spoken.push([number, button]);
      return [button, " "];
    });
    return [element("h3", {}, this.data.transcribed ? "Words, heard from the sound" : "Words"), element("p", { class: "words" }, ...spans)];
  }

  peaks() {
    const crops = this.data.faces.map((face) => {
      const found = this.decided(this.windows[face.window]);
      const image = element("img", { src: face.source, alt: `Face at ${clock(face.time)}` });
      return element("button", { type: "button", "--tone": found.tone ?? "var(--line)", click: () => this.go(face.window) }, image, found.state === "unsure" ? "not sure" : found.short, element("small", {}, clock(face.time)));
    });
    return [element("h3", {}, "Faces where it is most certain"), element("div", { class: "faces" }, ...crops)];
  }

  /** The panel of one window, or of an input that has none. */
  select(number) {
    this.current = number;
    const item = this.windows[number] ?? this.data;
    const found = this.decided(item);
    const sure = found.confidence === undefined ? "" : percent(found.confidence);
    const time = this.windows.length ? this.span(item) : null;
    const heading = found.state === "unsure" ? `Not sure (closest: ${found.closest}, ${sure})` : `${found.text} ${isValues(item.label) ? "" : sure}`;
    const alone = Object.entries(item.opinions);
    const charts = Object.keys(item.scores).length ? [this.chart(alone.length > 1 ? "Together" : "Scores", item.scores, 8)] : [];
    if (alone.length > 1) charts.push(element("div", { class: "alone" }, ...alone.map(([name, scores]) => this.chart(`${nameOf(name)} alone`, scores, 3))));
    const read = Object.entries(item.dimensions).map(([name, value]) => `${name} ${value.toFixed(1)}`);
    const scale = item.scale ? ` (on a scale from ${item.scale.join(" to ")})` : "";
    if (read.length) charts.push(element("p", { class: "quiet" }, `${upper(read.join(", "))}${scale}`));
    const header = time ? element("header", {}, element("strong", {}, heading), element("span", { class: "quiet" }, time)) : null;
    const text = time && item.text ? element("p", { class: "quiet" }, `“${item.text}”`) : null;
    if (header && text) header.append(text);
    this.moment.replaceChildren(...[header, ...charts].filter(Boolean));
    this.moment.hidden = !header && !charts.length;
    const mark = (node, current) => current ? node.setAttribute("aria-current", "true") : node.removeAttribute("aria-current");
    this.buttons?.forEach((button, index) => {
      mark(button, index === number);
      button.tabIndex = index === number ? 0 : -1;
    });
    this.spoken?.forEach(([index, button]) => mark(button, index === number));
  }

  chart(name, scores, most) {
    const top = this.values ? Math.max(...Object.values(scores).map(Math.abs), 1e-9) : 1;
    const rows = ranked(scores).slice(0, most).flatMap(([label, value]) => {
      const bar = element("i", { "--tone": this.data.tones[label] });
      bar.style.width = `${(100 * Math.abs(value)) / top}%`;
      const number = this.values ? value.toFixed(2) : percent(value);
      return [element("dt", {}, label), element("dd", { class: "bar" }, bar), element("dd", { class: "number" }, number)];
    });
    return element("div", {}, element("h3", {}, name), element("dl", { class: "bars" }, ...rows));
  }

  details() {
    if (!this.windows.length) return null;
    this.table = element("div", { class: "wide" });
    return element("details", {}, element("summary", {}, "The timeline as a table"), this.table);
  }

  rows() {
    const head = element("tr", {}, ...["From", "To", "Decision", "Confidence", "Present", "Words"].map((name) => element("th", { scope: "col" }, name)));
    const body = this.windows.map((window) => {
      const found = this.decided(window);
      const cells = [clock(window.start, 0.1), clock(window.end, 0.1), found.text, found.confidence === undefined ? "" : percent(found.confidence)];
      return element("tr", {}, ...[...cells, window.present.map(nameOf).join(", "), window.text ?? ""].map((cell) => element("td", {}, cell)));
    });
    return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
  }

  // ------------------------------------------------------------------------------------------------------ time

  at(time) {
    const after = this.windows.findIndex((window) => window.start > time);
    return Math.max(0, (after < 0 ? this.windows.length : after) - 1);
  }

  seek(time) {
    const player = this.player?.element;
    if (player && !player.hidden) player.currentTime = time;
    this.move(time);
  }

  /** Shows a window and plays from there; what is decided in it is told to screen readers, unless the focus tells it. */
  go(number, tell = true) {
    this.select(number);
    if (tell) this.said.textContent = this.buttons[number].getAttribute("aria-label");
    this.seek(this.windows[number].start + 0.01);
  }

  move(time) {
    if (!this.head) return;
    this.head.style.left = `${(100 * Math.min(time, this.length)) / this.length}%`;
    const number = this.at(time);
    if (number !== this.current) this.select(number);
  }

  follow() {
    if (this.windows.length) this.move(this.player?.element?.currentTime ?? 0);
  }

  run() {
    const player = this.player.element;
    const scroller = this.tracks?.parentElement;
    const step = () => {
      this.follow();
      if (scroller && scroller.scrollWidth > scroller.clientWidth + 8)
        scroller.scrollLeft = (player.currentTime / this.length) * scroller.scrollWidth - scroller.clientWidth / 2;
      if (!player.paused && !player.ended) requestAnimationFrame(step);
    };
    step();
  }

  clicked(event) {
    const button = event.target.closest("button");
    if (button && event.detail === 0) return this.go(this.buttons.indexOf(button)); // pressed, not clicked
    const box = this.tracks.getBoundingClientRect();
    return this.seek((this.length * (event.clientX - box.left)) / box.width);
  }

  pressed(event) {
    const last = this.windows.length - 1;
    const moves = { ArrowLeft: this.current - 1, ArrowRight: this.current + 1, Home: 0, End: last };
    const player = this.player?.element;
    if (event.key in moves) {
      this.go(Math.max(0, Math.min(last, moves[event.key])), false);
      this.buttons[this.current].focus();
    } else if (event.key === " " && player) {
      if (player.paused) player.play();
      else player.pause();
    } else if (event.key === "Enter") this.go(this.current);
    else return;
    event.preventDefault();
  }
}

/** Draws the reports of a page's data into a node. */
function showReports(data, root) {
  root.replaceChildren(...data.reports.map((report) => new Report(report, data.threshold).node));
  if (data.left) root.append(element("p", { class: "quiet" }, data.left));
}

showReports(JSON.parse(document.getElementById("data").textContent), document.getElementById("reports"));
