// Made by src/web/embed.sh out of the files beside it: edit those.

#ifndef UPSTREAM_502_CORE_PAGE_DATA_H_
#define UPSTREAM_502_CORE_PAGE_DATA_H_

#include "absl/strings/string_view.h"

namespace upstream_502 {

inline constexpr absl::string_view kPageCsp =
    "default-src 'none'; "
    "style-src 'sha256-FqMmL7vzCtxWM4HiGDse59lp0uUJvA+T2PR7w6jkVq0='; "
    "script-src 'sha256-nEO08qZZzkriphbWDC9qNAYcXK1lspOZYEe/aIOldP8='; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

inline constexpr absl::string_view kPageStart = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex, nofollow">
<title>Upstream failures</title>
<link rel="icon" href="data:,">
<style>
:root {
  --ground: #f5f6f8; --panel: #fff; --line: #dfe3e8; --soft: #eef0f3;
  --text: #1b2430; --muted: #5b6675; --link: #1d5fbf;
  --bad: #c4271b; --bad-soft: #fdecea; --warn: #9a5b00; --warn-soft: #fff4dc;
  --good: #11744a; --good-soft: #e5f5ed; --info: #2f5fa8; --info-soft: #e8f0fb;
  --p0: #d1453b; --p1: #e8912d; --p2: #4e79c7; --p3: #8b5fb8; --p4: #2a9d8f;
  --p5: #6b7685; --p6: #d6649d; --p7: #5a4fcf; --p8: #c9a227; --p9: #8a5a3c;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
          monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1318; --panel: #171c23; --line: #2a323c; --soft: #1f262f;
    --text: #e3e8ee; --muted: #97a3b1; --link: #7fb1f5;
    --bad: #ff8378; --bad-soft: #3a1b1a; --warn: #f3b557; --warn-soft: #35290f;
    --good: #5cc995; --good-soft: #12301f; --info: #8bb8f5;
    --info-soft: #17273f;
    --p0: #e5675d; --p1: #eda04c; --p2: #6f9be6; --p3: #a984d4; --p4: #45b8aa;
    --p5: #8e9aab; --p6: #e585b5; --p7: #8b82ea; --p8: #d8b945; --p9: #b1805f;
  }
}

* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { color-scheme: light dark; -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 0 1.25rem 2rem; max-width: 90rem;
  background: var(--ground); color: var(--text);
  font: 0.9375rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1, h2, p, dl, dd, ul { margin: 0; padding: 0; }
ul { list-style: none; }
h1 { font-size: 1.6rem; line-height: 1.2; font-weight: 650; }
h2 { font-size: 1rem; font-weight: 650; }
small, .note, .about, dt { color: var(--muted); font-weight: 400; }
small { font-size: 0.75rem; }
code, .message, pre, #upstreams .name, table.peers th[scope=row] {
  font-family: var(--mono);
}
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }

button, select, input[type=search] {
  font: inherit; color: inherit; background: var(--panel);
  border: 1px solid var(--line); border-radius: 6px; padding: 0.3rem 0.7rem;
  min-height: 2.1rem; max-width: 100%;
}
button { cursor: pointer; }
button:hover { background: var(--soft); }
button[aria-pressed=true] { background: var(--info-soft); color: var(--info); }

/* what the scripts take over from, and what they need */
html:not([data-scripts]) :is(#app, #problem, .buttons, #facts) { display: none; }
html[data-scripts] #report { display: none; }

body > header {
  display: flex; flex-wrap: wrap; align-items: center; gap: 0.25rem 1rem;
  padding: 0.9rem 0;
}
.brand { font-weight: 650; margin-right: auto; }
.brand span { color: var(--muted); font-weight: 400; margin-left: 0.4rem; }
#freshness { color: var(--muted); font-size: 0.85rem; }
.buttons { display: flex; gap: 0.5rem; }
#problem {
  background: var(--warn-soft); color: var(--warn); font-weight: 550;
  border: 1px solid; border-radius: 8px; padding: 0.6rem 0.9rem;
  margin-bottom: 1rem;
}
html[data-stale] #app { opacity: 0.72; }

.panel, #verdict, .card {
  background: var(--panel); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem 1.15rem; margin-bottom: 1rem;
}
.panel > h2 { display: inline-block; margin-right: 0.5rem; }
.panel > .note { display: inline-block; font-size: 0.85rem; }

/* verdict */
#verdict {
  --hue: var(--good); --hue-soft: var(--good-soft);
  display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: center;
  border-left: 5px solid var(--hue);
}
[data-state=outage] { --hue: var(--bad) !important;
                      --hue-soft: var(--bad-soft) !important; }
[data-state=degraded] { --hue: var(--warn) !important;
                        --hue-soft: var(--warn-soft) !important; }
[data-state=info] { --hue: var(--info) !important;
                    --hue-soft: var(--info-soft) !important; }
.say { display: flex; gap: 1rem; align-items: flex-start; flex: 1 1 30rem; }
#state {
  flex: none; width: 2.6rem; height: 2.6rem; border-radius: 50%;
  display: grid; place-items: center; font-size: 1.3rem; font-weight: 700;
  color: var(--hue); background: var(--hue-soft);
}
#lede { margin-top: 0.3rem; color: var(--muted); max-width: 60rem; }
#numbers { display: flex; flex-wrap: wrap; gap: 0.5rem 1.75rem; }
#numbers div { display: flex; flex-direction: column-reverse; }
#numbers dd { font-size: 1.35rem; font-weight: 600; line-height: 1.25; }
#numbers dt { font-size: 0.8rem; }

/* cards */
#cards {
  display: grid; gap: 1rem; margin-bottom: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr));
  align-items: start;
}
#cards:empty, .card ul:empty { display: none; }
.card { margin: 0; border-top: 3px solid var(--hue); min-width: 0; }
.card header {
  display: flex; flex-wrap: wrap; gap: 0.2rem 0.6rem; align-items: baseline;
}
.card h2 { font-size: 1.05rem; min-width: 0; }
.card .tags { color: var(--muted); font-size: 0.85rem; }
.badge {
  border-radius: 99px; padding: 0.05rem 0.6rem; font-size: 0.78rem;
  font-weight: 650;
}
.badge.outage { background: var(--bad-soft); color: var(--bad); }
.badge.degraded { background: var(--warn-soft); color: var(--warn); }
.badge.info { background: var(--info-soft); color: var(--info); }
.link, .opener, .sorter {
  border: 0; background: none; padding: 0; min-height: 0; font: inherit;
  text-align: left;
}
.link:hover { background: none; text-decoration: underline; }
.summary { margin-top: 0.5rem; }
.hint { margin-top: 0.4rem; color: var(--muted); font-size: 0.9rem; }
ul.peers { display: flex; flex-wrap: wrap; gap: 0.3rem; margin-top: 0.6rem; }
ul.peers li {
  font: 0.8rem var(--mono); background: var(--soft); border-radius: 4px;
  padding: 0.15rem 0.45rem;
}
.checks { margin-top: 0.6rem; border-top: 1px solid var(--line); }
.checks li {
  display: flex; gap: 0.75rem; align-items: center;
  border-bottom: 1px solid var(--line); padding: 0.3rem 0;
}
.checks li:last-child { border-bottom: 0; padding-bottom: 0; }
.checks code { flex: 1; min-width: 0; font-size: 0.82rem;
               white-space: pre-wrap; }
.checks .word { display: inline-block; max-width: 100%; }
.checks .why { color: var(--muted); }
.checks button { flex: none; font-size: 0.8rem; min-height: 1.8rem;
                 padding: 0.1rem 0.6rem; min-width: 4.6rem; }

/* chart */
.p0 { fill: var(--p0); --k: var(--p0); } .p1 { fill: var(--p1); --k: var(--p1); }
.p2 { fill: var(--p2); --k: var(--p2); } .p3 { fill: var(--p3); --k: var(--p3); }
.p4 { fill: var(--p4); --k: var(--p4); } .p5 { fill: var(--p5); --k: var(--p5); }
.p6 { fill: var(--p6); --k: var(--p6); } .p7 { fill: var(--p7); --k: var(--p7); }
.p8 { fill: var(--p8); --k: var(--p8); } .p9 { fill: var(--p9); --k: var(--p9); }
i[class] {
  display: inline-block; width: 0.7rem; height: 0.7rem; border-radius: 2px;
  background: var(--k); margin-right: 0.4rem; flex: none;
}
#readout { color: var(--muted); font-size: 0.85rem; margin: 0.4rem 0;
           min-height: 1.3rem; }
#chart { display: block; width: 100%; height: 180px; touch-action: pan-y; }
#chart .grid { stroke: var(--line); }
#chart .axis { fill: var(--muted); font-size: 11px; }
#chart .end { text-anchor: end; }
#chart .middle { text-anchor: middle; }
#pointed { fill: var(--text); fill-opacity: 0.09; }
#legend { display: flex; flex-wrap: wrap; gap: 0.35rem; margin-top: 0.5rem; }
.key { font-size: 0.85rem; padding: 0.1rem 0.6rem; min-height: 1.9rem; }
.key b { margin-left: 0.45rem; font-weight: 600; }
#minutes { margin-top: 0.6rem; font-size: 0.85rem; color: var(--muted); }
#minutes .scroll { max-height: 20rem; overflow: auto; }

/* tables */
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; padding: 0.45rem 0.75rem 0.45rem 0;
         vertical-align: top; font-weight: 400; }
thead th { color: var(--muted); font-size: 0.82rem; vertical-align: bottom;
           border-bottom: 1px solid var(--line); }
tbody tr:not(:last-child) > * { border-bottom: 1px solid var(--line); }
.number { text-align: right; white-space: nowrap; }
.number + :not(.number) { padding-left: 1rem; }
.scroll { overflow-x: auto; }
.detail .scroll { width: 0; min-width: 100%; }
#upstreams { margin-top: 0.5rem; }
#upstreams .upstream > * { padding-top: 0.6rem; }
.sorter:hover { background: none; color: var(--text); }
th[aria-sort] .sorter { color: var(--text); font-weight: 600; }
th[aria-sort=descending] .sorter::after { content: " ↓"; }
th[aria-sort=ascending] .sorter::after { content: " ↑"; }
.upstream th { position: relative; min-width: 12rem; scroll-margin: 0.5rem; }
.opener { display: flex; gap: 0.5rem; }
.opener::before { content: "▸"; color: var(--muted); flex: none; }
.opener[aria-expanded=true]::before { content: "▾"; }
.opener:hover { background: none; }
.opener:hover .name { text-decoration: underline; }
.name {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3;
  overflow: hidden;
}
[aria-expanded=true] .name { display: block; }
.about { display: block; font-size: 0.82rem; padding-left: 1.15rem; }
[data-state=outage] .about, [data-state=degraded] .about { color: var(--hue); }
[data-hot] { color: var(--bad); font-weight: 600; }
td.trend { width: 9rem; padding-right: 0; }
.spark { display: block; width: 100%; max-width: 9rem; height: 1.5rem; }
.spark .base { stroke: var(--line); fill: none; }
.spark .bars { fill: var(--p0); }
.cause { white-space: nowrap; }
.detail > td { background: var(--ground); padding: 0.9rem; }
.facts {
  display: grid; gap: 0.35rem 1.25rem; font-size: 0.88rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr));
}
.facts dt { font-size: 0.78rem; }
table.peers { margin-top: 0.8rem; font-size: 0.88rem; min-width: 42rem; }
table.peers thead th { position: sticky; top: 0; }
table.peers th[scope=row] { font-size: 0.84rem; }
[data-failing] th[scope=row] { color: var(--bad); }
.more, .panel > button { margin-top: 0.75rem; }
#more-cards { margin-bottom: 1rem; }

/* events */
.filters { display: flex; flex-wrap: wrap; gap: 0.5rem 0.9rem; margin: 0.6rem 0;
           align-items: flex-end; }
.filters label > span { display: block; font-size: 0.78rem;
                        color: var(--muted); }
.filters .grow { flex: 1 1 14rem; }
.filters .grow input { width: 100%; }
.filters select { max-width: 14rem; }
.filters .check { display: flex; gap: 0.4rem; align-items: center;
                  min-height: 2.1rem; }
#events { border-top: 1px solid var(--line); }
#events > li { border-bottom: 1px solid var(--line); scroll-margin: 0.5rem;
               content-visibility: auto; contain-intrinsic-size: auto 2.4rem; }
#events summary {
  display: grid; gap: 0.1rem 0.9rem; padding: 0.4rem 0.25rem; cursor: pointer;
  grid-template-columns: 4.8rem 13rem minmax(0, 1fr) minmax(0, 1.2fr) 6.5rem;
  list-style: none;
}
#events summary::-webkit-details-marker { display: none; }
#events summary:hover, #events details[open] summary { background: var(--soft); }
#events time { color: var(--muted); }
#events summary span { overflow: hidden; text-overflow: ellipsis;
                       white-space: nowrap; }
#events .where b { font-weight: 550; }
#events .what { font-family: var(--mono); font-size: 0.84rem;
                line-height: 1.65; }
#events .outcome { text-align: right; }
.outcome.status { color: var(--bad); font-weight: 600; }
.outcome.rescued { color: var(--good); }
#events .body { padding: 0.6rem 0.25rem 1rem; }
.message {
  background: var(--soft); border-radius: 6px; padding: 0.5rem 0.7rem;
  font-size: 0.84rem; unicode-bidi: isolate;
}
.body .facts { margin-top: 0.7rem; }
.empty { padding: 1rem 0.25rem; color: var(--muted); }
dd, td, th, code, #events summary > *, #lede, .summary, ul.peers li {
  unicode-bidi: isolate;
}

#report { background: var(--panel); border: 1px solid var(--line);
          border-radius: 10px; padding: 1rem; overflow: auto;
          font-size: 0.84rem; }
footer { color: var(--muted); font-size: 0.85rem; padding: 0.5rem 0.25rem; }
footer nav { display: flex; gap: 1rem; margin-top: 0.8rem; }
#facts { display: flex; flex-wrap: wrap; gap: 0.3rem 1.5rem; }
#facts div { display: flex; gap: 0.4rem; }
#facts dd { color: var(--text); }
#facts[data-full] div:last-child dd { color: var(--bad); }

@media (max-width: 62rem) {
  #upstreams > thead .wide, #upstreams .upstream .wide { display: none; }
  #events summary {
    grid-template-columns: 4.8rem minmax(0, 1fr) minmax(0, 1fr) 6.5rem;
  }
  #events .what { grid-row: 2; grid-column: 2 / -1; }
}
@media (max-width: 40rem) {
  body { padding: 0 0.75rem 1.5rem; }
  h1 { font-size: 1.35rem; }
  .panel, #verdict, .card { padding: 0.85rem; }
  #numbers { display: grid; grid-template-columns: 1fr 1fr; width: 100%; }
  #upstreams > thead th:is(:nth-child(2), :nth-child(3), :nth-child(5)),
  #upstreams .upstream > :is(:nth-child(2), :nth-child(3), :nth-child(5)) {
    display: none;
  }
  .upstream th { min-width: 0; width: 60%; }
  td.trend { width: 4.5rem; }
  .detail > td { padding: 0.6rem; }
  .facts { grid-template-columns: 1fr 1fr; }
  #events > li { contain-intrinsic-size: auto 5.4rem; }
  #events summary { grid-template-columns: 1fr auto; padding: 0.55rem 0.25rem; }
  #events .where { grid-column: 1; grid-row: 2; }
  #events .what { grid-column: 1 / -1; grid-row: 3; }
  #events .outcome { grid-row: 1; grid-column: 2; }
  #events .cause { grid-row: 1; grid-column: 1; }
  #events time { grid-row: 2; grid-column: 2; font-size: 0.8rem; }
  .filters > * { flex: 1 1 100%; }
  .filters select { width: 100%; max-width: none; }
}
@media (forced-colors: active) {
  .badge, #state { border: 1px solid; }
  .p0, .p1, .p2, .p3, .p4, .p5, .p6, .p7, .p8, .p9, i[class] {
    forced-color-adjust: none;
  }
}
</style>
<script>'use strict';

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

function percent(part, whole) {
  if (!whole) {
    return '–';
  }
  const value = 100 * part / whole;
  if (part > 0 && value < 0.1) {
    return '<0.1%';
  }
  if (part < whole && value > 99.9) {
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
// The chart of the last hour, stacked by cause. A cause keeps its colour for
// as long as the page is open, and common ones have theirs for good.

const kColours = 10;
const preferred = [
  'connection_refused', 'read_timeout', 'closed_before_response',
  'error_status', 'keepalive_race', 'no_live_upstreams', 'header_too_big',
  'reset_before_response', 'connection_timeout', 'socket_missing',
];
const colours = new Map();

function colour(cause) {
  if (!colours.has(cause)) {
    const taken = new Set(colours.values());
    let index = preferred.indexOf(cause);
    for (let i = kColours - 1; i >= 0 && (index < 0 || taken.has(index)); --i) {
      index = i;
    }
    colours.set(cause, taken.has(index) ? colours.size % kColours : index);
  }
  return `p${colours.get(cause)}`;
}

function niceCeiling(n) {
  const power = 10 ** Math.floor(Math.log10(Math.max(n, 1)));
  return [1, 2, 4, 6, 8, 10].map((f) => f * power).find((f) => f >= n);
}

const chart = {
  data: null,  // {start, requests, causes: [[name, [60]], …], totals: [60]}
  at: -1,      // the minute that is pointed at
  box: {left: 40, right: 8, top: 8, bottom: 22, height: 180},
};

function chartData(history) {
  const causes = Object.entries(history.causes)
      .map(([name, counts]) => [name, counts, sum(counts)])
      .filter(([, , total]) => total > 0)
      .sort((a, b) => b[2] - a[2] || (a[0] < b[0] ? -1 : 1));
  return {
    start: history.start,
    requests: history.requests,
    causes,
    totals: history.requests.map((_, i) => sum(causes.map((c) => c[1][i]))),
  };
}

function drawChart() {
  const node = $('chart');
  const {data, box} = chart;
  const width = node.clientWidth;
  if (!data || width === 0) {
    return;
  }
  const top = niceCeiling(Math.max(...data.totals, 4));
  const plot = {width: width - box.left - box.right,
                height: box.height - box.top - box.bottom};
  const step = plot.width / data.totals.length;
  const y = (n) => box.top + plot.height * (1 - n / top);
  const parts = [];
  for (const n of [0, top / 2, top]) {
    parts.push(svg('line', {class: 'grid', x1: box.left, x2: width - box.right,
                            y1: y(n), y2: y(n)}));
    parts.push(svg('text', {class: 'axis end', x: box.left - 6, y: y(n) + 4},
                   count(n)));
  }
  const every = width < 520 ? 20 : 10;
  data.totals.forEach((_, i) => {
    const time = data.start + i * 60000;
    if (new Date(time).getMinutes() % every === 0) {
      parts.push(svg('text', {class: 'axis middle', y: box.height - 6,
                              x: box.left + (i + 0.5) * step}, clock(time)));
    }
  });
  parts.push(svg('rect', {id: 'pointed', y: box.top, height: plot.height,
                          width: step, x: box.left, visibility: 'hidden'}));
  const base = data.totals.map(() => 0);
  for (const [name, counts] of data.causes) {
    const bars = counts.map((n, i) => {
      if (n === 0) {
        return '';
      }
      const from = y(base[i]);
      base[i] += n;
      const left = box.left + i * step + Math.min(1, step / 8);
      const right = box.left + (i + 1) * step - Math.min(1, step / 8);
      return `M${left.toFixed(1)} ${from.toFixed(1)}H${right.toFixed(1)}V${
          Math.min(y(base[i]), from - 1).toFixed(1)}H${left.toFixed(1)}Z`;
    });
    parts.push(svg('path', {class: colour(name), d: bars.join('')}));
  }
  if (data.causes.length === 0) {
    parts.push(svg('text', {class: 'axis middle', x: width / 2,
                            y: box.top + plot.height / 2 - 8},
                   'No failed attempt in the last hour'));
  }
  setAttribute(node, 'viewBox', `0 0 ${width} ${box.height}`);
  node.replaceChildren(...parts);
  point(chart.at);
}

// Says what the pointed minute, or else the hour, was like.
function point(at) {
  const {data, box} = chart;
  chart.at = at;
  if (!data) {
    return;
  }
  const marker = $('pointed');
  if (marker) {
    setAttribute(marker, 'visibility', at < 0 ? 'hidden' : 'visible');
    const step = ($('chart').clientWidth - box.left - box.right) /
        data.totals.length;
    setAttribute(marker, 'x', box.left + Math.max(at, 0) * step);
  }
  const total = at < 0 ? sum(data.totals) : data.totals[at];
  const requests = at < 0 ? sum(data.requests) : data.requests[at];
  const when = at < 0 ? 'In the last hour' : clock(data.start + at * 60000);
  const causes = at < 0 ? [] : data.causes.filter((c) => c[1][at] > 0)
      .map((c) => `${words(c[0])} ${count(c[1][at])}`);
  setText($('readout'), `${when}: ${plural(total, 'failed attempt')}, ` +
      plural(requests, 'request') +
      (causes.length ? ` (${causes.join(', ')})` : ''));
}

function minuteRows(data) {
  return data.totals.map((total, i) => ({
    time: data.start + i * 60000,
    total,
    requests: data.requests[i],
    causes: data.causes.filter((c) => c[1][i] > 0)
        .map((c) => `${words(c[0])} ${count(c[1][i])}`).join(', '),
  })).filter((row) => row.total > 0).reverse();
}

function renderMinutes() {
  if (!$('minutes').open || !chart.data) {
    return;
  }
  keyed($('minutes').querySelector('tbody'), minuteRows(chart.data),
        (row) => row.time,
        (row) => el('tr', null, el('td', null, clock(row.time)),
                    el('td', {class: 'number'}), el('td', {class: 'number'}),
                    el('td')),
        (node, row) => {
          setText(node.children[1], count(row.requests));
          setText(node.children[2], count(row.total));
          setText(node.children[3], row.causes);
        });
}

function renderChart(history, chosen, choose) {
  chart.data = chartData(history);
  drawChart();
  renderMinutes();
  keyed($('legend'), chart.data.causes, (c) => c[0],
        ([name]) => el('li', null, button('', () => choose(name), {class: 'key'})),
        (node, [name, , total]) => {
          const key = node.firstElementChild;
          if (!key.firstElementChild) {
            key.append(el('i', {class: colour(name)}), el('span'), el('b'));
          }
          setText(key.children[1], words(name));
          setText(key.children[2], count(total));
          setAttribute(key, 'aria-pressed', String(name === chosen));
        });
}

function listenToChart() {
  const node = $('chart');
  const minuteAt = (event) => {
    const {left} = node.getBoundingClientRect();
    const {box, data} = chart;
    const step = (node.clientWidth - box.left - box.right) /
        data.totals.length;
    const at = Math.floor((event.clientX - left - box.left) / step);
    return at >= 0 && at < data.totals.length ? at : -1;
  };
  node.addEventListener('pointermove', (event) => {
    if (chart.data) {
      point(minuteAt(event));
    }
  });
  node.addEventListener('pointerleave', () => point(-1));
  // Spoken while it is being read, not at every refresh.
  node.addEventListener(
      'focus', () => setAttribute($('readout'), 'aria-live', 'polite'));
  node.addEventListener('blur', () => {
    setAttribute($('readout'), 'aria-live', 'off');
    point(-1);
  });
  node.addEventListener('keydown', (event) => {
    const move = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (move && chart.data) {
      const {length} = chart.data.totals;
      const from = chart.at < 0 ? (move < 0 ? length : -1) : chart.at;
      point(Math.min(Math.max(from + move, 0), length - 1));
      event.preventDefault();
    } else if (event.key === 'Escape') {
      point(-1);
    }
  });
  new ResizeObserver(drawChart).observe(node);
  $('minutes').addEventListener('toggle', renderMinutes);
}

// A row of small bars; one path, so that a thousand rows stay light.
function sparkline(node, counts) {
  const top = Math.max(...counts, 1);
  const d = counts.map((n, i) => n === 0 ? '' :
      `M${i * 2} 24V${(24 - Math.max(2, 24 * n / top)).toFixed(1)}h1.6V24Z`)
      .join('');
  setAttribute(node.lastElementChild, 'd', d);
  setAttribute(node, 'aria-label', sum(counts) === 0 ? 'none' :
      `at most ${count(top)} a minute`);
}

function makeSparkline() {
  return svg('svg', {class: 'spark', viewBox: '0 0 120 24', role: 'img',
                     preserveAspectRatio: 'none'},
             svg('path', {class: 'base', d: 'M0 23.5H120'}),
             svg('path', {class: 'bars'}));
}
// What the page shows of the data, top to bottom: verdict, cards, upstreams,
// events, footer. `now` is the server's clock.

const kPeersAtOnce = 50;
const kUpstreamsAtOnce = 100;
const kCardsAtOnce = 6;
const kStates = {
  outage: {rank: 0, label: 'Outage', sign: '✕'},
  degraded: {rank: 1, label: 'Degraded', sign: '!'},
  info: {rank: 2, label: 'Info', sign: 'i'},
  ok: {rank: 3, label: 'OK', sign: '✓'},
};
function causeTag(cause) {
  return el('span', {class: 'cause'}, el('i', {class: colour(cause)}),
            words(cause));
}

function badge(state) {
  return el('span', {class: `badge ${state}`}, kStates[state].label);
}

function since(ms, now) {
  return `since ${moment(ms, now)} (${duration(now - ms)})`;
}

// ---- verdict

function troubles(data) {
  const by = {outage: [], degraded: [], info: []};
  for (const diagnosis of data.diagnoses) {
    (by[diagnosis.severity] || by.info).push(diagnosis);
  }
  return by;
}

// "a is down", "a and b are down", "5 upstreams are down".
function say(diagnoses, one, many) {
  const names = diagnoses.map((d) => short(d.upstream));
  return names.length === 1 ? `${names[0]} ${one}` :
      `${names.length === 2 ? names.join(' and ') :
          `${names.length} upstreams`} ${many}`;
}

function verdict(data) {
  const {outage, degraded, info} = troubles(data);
  if (outage.length) {
    return ['outage', say(outage, 'is down', 'are down') +
        (degraded.length ? `, ${degraded.length} more degraded` : '')];
  }
  if (degraded.length) {
    return ['degraded', say(degraded, 'fails in part', 'fail in part')];
  }
  if (info.length && info.every((d) => d.pattern === 'recovered')) {
    return ['ok', say(info, 'has recovered', 'have recovered')];
  }
  if (info.length) {
    return ['ok', 'No upstream is failing steadily now'];
  }
  if (data.totals.requests === 0) {
    return ['ok', 'No requests yet'];
  }
  return ['ok', sum(Object.values(data.totals.history.causes).flat()) === 0 ?
      'No failures in the last hour' : 'All upstreams answer'];
}

function lede(data, now) {
  const worst = data.diagnoses[0];
  if (worst) {
    const [peer, ...others] = worst.peers;
    return [
      data.diagnoses.length > 1 ? short(worst.upstream) : null,
      words(worst.cause),
      peer && peer !== worst.upstream ? peer : null,
      others.length ? `${plural(others.length, 'more peer')}` : null,
      worst.since ? since(worst.since, now) : null,
    ].filter(Boolean).join(', ');
  }
  const event = data.events[0];
  if (event) {
    return `The last failure was ${duration(now - event.time)} ago: ` +
        `${event.upstream}, ${words(event.cause)}.`;
  }
  return `Counting ${since(data.server.start_time, now)}.`;
}

function renderVerdict(data, now) {
  const [state, headline] = verdict(data);
  setAttribute($('verdict'), 'data-state', state);
  setText($('state'), kStates[state].sign);
  setText($('headline'), headline);
  setText($('lede'), lede(data, now));
  const {history} = data.totals;
  const requests = sum(history.requests);
  const failed = sum(Object.values(history.causes).flat());
  const seen = sum(data.upstreams.map((u) => sum(u.history.responses_502)));
  definitions($('numbers'), [
    ['Requests, 1 h', count(requests)],
    ['Failed attempts, 1 h', count(failed)],
    ['502s to clients, 1 h', count(seen)],
    ['Rescued, all time', count(data.totals.rescued)],
  ]);
  renderTab(state, headline, data.server.hostname);
}

function renderTab(state, headline, host) {
  document.title = clean(`${headline} – ${host}`);
  const fillColour = {outage: '%23d92d20', degraded: '%23e08b00',
                      ok: '%2317915b'}[state];
  setAttribute(document.querySelector('link[rel=icon]'), 'href',
               'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" ' +
               `viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${
                   fillColour}"/></svg>`);
}

// ---- cards

async function copy(text, node) {
  try {
    await navigator.clipboard.writeText(text);
    node.textContent = 'Copied';
  } catch {  // not a secure context: leave it to the keyboard
    const range = document.createRange();
    range.selectNodeContents(node.previousElementSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    node.textContent = document.execCommand('copy') ? 'Copied' : 'Selected';
  }
  setTimeout(() => {
    node.textContent = 'Copy';
  }, 1500);
}

function makeCheck(check) {
  // What follows a command as a comment explains it.
  const [command, ...why] = check.split(/(?=  # )/);
  // Lines break between words, not behind an option's dash.
  const words = command.split(/( +)/).map((word) => word.trim() === '' ? word :
      el('span', {class: 'word'}, word));
  const code = el('code', null, ...words, why.length === 0 ? null :
      el('span', {class: 'why'}, why.join('')));
  const node = button('Copy', () => copy(check, node),
                      {'aria-label': clean(`Copy: ${check}`)});
  return el('li', null, code, node);
}

function makeCard() {
  return el('article', {class: 'card'},
            el('header', null, el('span'), el('h2'),
               el('span', {class: 'tags'})),
            el('p', {class: 'summary'}), el('p', {class: 'hint'}),
            el('ul', {class: 'peers', 'aria-label': 'Failing peers'}),
            el('ul', {class: 'checks', 'aria-label': 'What to check'}));
}

function updateCard(node, d, now, reveal) {
  const [head, summary, hint, peers, checks] = node.children;
  setAttribute(node, 'data-state', d.severity);
  if (head.dataset.state !== d.severity) {
    head.dataset.state = d.severity;
    head.children[0].replaceWith(badge(d.severity));
  }
  if (!head.children[1].firstElementChild) {
    head.children[1].append(
        button(d.upstream, () => reveal(d.upstream), {class: 'link'}));
  }
  const tags = [words(d.cause) +
      (d.share < 0.995 ? ` (${percent(d.share, 1)} of failures)` : '')];
  // Too few failures make no pattern.
  if (d.severity === 'info' ? d.pattern === 'recovered' :
      d.pattern !== d.severity) {
    tags.unshift(words(d.pattern));
  }
  if (d.since) {
    tags.push(since(d.since, now));
  }
  setText(head.children[2], tags.join(' · '));
  setText(summary, sentence(d.summary));
  setText(hint, sentence(d.hint));
  keyed(peers, d.peers, (peer) => peer, (peer) => el('li', null, peer));
  keyed(checks, d.checks, (check) => check, makeCheck);
}

function renderCards(data, now, view) {
  const {diagnoses} = data;
  keyed($('cards'), diagnoses.slice(0, view.cardsShown), (d) => d.upstream,
        makeCard, (node, d) => updateCard(node, d, now, view.reveal));
  const more = $('more-cards');
  more.hidden = diagnoses.length <= view.cardsShown;
  setText(more, `Show all ${diagnoses.length} diagnoses`);
}

// ---- upstreams

const minutes5 = (list) => last(list, 5);

function upstreamRows(data) {
  const state = new Map(data.diagnoses.map((d) => [d.upstream, d.severity]));
  return data.upstreams.map((u) => ({
    u,
    name: u.name,
    state: state.get(u.name) || 'ok',
    requests: sum(u.history.requests),
    failures: sum(u.history.failures),
    now: minutes5(u.history.responses_502) /
        (minutes5(u.history.requests) || 1),
    hour: sum(u.history.responses_502) / (sum(u.history.requests) || 1),
    cause: (byCount(u.causes)[0] || [])[0],
  }));
}

// Worst first, unless another order was asked for.
function sortRows(rows, sort) {
  const byName = (a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  const orders = {
    '': (a, b) => kStates[a.state].rank - kStates[b.state].rank ||
        Math.sign(b.failures) - Math.sign(a.failures) || byName(a, b),
    name: byName,
  };
  return rows.sort(orders[sort] ||
                   ((a, b) => b[sort] - a[sort] || byName(a, b)));
}

function makeUpstream(row, toggle) {
  const opener = button('', () => toggle(row.name),
                        {class: 'opener', 'aria-expanded': 'false'});
  opener.append(el('span', {class: 'name'}));
  return el('tr', {class: 'upstream'},
            el('th', {scope: 'row'}, opener, el('span', {class: 'about'})),
            ...Array.from({length: 4}, () => el('td', {class: 'number'})),
            el('td', {class: 'wide'}), el('td', {class: 'trend'},
                                          makeSparkline()));
}

function updateUpstream(node, row, open) {
  const {u} = row;
  const [name, requests, failures, now, hour, cause, trend] = node.children;
  const [opener, about] = name.children;
  setAttribute(node, 'data-state', row.state);
  setAttribute(opener, 'aria-expanded', String(open));
  setText(opener.firstElementChild, row.name);
  setText(about, (row.state === 'ok' ? '' : `${kStates[row.state].label} · `) +
      `${u.protocol} · ${plural(u.peers.length, 'peer')}`);
  setText(requests, count(row.requests));
  setText(failures, count(row.failures));
  setText(now, percent(minutes5(u.history.responses_502),
                       minutes5(u.history.requests)));
  setText(hour, percent(sum(u.history.responses_502), row.requests));
  setAttribute(failures, 'data-hot', row.state === 'outage' || null);
  setAttribute(now, 'data-hot', row.now > 0 || null);
  if (cause.dataset.cause !== (row.cause || '')) {
    cause.dataset.cause = row.cause || '';
    cause.replaceChildren(row.cause ? causeTag(row.cause) : '–');
  }
  sparkline(trend.firstElementChild, u.history.failures);
}

// The bounds of the bucket that holds the given part of all failures.
function quantile(histogram, part) {
  let left = histogram.count * part;
  for (let i = 0; i < histogram.counts.length; ++i) {
    left -= histogram.counts[i];
    if (left <= 0) {
      return i < histogram.le.length ? `≤ ${histogram.le[i]} ms` :
          `> ${histogram.le[i - 1]} ms`;
    }
  }
  return '–';
}

const listCounts = (counts) =>
    byCount(counts).map(([name, n]) => `${words(name)} ${count(n)}`)
        .join(', ') || 'none';

function renderDetail(row, {u}, now, more) {
  const cell = row.firstElementChild;
  if (!cell.firstElementChild) {
    cell.append(
        el('dl', {class: 'facts'}),
        el('div', {class: 'scroll', tabindex: 0, role: 'group',
                   'aria-label': clean(`Peers of ${u.name}`)},
           el('table', {class: 'peers'},
           el('thead', null, el('tr', null,
              ...['Peer', 'Attempts', 'Failed', 'Share', 'Causes',
                  'Last failure', 'Last success']
                  .map((name, i) => el('th', {scope: 'col',
                       class: i > 0 && i < 4 ? 'number' : null}, name)))),
           el('tbody'))),
        button('', () => more(u.name), {class: 'more'}));
  }
  const [facts, scroll, button1] = cell.children;
  definitions(facts, [
    ['Requests', count(u.requests)], ['Attempts', count(u.attempts)],
    ['Failed attempts', count(u.failures)], ['Rescued', count(u.rescued)],
    ['Responses', Object.entries(u.responses).filter(([, n]) => n > 0)
        .map(([code, n]) => `${code}: ${count(n)}`).join(', ') || 'none'],
    ['Causes', listCounts(u.causes)],
    ['errno', listCounts(u.errno_classes)],
    ['Time to failure', u.time_to_failure.count === 0 ? undefined :
        `half ${quantile(u.time_to_failure, 0.5)}, 95% ${
            quantile(u.time_to_failure, 0.95)}`],
  ]);
  const shown = more.shown(u.name);
  const peers = [...u.peers].sort(
      (a, b) => b.failures - a.failures || (a.addr < b.addr ? -1 : 1));
  keyed(scroll.querySelector('tbody'), peers.slice(0, shown),
        (peer) => peer.addr, makePeer,
        (node, peer) => updatePeer(node, peer, now));
  button1.hidden = peers.length <= shown;
  setText(button1, `Show ${Math.min(peers.length - shown, 200)} more of ${
      plural(peers.length, 'peer')}`);
}

function makePeer(peer) {
  return el('tr', null, el('th', {scope: 'row'}, peer.addr),
            ...Array.from({length: 3}, () => el('td', {class: 'number'})),
            el('td'), el('td'), el('td'));
}

const ago = (ms, now) =>
    ms === null ? 'never' : `${duration(now - ms)} ago`;

function updatePeer(node, peer, now) {
  const cells = node.children;
  const failing = peer.failures > 0 &&
      (peer.last_success === null || peer.last_success < peer.last_failure);
  setAttribute(node, 'data-failing', failing || null);
  setText(cells[1], count(peer.attempts));
  setText(cells[2], count(peer.failures));
  setText(cells[3], percent(peer.failures, peer.attempts));
  setText(cells[4], peer.failures === 0 ? '–' : listCounts(peer.causes));
  setText(cells[5], ago(peer.last_failure, now));
  setText(cells[6], ago(peer.last_success, now));
}

function renderUpstreams(data, now, view) {
  const rows = sortRows(upstreamRows(data), view.sort);
  const shown = rows.filter(
      (row, i) => i < view.upstreamsShown || view.open.has(row.name));
  setText($('upstream-count'), plural(rows.length, 'upstream'));
  for (const th of $('upstreams').tHead.rows[0].cells) {
    setAttribute(th, 'aria-sort', th.dataset.sort !== view.sort ? null :
        view.sort === 'name' ? 'ascending' : 'descending');
  }
  const items = shown.flatMap((row) => view.open.has(row.name) ?
      [{row}, {row, detail: true}] : [{row}]);
  keyed($('upstreams').tBodies[0], items,
        (item) => (item.detail ? 'd' : 'u') + item.row.name,
        (item) => item.detail ?
            el('tr', {class: 'detail'}, el('td', {colspan: 7})) :
            makeUpstream(item.row, view.toggle),
        (node, item) => item.detail ?
            renderDetail(node, item.row, now, view.more) :
            updateUpstream(node, item.row, view.open.has(item.row.name)));
  const more = $('more-upstreams');
  more.hidden = shown.length === rows.length;
  setText(more, `Show all ${plural(rows.length, 'upstream')}`);
}
// The list of events and its filters, and the footer.

function matches(event, filter) {
  if ((filter.cause && event.cause !== filter.cause) ||
      (filter.only && event.upstream !== filter.only) ||
      (filter.seen && event.rescued)) {
    return false;
  }
  if (!filter.q) {
    return true;
  }
  if (event.haystack === undefined) {
    event.haystack = Object.values(event).join('\n').toLowerCase() +
        `\n${words(event.cause)}`;
  }
  return filter.q.toLowerCase().split(/\s+/)
      .every((word) => event.haystack.includes(word));
}

function outcome(event) {
  if (event.rescued) {
    return ['rescued', `rescued${
        event.client_status ? ` ${event.client_status}` : ''}`];
  }
  return ['status', event.client_status === null ? '–' :
      String(event.client_status)];
}

function makeEvent(event, now, view) {
  const [kind, text] = outcome(event);
  const summary = el('summary', null,
      el('time', {datetime: new Date(event.time).toISOString()}),
      causeTag(event.cause),
      el('span', {class: 'where'}, el('b', null, event.upstream),
         event.peer && event.peer !== event.upstream ? ` → ${clean(event.peer)}`
                                                     : ''),
      el('span', {class: 'what'},
         [event.method, event.uri].filter(Boolean).join(' ')),
      el('span', {class: `outcome ${kind}`}, text));
  const details = el('details', null, summary, el('div', {class: 'body'}));
  details.addEventListener('toggle', () => {
    if (details.open) {
      fillEvent(details.lastElementChild, event);
    }
    view.eventToggled(event, details.open);
  });
  return el('li', null, details);
}

function updateEvent(node, event, now, view) {
  const details = node.firstElementChild;
  setText(details.querySelector('time'), moment(event.time, now));
  if (view.openEvents.has(event.id) && !details.open) {
    details.open = true;
  }
}

const yes = (value) => value ? 'yes' : 'no';

// What decided, in its unit: a buffer or a timeout.
function limitOf(event) {
  if (event.limit === null || event.limit === undefined) {
    return undefined;
  }
  return event.cause === 'header_too_big' ? bytes(event.limit) :
      seconds(event.limit);
}

function fillEvent(body, event) {
  if (body.firstElementChild) {
    return;
  }
  const link = el('a', {href: `#event=${event.id}`}, `#${event.id}`);
  const facts = el('dl', {class: 'facts'});
  body.append(el('p', {class: 'message'},
                 event.message || '(nginx logged nothing)'),
              el('p', {class: 'hint'}, sentence(event.hint)), facts);
  const or = (value) => value === null ? '–' : value;
  definitions(facts, [
    ['Event', link],
    ['Time', new Date(event.time).toISOString()],
    ['Upstream', event.upstream], ['Peer', or(event.peer)],
    ['Protocol', event.protocol],
    ['Cause', event.cause], ['Phase', event.phase],
    ['errno', event.errno === null ? '–' :
        `${event.errno} ${event.errno_name || ''} (${event.errno_class})`],
    ['Attempt', event.attempt === 0 ? 'none was made' :
        `${event.attempt} of ${event.attempts}`],
    ['Noted status', or(event.status)],
    ['Received status', or(event.received_status)],
    ['Client got', or(event.client_status)],
    ['Rescued', yes(event.rescued)],
    ['Connected after', seconds(event.connect_time)],
    ['Header after', seconds(event.header_time)],
    ['Failed after', seconds(event.response_time)],
    ['Limit', limitOf(event)],
    ['Sent', bytes(event.bytes_sent)],
    ['Received', bytes(event.bytes_received)],
    ['Reused connection', yes(event.reused)],
    ['Method', or(event.method)], ['Host', or(event.host)],
    ['URI', or(event.uri)], ['Request id', or(event.request_id)],
  ]);
}

// The options stay as they are unless the names changed.
function options(node, all, names, chosen) {
  const list = [...new Set([...names, ...(chosen ? [chosen] : [])])].sort();
  keyed(node, ['', ...list], (name) => name,
        (name) => el('option', {value: name},
                     name === '' ? all :
                     node.id === 'filter-cause' ? words(name) : name));
  if (node.value !== chosen) {
    node.value = chosen;
  }
}

function renderEvents(data, now, view) {
  const {filter} = view;
  options($('filter-cause'), 'any', Object.keys(data.totals.causes),
          filter.cause);
  options($('filter-upstream'), 'any', data.upstreams
      .filter((u) => u.failures > 0).map((u) => u.name), filter.only);
  // An event that is open stays, even if newer ones have pushed it out.
  const known = new Set(data.events.map((event) => event.id));
  const events = [...data.events, ...[...view.pinned.values()]
      .filter((event) => !known.has(event.id))].sort((a, b) => b.id - a.id);
  const shown = events.filter((event) => matches(event, filter));
  keyed($('events'), shown, (event) => event.id,
        (event) => makeEvent(event, now, view),
        (node, event) => updateEvent(node, event, now, view));
  const filtered = filter.q || filter.cause || filter.only || filter.seen;
  setText($('event-count'), filtered ?
      `${count(shown.length)} of ${count(events.length)} loaded` :
      `the newest ${count(shown.length)} of ${
          count(data.zone.events)} on record`);
  $('clear').hidden = !filtered;
  $('no-events').hidden = shown.length > 0;
  setText($('no-events'), filtered ? 'No event fits.' :
      'No failed attempt is on record.');
  const more = $('more-events');
  more.hidden = data.events.length < view.limit ||
      view.limit >= data.zone.events_max;
  setText(more, 'Load more');
}

function renderFooter(data, now) {
  const {server, zone} = data;
  setText($('host'), server.hostname);
  definitions($('facts'), [
    ['nginx', server.nginx_version], ['Module', server.module_version],
    ['Process', server.pid],
    ['Counting', since(server.start_time, now)],
    ['Configuration', `number ${server.generation}, ${
        since(server.load_time, now)}`],
    ['Zone', `${zone.name}, ${bytes(zone.size)}`],
    ['Peers', `${count(zone.peers)} of ${count(zone.peers_max)}`],
    ['Events', `${count(zone.events)} of ${count(zone.events_max)}`],
    ['Overflow', zone.overflow === 0 ? 'none' :
        `${count(zone.overflow)} times: raise the size of upstream_502_zone`],
  ]);
  setAttribute($('facts'), 'data-full', zone.overflow > 0 || null);
}
// State, the address bar, and the loop that keeps the page fresh.

const kInterval = 5000;
const kStale = 4 * kInterval;
const kLimit = 100;  // as the server's own default

const view = {
  sort: '',
  open: new Set(),        // upstreams
  openEvents: new Set(),  // ids
  pinned: new Map(),      // open events by id
  peersShown: new Map(),  // by upstream
  upstreamsShown: kUpstreamsAtOnce,
  cardsShown: kCardsAtOnce,
  limit: kLimit,
  filter: {q: '', cause: '', only: '', seen: false},
};

const feed = {
  data: null,
  loadedAt: 0,   // this machine's clock, monotonic
  failedAt: 0,
  problem: '',
  paused: false,
  timer: 0,
  loading: null,
};

// ---- the address bar: #upstream=app&cause=read_timeout&event=17

function readHash() {
  const params = new URLSearchParams(location.hash.slice(1));
  const all = (name) => params.getAll(name).filter(Boolean);
  view.open = new Set(all('upstream'));
  view.openEvents = new Set(all('event').map(Number));
  view.filter = {q: params.get('q') || '', cause: params.get('cause') || '',
                 only: params.get('in') || '', seen: params.has('seen')};
  view.sort = params.get('sort') || '';
  $('search').value = view.filter.q;
  $('filter-seen').checked = view.filter.seen;
}

function writeHash() {
  const params = new URLSearchParams();
  const {filter} = view;
  view.open.forEach((name) => params.append('upstream', name));
  view.openEvents.forEach((id) => params.append('event', id));
  for (const [name, value] of [['q', filter.q], ['cause', filter.cause],
                               ['in', filter.only], ['sort', view.sort]]) {
    if (value) {
      params.set(name, value);
    }
  }
  if (filter.seen) {
    params.set('seen', '1');
  }
  const hash = params.toString();
  history.replaceState(null, '', location.pathname + location.search +
      (hash ? `#${hash}` : ''));
}

// ---- drawing

// The server's time now: its clock counts, not this machine's.
function serverNow() {
  return feed.data.server.time + performance.now() - feed.loadedAt;
}

function renderAll() {
  const {data} = feed;
  if (data) {
    const now = serverNow();
    renderVerdict(data, now);
    renderCards(data, now, view);
    renderChart(data.totals.history, view.filter.cause, chooseCause);
    renderUpstreams(data, now, view);
    renderEvents(data, now, view);
    renderFooter(data, now);
  }
  renderFreshness();
}

function renderFreshness() {
  const age = performance.now() - feed.loadedAt;
  const stale = Boolean(feed.data) && age > kStale && !feed.paused;
  let text = '';
  if (feed.data) {
    text = `${feed.paused ? 'Paused, from' : 'Updated'} ${
        clock(Date.now() - age, true)}`;
    if (stale) {
      text += ` (${duration(age)} old)`;
    }
  }
  setText($('freshness'), text);
  document.documentElement.toggleAttribute('data-stale', stale);
  const problem = feed.problem || (stale ? 'The data is old.' : '');
  $('problem').hidden = problem === '';
  setText($('problem'), problem);
}

function changed() {
  writeHash();
  renderAll();
}

view.toggle = (name) => {
  if (!view.open.delete(name)) {
    view.open.add(name);
  }
  changed();
};

view.more = (name) => {
  view.peersShown.set(name, view.more.shown(name) + 200);
  renderAll();
};
view.more.shown = (name) => view.peersShown.get(name) || kPeersAtOnce;

view.eventToggled = (event, open) => {
  if (view.openEvents.has(event.id) !== open) {
    view.openEvents[open ? 'add' : 'delete'](event.id);
    writeHash();
  }
  if (open) {
    view.pinned.set(event.id, event);
  } else {
    view.pinned.delete(event.id);
  }
};

view.reveal = (name) => {
  view.open.add(name);
  changed();
  const node = $('upstreams').tBodies[0].nodesByKey.get(`u${name}`);
  if (node) {
    node.scrollIntoView({block: 'start'});
    node.querySelector('button').focus({preventScroll: true});
  }
};

// A cause's events may be rare: the server is asked for them by name.
function chooseCause(name) {
  view.filter.cause = view.filter.cause === name ? '' : name;
  changed();
  load();
}

// ---- loading

function source(cause) {
  const params = new URLSearchParams(location.search);
  params.set('format', 'json');
  params.set('limit', view.limit);
  if (cause) {
    params.set('cause', cause);
  }
  return `${location.pathname}?${params}`;
}

async function request(signal, cause) {
  const response = await fetch(source(cause), {
    signal, cache: 'no-store', headers: {Accept: 'application/json'}});
  if (!response.ok) {
    throw new Error(`the server answered ${response.status} ${
        sentence((await response.text()).slice(0, 200))}`);
  }
  const body = await response.text();
  // A location may be set to answer with this page only: it brings the data.
  const json = (response.headers.get('Content-Type') || '').includes('json');
  return JSON.parse(json ? body : dataIn(
      new DOMParser().parseFromString(body, 'text/html')));
}

// A filter is for the events alone: the verdict stays that of everything.
async function requestAll(signal) {
  const {cause} = view.filter;
  const [data, chosen] = await Promise.all(
      [request(signal), cause ? request(signal, cause) : null]);
  return chosen ? {...data, events: chosen.events} : data;
}

function dataIn(page) {
  const node = page.getElementById('data');
  if (!node) {
    throw new Error('the answer is not the status page\'s');
  }
  return node.textContent;
}

function failed(error) {
  feed.failedAt = feed.failedAt || Date.now();
  const why = error.name === 'TypeError' || error.name === 'TimeoutError' ?
      'the server does not answer' : error.message;
  feed.problem = `Not up to date since ${clock(feed.failedAt, true)}: ${
      sentence(why).replace(/^T/, 't')} Trying again.`;
}

function accept(data) {
  const first = !feed.data;
  Object.assign(feed, {data, loadedAt: performance.now(), failedAt: 0,
                       problem: ''});
  renderAll();
  if (first) {
    goToTarget();
  }
}

async function load() {
  clearTimeout(feed.timer);
  if (feed.loading) {
    feed.loading.abort();
  }
  const loading = new AbortController();
  feed.loading = loading;
  const timeout = setTimeout(() => {
    loading.abort(new DOMException('timeout', 'TimeoutError'));
  }, 2 * kInterval);
  try {
    accept(await requestAll(loading.signal));
  } catch (error) {
    if (feed.loading === loading) {
      failed(error);
      renderAll();
    }
  }
  clearTimeout(timeout);
  if (feed.loading === loading) {
    feed.loading = null;
    schedule();
  }
}

function schedule() {
  clearTimeout(feed.timer);
  if (!feed.paused && !document.hidden) {
    feed.timer = setTimeout(load, kInterval);
  }
}

// Brings what a link names into sight, once.
function goToTarget() {
  const [event] = view.openEvents;
  const [name] = view.open;
  const node = event !== undefined ? $('events').nodesByKey.get(event) :
      $('upstreams').tBodies[0].nodesByKey.get(`u${name}`);
  if (node) {
    node.scrollIntoView({block: 'start'});
  }
}

// ---- listening

function listenToFilters() {
  const set = (name, value) => {
    view.filter[name] = value;
    changed();
  };
  $('search').addEventListener('input', (e) => set('q', e.target.value.trim()));
  $('filter-upstream').addEventListener(
      'change', (e) => set('only', e.target.value));
  $('filter-seen').addEventListener(
      'change', (e) => set('seen', e.target.checked));
  $('filter-cause').addEventListener('change', (e) => {
    set('cause', e.target.value);
    load();
  });
  $('clear').addEventListener('click', () => {
    const reload = view.filter.cause !== '';
    view.filter = {q: '', cause: '', only: '', seen: false};
    $('search').value = '';
    $('filter-seen').checked = false;
    changed();
    $('search').focus();
    if (reload) {
      load();
    }
  });
  // Counts are spoken while somebody filters, not at every refresh.
  const filters = document.querySelector('.filters');
  for (const [type, live] of [['focusin', 'polite'], ['focusout', 'off']]) {
    filters.addEventListener(
        type, () => setAttribute($('event-count'), 'aria-live', live));
  }
}

function listenToLists() {
  for (const th of $('upstreams').tHead.rows[0].cells) {
    const {sort} = th.dataset;
    if (sort) {
      const sorter = button('', () => {
        view.sort = view.sort === sort ? '' : sort;
        changed();
      }, {class: 'sorter'});
      sorter.append(...th.childNodes);
      th.append(sorter);
    }
  }
  for (const [id, limit] of [['more-upstreams', 'upstreamsShown'],
                             ['more-cards', 'cardsShown']]) {
    $(id).addEventListener('click', () => {
      view[limit] = Infinity;
      renderAll();
    });
  }
  $('more-events').addEventListener('click', () => {
    view.limit *= 5;
    load();
  });
}

function listenToFeed() {
  $('refresh').addEventListener('click', load);
  $('pause').addEventListener('click', () => {
    feed.paused = !feed.paused;
    setAttribute($('pause'), 'aria-pressed', String(feed.paused));
    if (feed.paused) {
      schedule();
      renderFreshness();
    } else {
      load();
    }
  });
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && !feed.paused) {
      load();
    }
  });
  window.addEventListener('hashchange', () => {
    readHash();
    renderAll();
    goToTarget();
  });
  setInterval(() => {
    if (!document.hidden) {
      renderFreshness();
    }
  }, 1000);
}

document.addEventListener('DOMContentLoaded', () => {
  for (const link of document.querySelectorAll('a[data-format]')) {
    const params = new URLSearchParams(location.search);
    params.set('format', link.dataset.format);
    link.href = `?${params}`;
  }
  readHash();
  listenToChart();
  listenToFilters();
  listenToLists();
  listenToFeed();
  accept(JSON.parse(dataIn(document)));
  if (view.filter.cause) {
    load();
  } else {
    schedule();
  }
});
</script>
</head>
<body>
<header>
  <p class="brand">Upstream failures <span id="host"></span></p>
  <p id="freshness"></p>
  <div class="buttons">
    <button type="button" id="refresh">Refresh</button>
    <button type="button" id="pause" aria-pressed="false">Pause</button>
  </div>
</header>

<p id="problem" role="alert" hidden></p>

<main id="app">
  <section id="verdict" aria-labelledby="headline">
    <div class="say">
      <p id="state" aria-hidden="true"></p>
      <div>
        <div role="status"><h1 id="headline">Loading…</h1></div>
        <p id="lede"></p>
      </div>
    </div>
    <dl id="numbers"></dl>
  </section>

  <section aria-label="Diagnoses">
    <div id="cards"></div>
    <button type="button" id="more-cards" hidden></button>
  </section>

  <section class="panel" aria-labelledby="h-chart">
    <h2 id="h-chart">Failed attempts by cause</h2>
    <p class="note">last 60 minutes</p>
    <p id="readout"></p>
    <svg id="chart" role="img" tabindex="0"
         aria-labelledby="h-chart" aria-describedby="readout"></svg>
    <ul id="legend" aria-label="Causes; choose one to see its events"></ul>
    <details id="minutes">
      <summary>As a table</summary>
      <div class="scroll" tabindex="0" role="group"
           aria-label="Failed attempts by minute"><table>
        <thead><tr><th scope="col">Minute</th>
          <th scope="col" class="number">Requests</th>
          <th scope="col" class="number">Failed attempts</th><th scope="col">Causes</th></tr>
        </thead>
        <tbody></tbody>
      </table></div>
    </details>
  </section>

  <section class="panel" aria-labelledby="h-upstreams">
    <h2 id="h-upstreams">Upstreams</h2>
    <p class="note" id="upstream-count"></p>
    <table id="upstreams">
      <thead><tr>
        <th scope="col" data-sort="name">Upstream</th>
        <th scope="col" data-sort="requests" class="number">Requests
          <small>1 h</small></th>
        <th scope="col" data-sort="failures" class="number">Failed
          <small>1 h</small></th>
        <th scope="col" data-sort="now" class="number">502s
          <small>5 min</small></th>
        <th scope="col" data-sort="hour" class="number">502s
          <small>1 h</small></th>
        <th scope="col" class="wide">Main cause <small>all time</small></th>
        <th scope="col" class="trend">Failures <small>1 h</small></th>
      </tr></thead>
      <tbody></tbody>
    </table>
    <button type="button" id="more-upstreams" hidden></button>
  </section>

  <section class="panel" aria-labelledby="h-events">
    <h2 id="h-events">Events</h2>
    <p class="note" id="event-count"></p>
    <div class="filters" role="search" aria-label="Filter the events">
      <label class="grow"><span>Search</span>
        <input id="search" type="search" autocomplete="off" spellcheck="false"
               placeholder="peer, path, message, request id …"></label>
      <label><span>Cause</span>
        <select id="filter-cause"></select></label>
      <label><span>Upstream</span>
        <select id="filter-upstream"></select></label>
      <label class="check"><input id="filter-seen" type="checkbox">
        <span>only what clients saw</span></label>
      <button type="button" id="clear" hidden>Clear</button>
    </div>
    <ul id="events"></ul>
    <p id="no-events" class="empty" hidden></p>
    <button type="button" id="more-events" hidden></button>
  </section>
</main>

<pre id="report" tabindex="0" aria-label="Report as text">)page";

inline constexpr absl::string_view kPageAfterReport = R"page(</pre>

<footer>
  <dl id="facts"></dl>
  <nav aria-label="Other formats">
    <a data-format="json" href="?format=json">JSON</a>
    <a data-format="text" href="?format=text">Text</a>
    <a data-format="prometheus" href="?format=prometheus">Metrics</a>
  </nav>
</footer>
<script type="application/json" id="data">)page";

inline constexpr absl::string_view kPageAfterData = R"page(</script>
</body>
</html>
)page";

}  // namespace upstream_502

#endif  // UPSTREAM_502_CORE_PAGE_DATA_H_
