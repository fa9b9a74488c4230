"use strict";
// Charts, live refresh, theme and small comforts of the console. Pages are whole without it, but for charts.
(() => {
  const root = document.documentElement;
  const stored = () => { try { return localStorage.getItem("modelyard-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("modelyard-theme", theme); } catch { /* private windows keep nothing */ } };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();

  const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = () => root.dataset.theme || (dark() ? "dark" : "light");

  // --- Charts: data as JSON beside each plot; colours are names of the style sheet's.
  const colour = (value) => getComputedStyle(root).getPropertyValue(value).trim() || value;
  const resolved = (value) => {
    if (typeof value === "string") return value.startsWith("--") ? colour(value) : value;
    if (Array.isArray(value)) return value.map(resolved);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, resolved(each)]));
    }
    return value;
  };
  let plotly = null;
  const withPlotly = () => {
    plotly ||= new Promise((done) => {
      const script = document.createElement("script");
      script.src = root.dataset.plotly;
      script.onload = () => done(window.Plotly);
      document.head.append(script);
    });
    return plotly;
  };
  const draw = async (scope) => {
    const charts = [...scope.querySelectorAll("[data-chart]")];
    if (!charts.length) return;
    const Plotly = await withPlotly();
    for (const chart of charts) {
      const figure = JSON.parse(chart.querySelector("script").textContent);
      const axis = { gridcolor: colour("--line"), linecolor: colour("--line"), zeroline: false, automargin: true };
      const { xaxis, yaxis, ...rest } = resolved(figure.layout);
      const told = (text) => ({ title: { text, standoff: 8, font: { size: 11 } } });
      const layout = {
        ...rest,
        font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--soft") },
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        margin: { l: 46, r: 12, t: 34, b: 30 }, hovermode: "closest",
        showlegend: figure.data.filter((each) => each.name && each.showlegend !== false).length > 1,
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal", font: { size: 11 } },
        hoverlabel: { bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
        xaxis: { ...axis, ...(figure.x_title ? told(figure.x_title) : {}), ...xaxis },
        yaxis: { ...axis, ...(figure.y_title ? told(figure.y_title) : {}), ...yaxis },
      };
      await Plotly.react(chart.querySelector(".plot"), resolved(figure.data), layout, {
        displayModeBar: false, responsive: true,
      });
    }
    root.dataset.drawn = "yes";
  };

  // --- Live: the server says when what a page shows has changed; then the parts that differ are put in place.
  const main = () => document.getElementById("main");
  const state = (word) => {
    const shown = document.querySelector("[data-live-state]");
    if (shown) shown.className = `live ${word}`;
  };
  const source = new Map();
  const remember = (scope) => {
    for (const part of scope.querySelectorAll("[data-part]")) source.set(part.dataset.part, part.outerHTML);
  };
  const busy = (part) => part.contains(document.activeElement) || part.querySelector("details.action[open], :checked:not(option)");
  const refresh = async () => {
    const answer = await fetch(location.href, { headers: { "X-Live": "1" }, credentials: "same-origin" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("main");
    const names = (scope) => [...scope.querySelectorAll("[data-part]")].map((each) => each.dataset.part).join();
    const held = [...main().querySelectorAll("[data-part]")].some(busy);
    if (names(fresh) !== names(main()) && !held) {
      const said = main().querySelector(".said");
      main().replaceChildren(...(said ? [said] : []), ...fresh.childNodes);
      remember(page);
      await settle(main());
    } else {
      for (const part of fresh.querySelectorAll("[data-part]")) {
        const name = part.dataset.part;
        const old = main().querySelector(`[data-part="${CSS.escape(name)}"]`);
        const text = part.outerHTML;
        if (!old || source.get(name) === text || busy(old)) continue;
        source.set(name, text);
        if (!redrawn(old, part)) { old.replaceWith(part); await settle(part); }
      }
    }
    main().dataset.mark = fresh.dataset.mark;
    document.querySelector("[data-announce]").textContent = `Refreshed at ${new Date().toLocaleTimeString()}`;
  };
  // Charts that stay are given their new data, so that they do not flicker.
  const redrawn = (old, part) => {
    const ids = (scope) => [...scope.querySelectorAll("[data-chart]")].map((each) => each.id).join();
    if (!old.classList.contains("charts") || !ids(old) || ids(old) !== ids(part)) return false;
    for (const chart of part.querySelectorAll("[data-chart]")) {
      old.querySelector(`#${CSS.escape(chart.id)} script`).textContent = chart.querySelector("script").textContent;
    }
    draw(old);
    return true;
  };
  const settle = async (scope) => {
    for (const box of scope.querySelectorAll(".scroll")) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    await draw(scope);
  };
  let pending = null;
  const follow = () => {
    const path = main().dataset.live;
    if (!path) return;
    const events = new EventSource(path);
    events.onopen = () => state("on");
    events.onerror = () => state("off");
    events.onmessage = (event) => {
      state("on");
      if (event.data === main().dataset.mark || pending) return;
      pending = refresh().catch(() => state("off")).finally(() => { pending = null; });
    };
    addEventListener("pagehide", () => events.close());
  };

  addEventListener("DOMContentLoaded", () => {
    document.querySelector(".pages [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    remember(document);
    settle(document);
    follow();
    const button = document.querySelector("button[data-theme]");
    const word = button.querySelector("[data-theme-word]");
    const show = () => { word.textContent = theme() === "dark" ? "Light theme" : "Dark theme"; draw(document); };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = theme() === "dark" ? "light" : "dark";
      keep(root.dataset.theme);
      show();
    });
    word.textContent = theme() === "dark" ? "Light theme" : "Dark theme";
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
    // At the click itself: the event "toggle" comes later, and would take the focus from a field that is being filled in.
    document.addEventListener("click", (event) => {
      const action = event.target.closest?.("details.action > summary")?.parentElement;
      if (!action) return;
      event.preventDefault();
      const open = !action.open;
      for (const each of document.querySelectorAll("details.action[open]")) each.open = false;
      action.open = open;
      if (open) action.querySelector("input:not([type=hidden]), select, button")?.focus();
    });
    // A number presses the button that shows it: once however long it is held, and not where somebody writes.
    document.addEventListener("keydown", (event) => {
      if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("input, select, textarea")) return;
      document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`)?.click();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      for (const each of document.querySelectorAll("details.action[open]")) {
        each.open = false;
        each.querySelector("summary").focus();
      }
    });
  });
})();
