'use strict';

// Before the first paint: a page with scripts shows no text report.
document.documentElement.dataset.scripts = '';

const $ = (id) => document.getElementById(id);

// What comes from outside may hold anything. It is only ever set as text, and
// what would hide or turn the text around it is spelled out.
function clean(text) {
  return String(text).replace(
      /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// Text is replaced only when it changed: a selection survives a refresh.
function setText(node, text) {
  const cleaned = clean(text);
  if (node.textContent !== cleaned) {
    node.textContent = cleaned;
  }
  return node;
}

function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    setAttribute(node, name, value);
  }
  for (const child of children) {
    if (child !== null && child !== undefined) {
      node.append(child instanceof Node ? child : clean(child));
    }
  }
  return node;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag),
              attributes, children);
}

function button(text, onClick, attributes) {
  const node = el('button', {type: 'button', ...attributes}, text);
  node.addEventListener('click', onClick);
  return node;
}

// Makes `parent` hold one node per item, in order. A node stays for as long as
// its item's key does, so focus, scroll, selection and what is open stay too.
function keyed(parent, items, keyOf, make, update) {
  const old = parent.nodesByKey || new Map();
  const nodes = new Map();
  const focused = document.activeElement;
  for (const item of items) {
    const key = keyOf(item);
    if (!nodes.has(key)) {
      const node = old.get(key) || make(item);
      nodes.set(key, node);
      if (update) {
        update(node, item);
      }
    }
  }
  for (const [key, node] of old) {
    if (nodes.get(key) !== node) {
      node.remove();
    }
  }
  let next = parent.firstElementChild;
  for (const node of nodes.values()) {
    if (node === next) {
      next = next.nextElementSibling;
    } else {
      parent.insertBefore(node, next);
    }
  }
  parent.nodesByKey = nodes;
  if (focused !== document.activeElement && focused.isConnected) {
    focused.focus({preventScroll: true});  // it was moved
  }
}

// As much of a definition list as there are pairs; undefined values are left
// out.
function definitions(parent, pairs) {
  keyed(parent, pairs.filter(([, value]) => value !== undefined),
        ([name]) => name,
        ([name]) => el('div', null, el('dt', null, name), el('dd')),
        (node, [, value]) => {
          const dd = node.lastElementChild;
          if (value instanceof Node) {
            dd.replaceChildren(value);
          } else {
            setText(dd, value);
          }
        });
}

// ---- numbers and times

function count(n) {
  if (n < 100000) {
    return n.toLocaleString('en');
  }
  return new Intl.NumberFormat('en', {notation: 'compact',
                                      maximumFractionDigits: 1}).format(n);
}

function plural(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`;
}

// A response out of nginx's cache comes without a request to the upstream, a
// failure may come without an attempt: there may be more of them than of the
// whole. null where there is neither.
function shareOf(part, whole) {
  const all = Math.max(part, whole);
  return all === 0 ? null : part / all;
}

function percent(share) {
  if (share === null) {
    return '–';
  }
  const value = 100 * share;
  if (share > 0 && value < 0.1) {
    return '<0.1%';
  }
  if (share < 1 && value > 99.9) {
    return '>99.9%';
  }
  return `${value.toFixed(value === 0 || value === 100 ? 0 : 1)}%`;
}

function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 100) {
    return `${s} s`;
  }
  if (s < 7200) {
    return `${Math.floor(s / 60)} min`;
  }
  if (s < 172800) {
    return `${Math.floor(s / 3600)} h`;
  }
  return `${Math.floor(s / 86400)} days`;
}

function seconds(ms) {
  return ms === null ? 'never' : `${(ms / 1000).toFixed(3)} s`;
}

function bytes(n) {
  for (const [size, unit] of [[1 << 30, 'GiB'], [1 << 20, 'MiB'],
                              [1024, 'KiB']]) {
    if (n >= size) {
      return `${+(n / size).toFixed(1)} ${unit}`;
    }
  }
  return `${n} B`;
}

const two = (n) => String(n).padStart(2, '0');

function clock(ms, withSeconds) {
  const t = new Date(ms);
  return `${two(t.getHours())}:${two(t.getMinutes())}` +
      (withSeconds ? `:${two(t.getSeconds())}` : '');
}

// "Fri 27"
function day(ms) {
  const t = new Date(ms);
  return `${['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'][t.getDay()]} ${
      t.getDate()}`;
}

function sameDay(a, b) {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

function dateTime(ms) {
  const t = new Date(ms);
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} ` +
      clock(ms, true);
}

// "14:02:11", with the day where it is not today.
function moment(ms, now) {
  return sameDay(ms, now) ? clock(ms, true) : dateTime(ms);
}

function words(name) {
  return String(name).replace(/_/g, ' ');
}

// A first word stays as it is where it is a directive or an address.
function sentence(text) {
  const trimmed = String(text).trim()
      .replace(/^[a-z](?=[a-z]*\b(?![_.:/]\S))/, (c) => c.toUpperCase());
  return trimmed === '' || /[.!?]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

const short = (text) => text.length > 60 ? `${text.slice(0, 59)}…` : text;
const sum = (list) => list.reduce((a, b) => a + b, 0);
const last = (list, n) => sum(list.slice(-n));
const byCount = (counts) =>
    Object.entries(counts).sort((a, b) => b[1] - a[1]);
