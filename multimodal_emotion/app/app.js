
// -------------------------------------------------------------------------------------------------- asking the server

const find = (id) => document.getElementById(id);
let saved = null;
let recorder = null;

/** Sends one file or sentence; the reply is a whole report page, whose data is drawn here. */
async function ask(body, name) {
  const began = performance.now();
  const tick = () => (find("status").textContent = `Looking at ${name} … ${Math.round((performance.now() - began) / 1000)} s`);
  tick();
  const timer = setInterval(tick, 1000);
  find("error").textContent = "";
  find("keep").hidden = true;
  find("reports").replaceChildren();
  busy(true);
  try {
    const reply = await fetch("/predict", { method: "POST", body, headers: { "X-Name": encodeURIComponent(name) } });
    const text = await reply.text();
    if (reply.ok) show(text, name);
    else find("error").textContent = text;
  } catch {
    find("error").textContent = "No answer: has the program been stopped, or is the file larger than it takes?";
  }
  clearInterval(timer);
  find("status").textContent = "";
  busy(false);
}

function busy(is) {
  for (const node of find("ask").elements) node.disabled = is;
}

function show(text, name) {
  const data = text.match(/<script type="application\/json" id="data">(.*?)<\/script>/s)[1]; // it has no "<"
  showReports(JSON.parse(data), find("reports"));
  if (saved) URL.revokeObjectURL(saved);
  saved = URL.createObjectURL(new Blob([text], { type: "text/html" }));
  find("save").href = saved;
  find("save").download = `${name.slice(0, 60).replace(/[^\p{L}\p{N}.-]+/gu, "_") || "report"}.html`;
  find("keep").hidden = false;
  find("keep").scrollIntoView({ block: "nearest" });
}

function send(file) {
  const largest = Number(find("ask").dataset.largest);
  if (file && file.size > largest * 2 ** 20)
    find("error").textContent = `${file.name} has ${Math.ceil(file.size / 2 ** 20)} MB; at most ${largest} (--largest MB)`;
  else if (file) ask(file, file.name);
}

find("file").addEventListener("change", (event) => {
  send(event.target.files[0]);
  event.target.value = "";
});
find("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = find("text").value.trim();
  if (text) ask(text, "sentence");
  else find("text").focus();
});
find("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    find("ask").requestSubmit();
  }
});
for (const name of ["dragover", "dragleave", "drop"])
  document.addEventListener(name, (event) => {
    event.preventDefault();
    find("drop").classList.toggle("over", name === "dragover");
    if (name === "drop" && !find("send").disabled) send(event.dataTransfer.files[0]);
  });

// ------------------------------------------------------------------------------------------- camera and microphone

async function record(button, video) {
  if (recorder) return recorder.stop();
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true, video });
  } catch (error) {
    find("error").textContent = `${video ? "The camera" : "The microphone"} cannot be used: ${error.message}`;
    return;
  }
  const title = button.textContent;
  const pieces = [];
  recorder = new MediaRecorder(stream);
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  recorder.addEventListener("stop", () => {
    stream.getTracks().forEach((track) => track.stop());
    recorder = null;
    button.textContent = title;
    button.setAttribute("aria-pressed", "false");
    find("preview").hidden = true;
    find("preview").srcObject = null;
    ask(new Blob(pieces), video ? "camera.webm" : "microphone.webm");
  });
  if (video) {
    find("preview").srcObject = stream;
    find("preview").hidden = false;
    find("preview").play();
  }
  button.textContent = "Stop and look";
  button.setAttribute("aria-pressed", "true");
  recorder.start();
}

find("camera").addEventListener("click", (event) => record(event.target, true));
find("microphone").addEventListener("click", (event) => record(event.target, false));
