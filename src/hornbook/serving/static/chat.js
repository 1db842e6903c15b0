// The chat page: OpenAI's API over fetch, text set as text, nothing fetched from elsewhere.

const turns = document.querySelector("#turns");
const question = document.querySelector("#question");
const send = document.querySelector("#send");
let messages = [];
let model = "";
let stopping = null;

/** Fetch from the API with the key; asks for one when the server wants it. */
async function call(path, options = {}) {
  const key = sessionStorage.getItem("hornbook-key");
  const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
  const response = await fetch(path, { ...options, headers });
  if (response.status === 401) {
    await askForKey();
    return call(path, options);
  }
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new Error(body?.error?.message ?? `The server answered ${response.status}.`);
  }
  return response;
}

function askForKey() {
  const dialog = document.querySelector("#key-wanted");
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      sessionStorage.setItem("hornbook-key", document.querySelector("#key").value.trim());
      resolve();
    }, { once: true });
  });
}

function turn(kind, text = "") {
  const article = document.createElement("article");
  article.className = kind;
  article.textContent = text;
  turns.append(article);
  article.scrollIntoView({ block: "end" });
  return article;
}

/** The server's events, one parsed object at a time. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const parts = held.split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      yield JSON.parse(data);
    }
  }
}

function showPages(article, pages) {
  for (const page of pages) {
    const source = document.createElement(/^https?:/.test(page.url) ? "a" : "span");
    source.className = "page";
    source.textContent = page.url;
    if (source.tagName === "A") {
      source.href = page.url;
      source.rel = "noreferrer noopener";
      source.target = "_blank";
    }
    article.append(source);
  }
}

async function answer() {
  const article = turn("assistant", "…");
  let text = "";
  stopping = new AbortController();
  send.textContent = "Stop";
  try {
    const open_book = document.querySelector("#open-book").checked;
    const body = JSON.stringify({ model, messages, stream: true, hornbook: { open_book } });
    const response = await call("v1/chat/completions", { method: "POST", body, signal: stopping.signal });
    for await (const event of events(response)) {
      if (event.error) throw new Error(event.error.message);
      text += event.choices[0]?.delta.content ?? "";
      article.textContent = text || "…";
      if (event.hornbook) showPages(article, event.hornbook.pages);
      article.scrollIntoView({ block: "end" });
    }
    messages.push({ role: "assistant", content: text });
  } catch (error) {
    messages.pop();
    if (error.name !== "AbortError") turn("error", error.message);
    if (!text) article.remove();
  } finally {
    stopping = null;
    send.textContent = "Ask";
  }
}

document.querySelector("#ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (stopping) {
    stopping.abort();
    return;
  }
  messages.push({ role: "user", content: question.value });
  turn("user", question.value);
  question.value = "";
  answer();
});

question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    if (!stopping) document.querySelector("#ask").requestSubmit();
  }
});

document.querySelector("#anew").addEventListener("click", () => {
  stopping?.abort();
  messages = [];
  turns.replaceChildren();
  question.focus();
});

try {
  model = (await (await call("v1/models")).json()).data[0].id;
  document.querySelector("#name").textContent = document.title = model;
} catch (error) {
  turn("error", error.message);
}
