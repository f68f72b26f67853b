// The chart of the window that was chosen, stacked by cause. A cause keeps its colour for
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
  at: -1,      // the minute or hour that is pointed at
  span: 'hour',
  box: {left: 40, right: 8, top: 8, bottom: 22, height: 180},
};

function chartData(history) {
  const causes = Object.entries(history.causes)
      .map(([name, counts]) => [name, counts, sum(counts)])
      .filter(([, , total]) => total > 0)
      .sort((a, b) => b[2] - a[2] || (a[0] < b[0] ? -1 : 1));
  return {
    start: history.start,
    interval: history.interval_ms,
    requests: history.requests,
    causes,
    totals: history.requests.map((_, i) => sum(causes.map((c) => c[1][i]))),
  };
}

// The window that a history is of.
function windowOf({interval_ms, requests}) {
  return interval_ms === 60000 ? '1h' : requests.length > 24 ? '7d' : '1d';
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
  data.totals.forEach((_, i) => {
    const time = data.start + i * data.interval;
    if (isMarked(new Date(time), data, width < 520)) {
      parts.push(svg('text', {class: 'axis middle', y: box.height - 6,
                              x: box.left + (i + 0.5) * step},
                     data.totals.length > 100 ? day(time) : clock(time)));
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
                   `No failed attempt in the last ${chart.span}`));
  }
  setAttribute(node, 'viewBox', `0 0 ${width} ${box.height}`);
  node.replaceChildren(...parts);
  point(chart.at);
}

// Which of the spans have their time below them.
function isMarked(time, data, narrow) {
  if (data.interval === 60000) {
    return time.getMinutes() % (narrow ? 20 : 10) === 0;
  }
  return data.totals.length > 100 ? time.getHours() === 12 :
      time.getHours() % (narrow ? 6 : 3) === 0;
}

// Says what the pointed span, or else the window, was like.
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
  const when = at < 0 ? `In the last ${chart.span}` : spanAt(data, at);
  const causes = at < 0 ? [] : data.causes.filter((c) => c[1][at] > 0)
      .map((c) => `${words(c[0])} ${count(c[1][at])}`);
  setText($('readout'), `${when}: ${plural(total, 'failed attempt')}, ` +
      plural(requests, 'request') +
      (causes.length ? ` (${causes.join(', ')})` : ''));
}

function spanAt(data, i) {
  const time = data.start + i * data.interval;
  return data.totals.length > 100 ? `${day(time)} ${clock(time)}` : clock(time);
}

function minuteRows(data) {
  return data.totals.map((total, i) => ({
    time: spanAt(data, i),
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
        (row) => el('tr', null, el('td', null, row.time),
                    el('td', {class: 'number'}), el('td', {class: 'number'}),
                    el('td')),
        (node, row) => {
          setText(node.children[1], count(row.requests));
          setText(node.children[2], count(row.total));
          setText(node.children[3], row.causes);
        });
}

function renderChart(history, span, chosen, choose) {
  chart.data = chartData(history);
  chart.span = span;
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

// A row of small bars; one path, so that a thousand rows stay light. `most`
// says what the highest one is of.
function sparkline(node, counts, most) {
  const top = Math.max(...counts, 1);
  const d = counts.map((n, i) => n === 0 ? '' :
      `M${i * 2} 24V${(24 - Math.max(2, 24 * n / top)).toFixed(1)}h1.6V24Z`)
      .join('');
  setAttribute(node.lastElementChild, 'd', d);
  setAttribute(node, 'aria-label', counts.length === 0 ? 'not known' :
      sum(counts) === 0 ? 'none' : most(count(top)));
}

function makeSparkline() {
  return svg('svg', {class: 'spark', viewBox: '0 0 120 24', role: 'img',
                     preserveAspectRatio: 'none'},
             svg('path', {class: 'base', d: 'M0 23.5H120'}),
             svg('path', {class: 'bars'}));
}
