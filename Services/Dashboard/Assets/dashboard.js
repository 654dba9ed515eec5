// Three small comforts; every page works without them.
//   data-live="4"   a region that renews itself every 4 seconds while somebody looks at the page
//   data-enhance    a form whose answer replaces the page's content in place
//   the search box  "/" goes there

const seconds = 1000;

/** Makes `from` like `to`, and touches only what differs: focus, selection and open details stay. */
function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName || from.id !== to.id) {
    from.replaceWith(to);
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !(name === "open" && from.nodeName === "DETAILS")) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  const have = [...from.childNodes];
  const want = [...to.childNodes];
  want.forEach((node, i) => (have[i] ? morph(have[i], node) : from.append(node)));
  have.slice(want.length).forEach((node) => node.remove());
}

async function load(address, options) {
  const response = await fetch(address, { credentials: "same-origin", headers: { accept: "text/html" }, ...options });
  // Logged out meanwhile, or sent on after a form.
  if (response.redirected) {
    location.assign(response.url);
    return null;
  }
  if (response.status >= 500) throw new Error(`status ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

function show(offline) {
  const banner = document.getElementById("offline");
  if (banner) banner.hidden = !offline;
}

let shown = 0; // counts what replaced the content, so that a renewal that began before does not undo it

async function renew() {
  const regions = [...document.querySelectorAll("[data-live][id]")];
  let pause = Math.max(1, Math.min(...regions.map((region) => Number(region.dataset.live) || 4), 60)) * seconds;
  if (regions.length > 0 && !document.hidden) {
    const before = shown;
    const began = performance.now();
    try {
      const page = await load(location.href, { signal: AbortSignal.timeout(20 * seconds) });
      if (page && before === shown) {
        for (const region of regions) {
          const fresh = page.getElementById(region.id);
          if (fresh && region.isConnected) morph(region, document.adoptNode(fresh));
        }
      }
      show(false);
    } catch {
      show(true);
    }
    // What takes long is work for the servers: at most a tenth of the time goes into it.
    pause = Math.max(pause, 10 * (performance.now() - began));
  }
  setTimeout(renew, Math.min(pause, 60 * seconds));
}

async function submit(form, submitter) {
  const content = document.getElementById("content");
  submitter?.setAttribute("aria-busy", "true");
  try {
    const page = await load(form.action || location.href, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const fresh = page?.getElementById("content");
    if (!page) return;
    if (!fresh) throw new Error("no content");
    shown++;
    const focused = document.activeElement?.id;
    content.replaceChildren(...document.adoptNode(fresh).childNodes);
    document.title = page.title;
    // Heard as well as seen: the element that says it is never replaced.
    document.getElementById("announcement").textContent = content.querySelector("[data-announce]")?.textContent ?? "";
    const wrong = content.querySelector("[aria-invalid=true]");
    (wrong ?? (focused ? document.getElementById(focused) : null))?.focus();
  } catch {
    // As without a script: the browser shows what the server says, or that there is none.
    form.submit();
  } finally {
    submitter?.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("form[data-enhance]")) {
    event.preventDefault();
    submit(event.target, event.submitter);
  }
});

document.addEventListener("keydown", (event) => {
  const query = document.getElementById("query");
  if (event.key === "/" && query && !event.target.matches("input, textarea, select")) {
    event.preventDefault();
    query.focus();
    query.select();
  }
});


setTimeout(renew, seconds);
