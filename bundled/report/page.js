"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = (id) => JSON.parse(byId(id).textContent);
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") element.className = value;
      else if (name === "text") element.textContent = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };
  const number = (value) => (typeof value === "number" ? value.toLocaleString("en-US") : value);

  // ---- packed data
  const unpack = async (text) => {
    const raw = atob(text.trim());
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };

  // ---- light and dark
  const setting = window.matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const theme = () => chosen || (setting.matches ? "dark" : "light");
  const showTheme = () => {
    document.documentElement.dataset.theme = theme();
    const button = byId("theme");
    button.textContent = theme() === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", `Switch to ${button.textContent} colours`);
    redraw();
  };

  // ---- figures
  const figures = data("figures");
  const templates = data("templates");
  const drawn = new Set();
  let plotly = null;
  const layoutOf = (id) => {
    const touch = window.matchMedia("(pointer: coarse)").matches;
    return { ...figures[id].layout, template: templates[theme()], autosize: true, dragmode: touch ? false : "zoom" };
  };
  const draw = async (id) => {
    if (drawn.has(id)) return;
    drawn.add(id);
    const library = await loadPlotly();
    const config = { displayModeBar: false, displaylogo: false, responsive: true };
    await library.newPlot(id, structuredClone(figures[id].data), layoutOf(id), config);
    byId(id).dataset.drawn = "yes";
  };
  const loadPlotly = () => {
    plotly ??= unpack(byId("plotly-data").textContent).then((source) => {
      const script = document.createElement("script");
      script.textContent = source;
      document.head.append(script);
      return window.Plotly;
    });
    return plotly;
  };
  const redraw = () => {
    for (const id of drawn) if (byId(id).dataset.drawn) window.Plotly.react(id, structuredClone(figures[id].data), layoutOf(id));
  };
  const drawAll = () => Promise.all(Object.keys(figures).map(draw));
  window.sftbench = { drawAll, figures: Object.keys(figures) };
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) draw(entry.target.id);
  }, { rootMargin: "600px" });
  for (const id of Object.keys(figures)) watcher.observe(byId(id));

  setting.addEventListener("change", () => { if (!chosen) showTheme(); });
  byId("theme").addEventListener("click", () => { chosen = theme() === "dark" ? "light" : "dark"; showTheme(); });
  let unfolded = [];
  let beforePrint = null;
  window.addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details.fold:not([open])")];
    for (const fold of unfolded) fold.open = true;
    beforePrint = chosen; chosen = "light"; showTheme(); drawAll();
  });
  window.addEventListener("afterprint", () => {
    for (const fold of unfolded) fold.open = false;
    chosen = beforePrint; showTheme();
  });

  // ---- save as CSV
  const quote = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const save = (name, rows) => {
    const text = rows.map((row) => row.map(quote).join(",")).join("\r\n") + "\r\n";
    const link = make("a", { href: URL.createObjectURL(new Blob(["\ufeff" + text], { type: "text/csv" })), download: `${name}.csv` });
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const tableRows = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => {
    const key = cell.querySelector("[data-key]");
    return key ? key.dataset.key : cell.textContent.trim();
  }));
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".csv");
    if (button && button.dataset.figure) {
      const { columns, rows } = figures[button.dataset.figure].csv;
      save(button.dataset.figure.replace("fig-", ""), [columns, ...rows]);
    } else if (button) {
      const block = button.closest(".block");
      const name = block.querySelector("h3").textContent.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-").slice(0, 40);
      save(name, tableRows(block.querySelector("table")));
    }
    const key = event.target.closest("[data-key]");
    if (key) openKey(key.dataset.key);
  });

  // ---- contents
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const here = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const [id, link] of links) {
        link.classList.toggle("here", id === entry.target.id);
        if (id === entry.target.id) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
      }
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const section of document.querySelectorAll("section")) here.observe(section);

  // ---- sample browser
  const root = byId("browser");
  const steps = data("steps");
  const pages = new Map();
  let index = null;
  let found = [];
  let place = 0;
  const perList = 12;
  const perPage = root ? Number(root.dataset.perPage) : 0;
  const page = (i) => {
    if (!pages.has(i)) pages.set(i, unpack(byId(`page-${i}`).textContent).then(JSON.parse));
    return pages.get(i);
  };
  const entry = async (i) => (await page(Math.floor(i / perPage)))[i % perPage];
  const value = (name, i) => index[name].values[index[name].of[i]];
  const words = (word) => (word || "").replaceAll("_", " ");

  const allText = (sample) => sample.m.map((m) => [m.c, m.t, ...(m.k || []).flat()].join("\n")).join("\n").toLowerCase();
  const searchText = async (query, candidates, isCurrent) => {
    const hits = [];
    for (let i = 0; i < candidates.length; i++) {
      const at = candidates[i];
      if (index.key[at].startsWith(query) || index.begins[at].toLowerCase().includes(query) || allText(await entry(at)).includes(query)) hits.push(at);
      if (i % 400 === 399) {
        if (!isCurrent()) return null;
        byId("found").textContent = `Searching … ${number(i + 1)} of ${number(candidates.length)} read`;
      }
    }
    return hits;
  };
  const orders = {
    best: (a, b) => (index.quality[b] ?? -1) - (index.quality[a] ?? -1),
    worst: (a, b) => (index.quality[a] ?? 2) - (index.quality[b] ?? 2),
    long: (a, b) => index.length[b] - index.length[a],
    short: (a, b) => index.length[a] - index.length[b],
  };
  let round = 0;
  const search = async () => {
    const mine = ++round;
    const wanted = [...root.querySelectorAll("[data-filter]")].filter((s) => s.value !== "").map((s) => [s.dataset.filter, Number(s.value)]);
    let hits = [];
    for (let i = 0; i < index.key.length; i++) if (wanted.every(([name, v]) => index[name].of[i] === v)) hits.push(i);
    const query = byId("q").value.trim().toLowerCase();
    if (query) hits = await searchText(query, hits, () => mine === round);
    if (hits === null || mine !== round) return;
    const order = orders[byId("order").value];
    found = order ? hits.sort((a, b) => order(a, b) || a - b) : hits;
    place = 0;
    showList();
  };
  const showList = () => {
    byId("found").textContent = found.length === index.key.length ? `${number(found.length)} samples` : `${number(found.length)} of ${number(index.key.length)} samples`;
    byId("list").replaceChildren(...found.slice(place, place + perList).map((i) => {
      const facts = [value("source", i), value("drop", i) ? `dropped: ${words(value("drop", i))}` : value("split", i), value("tier", i),
        index.quality[i] === null ? "" : `quality ${index.quality[i]}`, `${number(index.length[i])} characters`];
      const button = make("button", { type: "button", "data-at": i },
        make("span", { class: "begins", text: index.begins[i] || "(no text)" }),
        make("span", { class: "what" }, make("span", { class: "dot", style: `background:${index.colours[index.source.of[i]]}` }), facts.filter(Boolean).join(" · ")));
      button.addEventListener("click", () => show(i));
      return make("li", {}, button);
    }));
    if (!found.length) byId("list").append(make("li", {}, make("p", { class: "note", text: "No sample matches: take a filter away.", style: "padding:10px 12px" })));
    byId("where").textContent = found.length ? `${number(place + 1)} to ${number(Math.min(place + perList, found.length))}` : "";
    byId("prev").disabled = place === 0;
    byId("next").disabled = place + perList >= found.length;
    mark();
  };
  let shownAt = -1;
  const mark = () => {
    for (const button of byId("list").querySelectorAll("button")) button.setAttribute("aria-current", String(Number(button.dataset.at) === shownAt));
  };
  const fold = (title, text) => make("details", {}, make("summary", { text: title }), make("pre", { text }));
  const turn = (m) => make("div", { class: `turn ${m.r}${m.l ? " learnt" : ""}` },
    make("div", { class: "who", text: [m.r === "tool" ? `result of ${m.n || "a tool"}` : m.r, m.e ? "error" : "", m.l ? "learnt" : ""].filter(Boolean).join(" · ") }),
    m.t ? fold("thinking", m.t) : null,
    m.c ? (m.r === "tool" && m.c.length > 300 ? fold(`${number(m.c.length)} characters`, m.c) : make("div", { class: "body", text: m.c })) : null,
    ...(m.k || []).map(([name, text]) => fold(`calls ${name}`, text)),
    m.x ? make("p", { class: "note", text: `… ${number(m.x)} more characters are in the samples file.` }) : null);
  const bars = (scores) => make("div", { class: "bars" }, ...Object.entries(scores).flatMap(([name, score]) => {
    const width = score === null ? 0 : Math.max(0, Math.min(1, score)) * 100;
    return [make("span", { text: words(name) }), make("i", {}, make("b", { style: `width:${width}%` })), make("span", { text: score === null ? "abstained" : score.toFixed(2) })];
  }));
  const history = (sample, i) => {
    const way = [];
    const [made, last, edited, dropped] = sample.h || [0, 0, [], null];
    for (const parent of sample.p || []) way.push(`${parent.k || "parent"} of ${parent.s}${parent.o ? `, ${parent.o}` : ""}`);
    way.push(`${(sample.p || []).length ? "made" : "read"} in ${steps[made]}${sample.o && !(sample.p || []).some((p) => p.o === sample.o) ? ` from ${sample.o}` : ""}`);
    for (const step of edited || []) way.push(`edited in ${steps[step]}`);
    const passed = steps.slice(made + 1, dropped === null || dropped === undefined ? last + 1 : dropped);
    if (passed.length) way.push(`kept by ${passed.join(", ")}`);
    if (dropped !== null && dropped !== undefined) way.push(`dropped in ${steps[dropped]}: ${words(value("drop", i))}${sample.d ? ` (${sample.d})` : ""}`);
    if (value("split", i)) way.push(`split: ${value("split", i)}`);
    return make("ol", { class: "way" }, ...way.map((text) => make("li", { text })));
  };
  const show = async (i) => {
    shownAt = i;
    mark();
    const sample = await entry(i);
    if (shownAt !== i) return;
    const facts = [value("source", i), value("domain", i), value("track", i), value("tier", i) && `tier ${value("tier", i)}`, sample.st && `session tier ${sample.st}`, sample.li, (sample.c || "").slice(0, 10)];
    const scores = { ...(index.quality[i] === null ? {} : { quality: index.quality[i] }), ...(sample.s || {}) };
    byId("sample").replaceChildren(
      make("h4", { text: facts.filter(Boolean).join(" · ") }),
      make("p", { class: "note" }, "key ", make("code", { text: index.key[i] })),
      ...sample.m.map(turn),
      ...(sample.rj ? [make("h4", { text: "The worse answer" }), ...sample.rj.map(turn)] : []),
      ...(Object.keys(scores).length ? [make("h4", { text: "Scores" }), bars(scores)] : []),
      ...(sample.ss ? [make("h4", { text: "Scores of its session" }), bars(sample.ss)] : []),
      make("h4", { text: "History" }), history(sample, i));
    byId("sample").scrollTop = 0;
  };
  const openKey = (key) => {
    if (!index) return;
    const i = index.key.indexOf(key);
    byId("samples").scrollIntoView();
    if (i < 0) { byId("found").textContent = `Sample ${key} is not among those embedded here.`; return; }
    show(i).then(() => byId("sample").focus({ preventScroll: true }));
  };
  const start = async () => {
    index = JSON.parse(await unpack(byId("index-data").textContent));
    for (const select of root.querySelectorAll("[data-filter]")) {
      const { values, of } = index[select.dataset.filter];
      const counts = new Array(values.length).fill(0);
      for (const v of of) counts[v]++;
      values.forEach((name, v) => select.append(make("option", { value: v, text: `${words(name) || "none"} (${number(counts[v])})` })));
      select.closest("label").hidden = values.length < 2;
      select.addEventListener("change", search);
    }
    byId("order").addEventListener("change", search);
    let timer = 0;
    byId("q").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 250); });
    byId("prev").addEventListener("click", () => { place = Math.max(0, place - perList); showList(); });
    byId("next").addEventListener("click", () => { place += perList; showList(); });
    await search();
    if (found.length) show(found[0]);
    root.dataset.ready = "yes";
  };

  showTheme();
  if (root) start();
})();
