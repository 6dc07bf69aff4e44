// Talking to the server: orders go out as forms, events come back as a stream.

const token = new URLSearchParams(location.search).get("token") ?? sessionStorage.getItem("token") ?? "";
if (token) {
  sessionStorage.setItem("token", token);
  history.replaceState(null, "", location.pathname); // so that it is not shared with the address
}
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const session = crypto.getRandomValues(new Uint32Array(4)).join("-");

async function checked(response) {
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Error(told.error ?? `the server answered ${response.status}`);
}

export async function model() {
  return (await checked(await fetch("model", { headers }))).json();
}

/** A map file as the model understands it: integers with width and height. */
export async function readMap(kind, file, options) {
  const form = new FormData();
  form.append("file", file);
  form.append("settings", JSON.stringify(options));
  const response = await checked(await fetch(`read/${kind}`, { method: "POST", body: form, headers }));
  const data = new Uint16Array(await response.arrayBuffer());
  return { data, width: +response.headers.get("x-width"), height: +response.headers.get("x-height"), notes: decodeURIComponent(response.headers.get("x-notes") ?? "") };
}

/** Asks for a picture; calls `heard(kind, data)` for each event. Rejects where the server refuses or `signal` aborts. */
export async function paint(form, heard, signal) {
  form.append("session", session);
  const response = await checked(await fetch("paint", { method: "POST", body: form, headers, signal }));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      const kind = /^event: (.*)$/m.exec(event)?.[1], data = /^data: (.*)$/m.exec(event)?.[1];
      if (kind) await heard(kind, JSON.parse(data));
    }
  }
}
