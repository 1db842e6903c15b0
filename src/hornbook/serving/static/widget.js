// A chat for any page: <script src="https://your.server/widget.js" data-title="Ask us"></script>
// Attributes: data-title, data-hint, data-key (a key of its own with a low rate: every reader can see it),
// data-pages="off" for answers without pages. The server must name the page's origin with --allow-origin.

(() => {
  const script = document.currentScript;
  const base = new URL(".", script.src);
  const { title = "Ask", hint = "Ask a question", key, pages } = script.dataset;
  const style = `
    :host { all: initial; position: fixed; right: 1rem; bottom: 1rem; z-index: 2147483000;
      font: 1rem/1.45 system-ui, sans-serif; color-scheme: light dark; --line: #8886; --mark: #2457a6; }
    * { box-sizing: border-box; font: inherit; }
    button { border: 0; border-radius: 0.6rem; padding: 0.5rem 0.9rem; background: var(--mark); color: #fff; cursor: pointer; }
    button:focus-visible, textarea:focus-visible, a:focus-visible { outline: 3px solid #e5a50a; outline-offset: 2px; }
    section { display: flex; flex-direction: column; width: min(24rem, calc(100vw - 2rem)); height: min(32rem, 80vh);
      background: Canvas; color: CanvasText; border: 1px solid var(--line); border-radius: 0.8rem; overflow: hidden; }
    section[hidden] { display: none; }
    header, form { display: flex; gap: 0.5rem; padding: 0.6rem; border-bottom: 1px solid var(--line); align-items: center; }
    form { border: 0; border-top: 1px solid var(--line); }
    h2 { flex: 1; margin: 0; font-weight: 600; }
    header button { background: none; color: inherit; padding: 0.2rem 0.5rem; }
    div { flex: 1; overflow-y: auto; padding: 0.6rem; }
    article { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 0.7rem; }
    article.user { font-weight: 600; }
    article.error { color: #b3261e; }
    a { display: block; font-size: 0.85rem; color: var(--mark); }
    textarea { flex: 1; resize: none; height: 2.6rem; padding: 0.5rem; border: 1px solid var(--line);
      border-radius: 0.5rem; background: Field; color: FieldText; }`;

  const host = document.createElement("hornbook-chat");
  const root = host.attachShadow({ mode: "open" });
  const make = (kind, text = "", attributes = {}) => {
    const element = document.createElement(kind);
    element.textContent = text;
    Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
    return element;
  };

  const open = make("button", title, { type: "button", "aria-expanded": "false" });
  const panel = make("section", "", { hidden: "", role: "dialog", "aria-label": title });
  const close = make("button", "×", { type: "button", "aria-label": "Close" });
  const turns = make("div", "", { "aria-live": "polite" });
  const form = make("form");
  const question = make("textarea", "", { "aria-label": hint, placeholder: hint, rows: "1" });
  const send = make("button", "Ask", { type: "submit" });
  const header = make("header");
  header.append(make("h2", title), close);
  form.append(question, send);
  panel.append(header, turns, form);
  root.append(make("style", style), panel, open);

  let messages = [];
  let stopping = null;

  const show = (shown) => {
    panel.toggleAttribute("hidden", !shown);
    open.hidden = shown;
    open.setAttribute("aria-expanded", String(shown));
    (shown ? question : open).focus();
  };

  const turn = (kind, text) => {
    const article = make("article", text, { class: kind });
    turns.append(article);
    turns.scrollTop = turns.scrollHeight;
    return article;
  };

  async function call(path, options = {}) {
    const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
    const response = await fetch(new URL(path, base), { ...options, headers, credentials: "omit" });
    if (response.ok) return response;
    const body = await response.json().catch(() => null);
    throw new Error(body?.error?.message ?? `The server answered ${response.status}.`);
  }

  async function* events(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let held = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (held + value).split("\n\n");
      held = parts.pop();
      for (const part of parts) {
        const data = part.replace(/^data: /, "");
        if (data === "[DONE]") return;
        yield JSON.parse(data);
      }
    }
  }

  function showPage(article, page) {
    if (!/^https?:/.test(page.url)) return;
    article.append(make("a", page.title || page.url, { href: page.url, rel: "noopener" }));
  }

  async function answer() {
    const article = turn("assistant", "…");
    let text = "";
    stopping = new AbortController();
    send.textContent = "Stop";
    try {
      const model = (await (await call("v1/models")).json()).data[0].id;
      const body = JSON.stringify({ model, messages, stream: true, hornbook: { open_book: pages !== "off" } });
      const response = await call("v1/chat/completions", { method: "POST", body, signal: stopping.signal });
      for await (const event of events(response)) {
        if (event.error) throw new Error(event.error.message);
        text += event.choices[0]?.delta.content ?? "";
        article.textContent = text || "…";
        event.hornbook?.pages.forEach((page) => showPage(article, page));
        turns.scrollTop = turns.scrollHeight;
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

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (stopping) return stopping.abort();
    const asked = question.value.trim();
    if (!asked) return;
    messages.push({ role: "user", content: asked });
    turn("user", asked);
    question.value = "";
    answer();
  });
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!stopping) form.requestSubmit();
  });
  panel.addEventListener("keydown", (event) => event.key === "Escape" && show(false));
  open.addEventListener("click", () => show(true));
  close.addEventListener("click", () => show(false));
  document.body.append(host);
})();
