() => {
  // What somebody could not read or name on this page: texts with too little contrast (WCAG 2.2, AA), controls without
  // a name. Texts in pictures and plots are the pictures' own.
  const found = [];
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = ([red, green, blue]) => [red, green, blue]
    .map((each) => each / 255)
    .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4))
    .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
  const below = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const [red, green, blue, alpha = 1] = parts(getComputedStyle(each).backgroundColor);
      if (alpha === 1) return [red, green, blue];
    }
    return [255, 255, 255];
  };
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const text = words.currentNode.textContent.trim();
    const element = words.currentNode.parentElement;
    if (!text || element.closest("svg, script, style, .plot, .out, .skip") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [bright, dim] = [light(parts(style.color)), light(below(element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (bright + 0.05) / (dim + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push(`contrast: ${ratio.toFixed(2)} of "${text.slice(0, 40)}"`);
  }
  for (const each of document.querySelectorAll("a, button, summary, input:not([type=hidden]), select, textarea, [role=img]")) {
    const label = each.labels?.[0]?.textContent ?? "";
    const name = each.getAttribute("aria-label") || label || (each.matches("input, select, textarea") ? "" : each.textContent);
    if (!name.trim()) found.push(`no name: ${each.outerHTML.slice(0, 80)}`);
  }
  return found;
}
