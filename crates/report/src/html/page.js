(() => {
  'use strict';
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const kinds = all('details.kind');
  const tools = document.querySelector('.tools');
  const find = document.getElementById('find');
  const found = document.getElementById('found');
  const keys = document.getElementById('keys');
  const chips = all('.chip');
  document.body.classList.add('scripts');
  document.body.classList.toggle('one', kinds.length < 2);
  tools.hidden = false;

  // Stories that are text until they are asked for: the page's own markup, read by the rules it was itself read by.
  const unfold = (kind) => {
    for (const later of all('noscript', kind)) {
      const read = new DOMParser().parseFromString(later.textContent, 'text/html');
      later.replaceWith(...read.body.childNodes);
    }
  };
  document.addEventListener('toggle', (event) => {
    if (event.target.open && kinds.includes(event.target)) unfold(event.target);
  }, true);

  // Search and filters.
  const signs = { amp: '&', lt: '<', gt: '>', quot: '"' };
  const plain = (markup) => markup.replace(/<[^>]*>/g, ' ').replace(/&(amp|lt|gt|quot);/g, (_, name) => signs[name]);
  const texts = new Map();
  const textOf = (kind) => {
    if (!texts.has(kind)) {
      const later = all('noscript', kind);
      const parts = later.length === 0 ? [kind] : [kind.firstElementChild, ...all('.crash, .row', kind)];
      const told = parts.map((part) => part.textContent).concat(later.map((part) => plain(part.textContent)));
      texts.set(kind, told.join(' ').toLowerCase());
    }
    return texts.get(kind);
  };
  const wanted = () => {
    const facets = new Map();
    for (const chip of chips) {
      if (chip.getAttribute('aria-pressed') !== 'true') continue;
      const values = facets.get(chip.dataset.facet) || new Set();
      facets.set(chip.dataset.facet, values.add(chip.dataset.value));
    }
    const words = find ? find.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
    return { facets, words };
  };
  const apply = () => {
    const { facets, words } = wanted();
    let shown = 0;
    for (const kind of kinds) {
      const fits = Array.from(facets).every(([facet, values]) => values.has(kind.getAttribute('data-' + facet)));
      kind.hidden = !(fits && words.every((word) => textOf(kind).includes(word)));
      if (!kind.hidden) shown += 1;
    }
    const filtered = facets.size > 0 || words.length > 0;
    found.textContent = filtered ? `${shown} of ${kinds.length} kinds` : '';
  };
  const clear = () => {
    if (find) find.value = '';
    for (const chip of chips) chip.setAttribute('aria-pressed', 'false');
    apply();
  };
  let pending = 0;
  if (find) {
    find.addEventListener('input', () => {
      clearTimeout(pending);
      pending = setTimeout(apply, 80);
    });
  }
  for (const chip of chips) {
    chip.addEventListener('click', () => {
      chip.setAttribute('aria-pressed', String(chip.getAttribute('aria-pressed') !== 'true'));
      apply();
    });
  }

  // Deep links: #ID opens whatever the crash is folded into.
  const follow = () => {
    let id = location.hash.slice(1);
    try { id = decodeURIComponent(id); } catch { /* It is no encoded name: it is taken as it is. */ }
    const later = all('noscript').find((part) => part.dataset.crash === id);
    if (later) unfold(later.closest('details.kind'));
    const target = id && document.getElementById(id);
    if (!target) return;
    const kind = target.closest('details.kind');
    if (kind && kind.hidden) clear();
    for (let at = target; at; at = at.parentElement) if (at.localName === 'details') at.open = true;
    const start = kind && kind.querySelector('.crash') === target ? kind : target;
    start.scrollIntoView();
    // What was never laid out gets its height only now, and moves what follows it.
    requestAnimationFrame(() => start.scrollIntoView());
    target.focus({ preventScroll: true });
  };
  addEventListener('hashchange', follow);
  follow();

  // Copying.
  const copy = async (text, button) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Not every place that a page is opened from has the right to the clipboard.
      const area = document.createElement('textarea');
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    if (!button) return;
    const label = button.textContent;
    if (label !== 'Copied') {
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = label; }, 1200);
    }
  };
  const link = (crash) => location.href.split('#')[0] + '#' + encodeURIComponent(crash.id);
  const words = (element) => element ? element.textContent.replace(/\s+/g, ' ').trim() : '';
  const story = (crash) => {
    const kind = crash.closest('details.kind');
    const lines = [words(kind.querySelector('h2')), '  ' + words(kind.querySelector('.where')), ''];
    for (const row of all('.why dl > div', crash)) {
      lines.push('  ' + words(row.querySelector('dt')) + ': ' + all('dd', row).map(words).join(' / '));
    }
    lines.push('', words(crash.querySelector('.stack h3')) + ':');
    const stack = crash.querySelector('.stack .frames');
    for (const frame of stack ? stack.children : []) {
      const row = frame.querySelector(':scope > details > summary') || frame;
      lines.push((frame.className === 'own' ? '> ' : '  ') + words(row));
    }
    lines.push('');
    for (const row of all('.facts > dl > div', crash)) {
      lines.push('  ' + words(row.querySelector('dt')) + ': ' + words(row.querySelector('dd')));
    }
    return lines.join('\n') + '\n';
  };
  document.addEventListener('click', (event) => {
    const button = event.target.closest('.copy-link, .copy-text');
    const crash = button && button.closest('.crash');
    if (crash) copy(button.className === 'copy-link' ? link(crash) : story(crash), button);
  });

  // Keys.
  const shown = () => kinds.filter((kind) => !kind.hidden);
  const focused = () => document.activeElement && document.activeElement.closest('details.kind');
  const current = () => focused() || shown().find((kind) => kind.getBoundingClientRect().bottom > 80);
  const step = (by) => {
    const list = shown();
    const at = focused() ? list.indexOf(focused()) + by : 0;
    const next = list[Math.max(0, Math.min(list.length - 1, at))];
    if (!next) return;
    next.scrollIntoView();
    next.firstElementChild.focus({ preventScroll: true });
  };
  const foldAll = (kind) => {
    unfold(kind);
    const inner = all('details', kind);
    const open = !inner.every((details) => details.open);
    kind.open = true;
    for (const details of inner) details.open = open;
  };
  const copyCurrent = (button, what) => {
    const kind = current();
    if (!kind) return;
    unfold(kind);
    copy(what(kind.querySelector('.crash')), kind.querySelector(button));
  };
  const help = () => { if (keys.open) keys.close(); else keys.showModal(); };
  document.getElementById('help').addEventListener('click', help);
  keys.querySelector('button').addEventListener('click', () => keys.close());
  const act = {
    j: () => step(1),
    k: () => step(-1),
    o: () => { const kind = current(); if (kind) kind.open = !kind.open; },
    e: () => { const kind = current(); if (kind) foldAll(kind); },
    y: () => copyCurrent('.copy-link', link),
    c: () => copyCurrent('.copy-text', story),
    '/': () => { if (find) { find.focus(); find.select(); } },
    '?': help,
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target === find) {
      if (event.key === 'Escape') { clear(); find.blur(); }
      return;
    }
    if (keys.open && event.key !== '?') return;
    if (event.key === 'Escape') clear();
    if (Object.hasOwn(act, event.key)) {
      event.preventDefault();
      act[event.key]();
    }
  });
})();
