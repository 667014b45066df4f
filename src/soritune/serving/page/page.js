import { assess, drawAssessment } from "./assessment.js";
import { drawWave, wavOf } from "./drawing.js";
import { openMicrophone, openStream } from "./microphone.js";
import { letters, texts } from "./texts.js";

const EMOTIONS = ["emotion", "emotion-multilabel"];
const UNSURE = 0.8;
const get = (id) => document.getElementById(id);
const state = {
  language: "en", health: null, message: ["starting", {}], fault: null,
  samples: new Float32Array(0), rate: 16000, symbols: [], recording: null, busy: false, assessment: null, assessors: null, isKorean: true,
};

// Words

function say(key, values = {}) {
  return texts[state.language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

function report(key, values = {}) {
  state.message = [key, values];
  state.fault = null;
  writeMessage();
}

function fail(fault) {
  state.fault = fault;
  writeMessage();
}

function writeMessage() {
  get("status").textContent = state.fault ? "" : say(...state.message);
  get("error").hidden = !state.fault;
  get("error").textContent = state.fault ? (state.fault.key ? say(state.fault.key, state.fault.values) : state.fault.message) : "";
}

function setLanguage(language) {
  state.language = language;
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = say(element.dataset.text);
  get("language").textContent = say("other");
  get("language").lang = language === "ko" ? "en" : "ko";
  writeButtons();
  writeMessage();
  showAssessment(state.assessment);
  draw();
}

function writeButtons() {
  get("record").setAttribute("aria-pressed", String(state.recording !== null));
  get("record-text").textContent = say(state.recording ? "stop" : "record");
  get("record").disabled = state.busy;
  get("open").disabled = state.busy || state.recording !== null;
  get("play").disabled = state.busy || state.recording !== null || !get("audio").src;
  get("play").textContent = say(get("audio").paused ? "play" : "pause");
}

// Results

function draw() {
  const audio = get("audio");
  const at = audio.src && (!audio.paused || audio.currentTime) ? audio.currentTime : null;
  const shown = get("details").classList.contains("folds") ? [] : state.symbols;
  const named = shown.map((each) => ({ ...each, symbol: letterOf(each.symbol) }));
  drawWave(get("canvas"), state.samples, state.rate, named, at);
  get("canvas").setAttribute("aria-label", say("wave-label", { seconds: (state.samples.length / state.rate).toFixed(1) }));
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

// Symbols of Korean phones are letters for people; those of other languages, of which some are written alike, stay.
function letterOf(symbol) {
  return state.isKorean ? letters[symbol] ?? symbol : symbol;
}

function showPhones(symbols) {
  state.symbols = symbols;
  const items = symbols.map((each) => {
    const item = document.createElement("li");
    if (each.symbol === "|") {
      item.className = "gap";
      item.setAttribute("aria-hidden", "true");
      return item;
    }
    const button = element("button", "", each.confidence < UNSURE ? "unsure" : "");
    button.type = "button";
    button.tabIndex = -1;
    button.dataset.start = each.start_s;
    button.dataset.symbol = each.symbol;
    button.title = `${each.start_s.toFixed(2)}–${each.end_s.toFixed(2)} s, ${Math.round(each.confidence * 100)} %`;
    button.append(element("b", letterOf(each.symbol)), element("small", each.start_s.toFixed(2)));
    item.append(button);
    return item;
  });
  get("phones").replaceChildren(...items);
  const first = get("phones").querySelector("button");
  if (first) first.tabIndex = 0;
}

function showHangul(text, isPartial) {
  get("hangul").textContent = text || say("empty");
  get("hangul").classList.toggle("partial", isPartial);
}

function emotionOf(tasks) {
  const name = EMOTIONS.find((each) => each in tasks);
  return name ? tasks[name].prediction ?? tasks[name] : null;
}

function topOf(prediction) {
  const ranked = Object.entries(prediction.probabilities ?? {}).sort((a, b) => b[1] - a[1]);
  const labels = prediction.labels?.length ? prediction.labels.join(", ") : null;
  return { label: prediction.label ?? labels ?? ranked[0]?.[0] ?? say("empty"), share: ranked[0]?.[1] ?? prediction.confidence ?? 0 };
}

// `windows` are {start_s, end_s, prediction}, the whole recording is `overall`.
function showEmotion(windows, overall) {
  get("emotion").hidden = !state.health?.emotion || !(overall || windows.length);
  get("windows").replaceChildren(...windows.map((each) => {
    const { label, share } = topOf(each.prediction);
    const item = document.createElement("li");
    item.style.setProperty("--share", share);
    item.append(element("b", label), element("small", `${each.start_s.toFixed(1)}–${each.end_s.toFixed(1)} s`),
      element("small", `${Math.round(share * 100)} %`));
    return item;
  }));
  const ranked = Object.entries(overall?.probabilities ?? {}).sort((a, b) => b[1] - a[1]);
  get("probabilities").replaceChildren(...ranked.flatMap(([label, share]) => {
    const meter = document.createElement("meter");
    meter.value = share;
    meter.setAttribute("aria-label", label);
    const bar = document.createElement("dd");
    bar.append(meter);
    return [element("dt", label), bar, element("dd", `${Math.round(share * 100)} %`)];
  }));
}

// Of several models, the chosen one may not assess: then the page states which one did.
function showAssessment(answer, models = state.assessors) {
  state.assessment = answer;
  state.assessors = models;
  get("assessment").hidden = !answer;
  get("assessor").hidden = !models;
  get("assessor").textContent = models ? say(models.used === models.chosen ? "assessor" : "other-assessor", models) : "";
  get("assessed").replaceChildren(...(answer ? drawAssessment(answer, say, state.language) : []));
}

// What was recognised without the text contradicts the assessment of it, because the text helps: it is folded then.
function foldDetails(folds) {
  get("details").classList.toggle("folds", folds);
  get("details").open = !folds;
}

// A text that was to be said is compared with the recording, after its phones are shown.
async function assessText(blob) {
  if (get("text-field").hidden) return;
  const names = state.health.pronunciation, chosen = get("model").value;
  const used = names.includes(chosen) ? chosen : names[0];
  const answer = await assess(blob, get("text").value, used, keyHeaders());
  if (answer) report(answer.assessable ? "done-text" : "refused-text", { seconds: answer.recording.duration_s.toFixed(1) });
  showAssessment(answer, state.health.models.length > 1 ? { used, chosen } : null);
}

function keyHeaders() {
  return get("key").value ? { Authorization: `Bearer ${get("key").value}` } : {};
}

function clear() {
  showAssessment(null, null);
  foldDetails(!get("text-field").hidden && get("text").value.trim() !== "");
  state.samples = new Float32Array(0);
  showPhones([]);
  showHangul("", false);
  showEmotion([], null);
  draw();
}

function showAnswer(answer, seen = []) {
  const prediction = answer.tasks.phoneme;
  state.isKorean = prediction?.hangul !== undefined;
  showPhones(answer.symbols?.phoneme ?? []);
  showHangul(prediction?.hangul ?? prediction?.phones?.join(" ") ?? "", false);
  const windows = (answer.windows ?? []).map((each) => ({ ...each, prediction: emotionOf(each.tasks) })).filter((each) => each.prediction);
  showEmotion(windows.length ? windows : seen, emotionOf(answer.tasks));
  const seconds = answer.duration_s.toFixed(1);
  if (!answer.speech) report("nothing");
  else if (prediction) report("done", { phones: state.symbols.filter((each) => each.symbol !== "|").length, seconds });
  else report("no-phones");
  draw();
}

// What a server or a browser refused, as something that `fail` shows.
function faultOf(error) {
  if (error.key || error.code === undefined) return error.key ? error : { message: String(error.message ?? error) };
  if (error.code === "closed") return { key: "closed" };
  if (error.code === "invalid_api_key") {
    get("key-field").hidden = false;
    get("key").focus();
    return { key: "key-needed" };
  }
  return { message: error.message };
}

function setSound(blob) {
  const audio = get("audio");
  if (audio.src) URL.revokeObjectURL(audio.src);
  if (blob) audio.src = URL.createObjectURL(blob);
  else audio.removeAttribute("src");
}

// A file

async function openFile(file) {
  if (state.busy || state.recording || !file) return;
  clear();
  setSound(file);
  const most = state.health?.limits.bytes ?? Infinity;
  if (file.size > most) {
    fail({ key: "too-large", values: { megabytes: (file.size / 1e6).toFixed(1), most: (most / 1e6).toFixed(1) } });
    return;
  }
  state.busy = true;
  report("computing");
  writeButtons();
  try {
    file.arrayBuffer().then((bytes) => new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes)).then((sound) => {
      state.samples = sound.getChannelData(0);
      state.rate = sound.sampleRate;
      draw();
    }).catch(() => {}); // a format that only the server reads has no waveform
    const form = new FormData();
    form.append("files", file, "recording");
    if (get("model").value) form.append("model", get("model").value);
    const response = await fetch("v1/batch", { method: "POST", body: form, headers: keyHeaders() }).catch(() => { throw { key: "offline" }; });
    const content = await response.json();
    if (!response.ok) throw content.error;
    const [answer] = content.answers;
    if (answer.error) throw answer.error;
    showAnswer(answer);
    await assessText(file);
  } catch (error) {
    fail(faultOf(error));
  } finally {
    state.busy = false;
    writeButtons();
  }
}

// The microphone

function join(frames) {
  const samples = new Int16Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    samples.set(frame, at);
    at += frame.length;
  }
  return samples;
}

async function startRecording() {
  if (state.busy || state.recording) return;
  if (!navigator.mediaDevices) {
    fail({ key: "microphone-insecure" });
    return;
  }
  get("audio").pause();
  clear();
  setSound(null);
  state.busy = true;
  writeButtons();
  const frames = [], seen = [];
  let stream = null;
  try {
    const microphone = await openMicrophone((frame) => {
      frames.push(frame);
      stream?.send(frame);
      if (state.recording) listen(frames, microphone.rate);
    });
    stream = openStream({
      model: get("model").value || null, sample_rate: microphone.rate, partials: true, api_key: get("key").value || null,
    }, (partial) => {
      if (!state.recording) return;
      if (partial.text !== undefined) {
        state.isKorean = partial.text_kind === "as_pronounced";
        showHangul(partial.text, true);
        showPhones(partial.times);
      }
      const prediction = partial.emotion && emotionOf(partial.emotion);
      if (prediction) {
        seen.push({ start_s: partial.start_s, end_s: partial.end_s, prediction });
        showEmotion(seen, prediction);
      }
    });
    for (const frame of frames) stream.send(frame);
    state.recording = { microphone, stream, frames, seen };
    stream.answer.catch(() => { if (state.recording?.stream === stream) stopRecording(); });
    report("listening", { seconds: "0.0" });
  } catch (error) {
    fail({ key: "microphone-denied", values: { reason: error.message ?? String(error) } });
  } finally {
    state.busy = false;
    writeButtons();
  }
}

function listen(frames, rate) {
  state.samples = join(frames);
  state.rate = rate;
  report("listening", { seconds: (state.samples.length / rate).toFixed(1) });
  draw();
}

async function stopRecording() {
  const { microphone, stream, frames, seen } = state.recording;
  state.recording = null;
  state.busy = true;
  report("computing");
  writeButtons();
  try {
    await microphone.stop();
    stream.end();
    state.samples = join(frames);
    state.rate = microphone.rate;
    const sound = state.samples.length ? wavOf(state.samples, microphone.rate) : null;
    if (sound) setSound(sound);
    showAnswer(await stream.answer, seen);
    if (sound) await assessText(sound);
  } catch (error) {
    fail(faultOf(error));
  } finally {
    state.busy = false;
    writeButtons();
  }
}

// Playing

function play() {
  const audio = get("audio");
  if (!audio.src || state.recording) return;
  if (audio.paused) audio.play().catch((error) => fail({ message: error.message }));
  else audio.pause();
}

function follow() {
  const audio = get("audio");
  let now = null;
  for (const button of get("phones").querySelectorAll("button")) {
    button.classList.remove("now");
    if (!audio.paused && Number(button.dataset.start) <= audio.currentTime) now = button;
  }
  now?.classList.add("now");
  draw();
  if (!audio.paused) requestAnimationFrame(follow);
}

// Wiring

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  const press = { r: "record", o: "open", p: "play", l: "language" }[event.key.toLowerCase()];
  if (press) {
    event.preventDefault();
    get(press).click();
  }
}

function onPhoneKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined) return;
  const buttons = [...get("phones").querySelectorAll("button")];
  const index = buttons.indexOf(document.activeElement);
  const next = buttons[Math.max(0, Math.min(buttons.length - 1, index + step))];
  buttons[index].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  event.preventDefault();
}

function wire() {
  get("record").onclick = () => (state.recording ? stopRecording() : startRecording());
  get("open").onclick = () => get("file").click();
  get("file").onchange = () => {
    openFile(get("file").files[0]);
    get("file").value = "";
  };
  get("play").onclick = play;
  get("language").onclick = () => setLanguage(state.language === "ko" ? "en" : "ko");
  get("phones").onclick = ({ target }) => {
    const button = target.closest("button");
    if (!button || !get("audio").src || state.recording) return;
    get("audio").currentTime = Number(button.dataset.start);
    get("audio").play().catch(() => {});
  };
  get("phones").onkeydown = onPhoneKey;
  for (const name of ["play", "pause", "ended"]) {
    get("audio").addEventListener(name, () => {
      writeButtons();
      follow();
    });
  }
  document.addEventListener("keydown", onKey);
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    openFile(event.dataTransfer.files[0]);
  });
  addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

async function start() {
  setLanguage(navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en");
  wire();
  clear();
  try {
    state.health = await (await fetch("healthz")).json();
    get("model").replaceChildren(...state.health.models.map((model) => element("option", model.name)));
    get("text-field").hidden = !state.health.pronunciation.length;
    get("model-field").hidden = state.health.models.length < 2;
    report("ready");
  } catch {
    fail({ key: "offline" });
  }
}

start();
