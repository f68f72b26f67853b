// Incidents: a time line over the window that the chart shows, and a list whose
// entries open to the facts, the events still on record, and a text to paste.

const kWindows = {'1h': ['last 60 minutes', 'hour', 3600000],
                  '1d': ['last 24 hours', 'day', 86400000],
                  '7d': ['last 7 days', 'week', 604800000]};
const strip = {left: 40, right: 8, height: 34};

// Where it lies on the time line of the chart above: both have one scale.
function renderStrip(incidents, now, view) {
  const node = $('strip');
  const width = node.clientWidth;
  if (width === 0) {
    return;
  }
  const [, , span] = kWindows[view.window];
  const room = width - strip.left - strip.right;
  const x = (time) =>
      strip.left + room * Math.min(Math.max(1 - (now - time) / span, 0), 1);
  const shown = incidents.filter((one) => one.end >= now - span);
  const bars = shown.map((one) => {
    const end = one.state === 'open' ? now : one.end;
    const left = Math.min(x(one.start), width - strip.right - 4);
    const bar = svg('rect', {class: one.state, x: left.toFixed(1), y: 6,
                             width: Math.max(x(end) - left, 4).toFixed(1),
                             height: strip.height - 12, rx: 2},
                    svg('title', null, `#${one.id} ${one.upstream}`));
    bar.addEventListener('click', () => view.showIncident(one.id));
    return bar;
  });
  setAttribute(node, 'viewBox', `0 0 ${width} ${strip.height}`);
  setAttribute(node, 'aria-label', shown.length === 0 ?
      `No incident in the last ${kWindows[view.window][1]}` :
      `${plural(shown.length, 'incident')} in the last ${
          kWindows[view.window][1]}`);
  node.replaceChildren(
      svg('line', {class: 'grid', x1: strip.left, x2: width - strip.right,
                   y1: strip.height / 2, y2: strip.height / 2}), ...bars);
}

function spell(one, now) {
  const lasted = duration(one.duration_ms);
  return one.state === 'open' ? `open ${since(one.start, now)}` :
      `${moment(one.start, now)}, ${lasted}`;
}

function makeIncident(one, view) {
  const summary = el('summary', null, el('span', {class: 'id'}, `#${one.id}`),
                     el('span', {class: 'badge'}),
                     el('span', {class: 'where'}, el('b', null, one.upstream)),
                     el('span', {class: 'when'}), el('span', {class: 'what'}));
  const details = el('details', null, summary, el('div', {class: 'body'}));
  details.addEventListener('toggle', () => {
    view.incidentToggled(one.id, details.open);
    renderAll();
  });
  return el('li', null, details);
}

function fillIncident(body, one, now, view) {
  if (!body.firstElementChild) {
    const copied = button('Copy as text', () => copyIncident(one.id, copied),
                          {class: 'copy'});
    body.append(el('dl', {class: 'facts'}),
                el('ul', {class: 'findings', 'aria-label': 'Why'}),
                svg('svg', {class: 'spark', viewBox: '0 0 80 24', role: 'img',
                            preserveAspectRatio: 'none'},
                    svg('path', {class: 'base', d: 'M0 23.5H80'}),
                    svg('path', {class: 'bars'})),
                el('p', {class: 'note'}),
                el('p', {class: 'buttons'}, copied),
                el('h3', null, 'Events on record'), el('ul', {class: 'events'}),
                el('p', {class: 'empty'}));
  }
  const [facts, findings, spark, note] = body.children;
  definitions(facts, [
    ['Incident', el('a', {href: `#incident-${one.id}`}, `#${one.id}`)],
    ['Upstream', one.upstream], ['Protocol', one.protocol],
    ['Began', dateTime(one.start)],
    [one.state === 'open' ? 'Last failure' : 'Ended', dateTime(one.end)],
    ['Lasted', one.state === 'open' ? `${duration(one.duration_ms)} so far` :
        duration(one.duration_ms)],
    ['Attempts', count(one.attempts)], ['Failed attempts', count(one.failures)],
    ['Rescued', count(one.rescued)],
    ['Responses', Object.entries(one.responses).filter(([, n]) => n > 0)
        .map(([code, n]) => `${code}: ${count(n)}`).join(', ') || 'none'],
    ['Causes', listCounts(one.causes)],
    ['Peers', one.peers.map(({addr, failures}) => `${addr} ${count(failures)}`)
        .join(', ') || '–'],
    ['Configuration', `number ${one.generation}${
        one.since_reload ? ', began with its load' : ''}`],
  ]);
  fillFindings(findings, one.findings.map((found) => (
      {...found, text: found.text || words(found.name)})));
  sparkline(spark, one.timeline.map((part) => part.failures),
            (top) => mostOf(one.timeline, top));
  const fine = one.timeline.filter((part) => part.width_ms === 60000).length;
  setText(note, `Failures, ${one.timeline.length === fine ? 'by minute' :
      `by minute for the first ${fine}, then coarser`}`);
  fillIncidentEvents(body, one, now, view);
}

function fillIncidentEvents(body, one, now, view) {
  const {events, problem} = view.incidentEvents.get(one.id) || {};
  const shown = withPinned(events || [], [...view.pinned.values()]
      .filter((event) => event.incident === one.id));
  keyed(body.querySelector('.events'), shown, (event) => event.id,
        (event) => makeEvent(event, now, view),
        (node, event) => updateEvent(node, event, now, view));
  const empty = body.lastElementChild;
  empty.hidden = !problem && (!events || shown.length > 0);
  setText(empty, problem ? `The events could not be loaded: ${problem}` :
      'Newer ones have taken their place.');
}

// Later parts are wider: of one of them nobody knows what a minute was like.
function mostOf(timeline, top) {
  const {width_ms, start} = timeline.reduce(
      (most, part) => part.failures > most.failures ? part : most);
  return width_ms === 60000 ? `at most ${top} a minute` :
      `the highest bar is ${top} ${width_ms === null ?
          `since ${dateTime(start)}` : `in ${duration(width_ms)}`}`;
}

function updateIncident(node, one, now, view) {
  const details = node.firstElementChild;
  const [, state, , when, what] = details.firstElementChild.children;
  setAttribute(state, 'class', `badge ${one.state === 'open' ? 'outage' : 'ok'}`);
  setText(state, one.state === 'open' ? 'Open' : 'Over');
  setText(when, spell(one, now));
  setText(what, `${plural(one.failures, 'failure')}, ${
      words((byCount(one.causes)[0] || ['–'])[0])}`);
  const open = view.openIncidents.has(one.id);
  if (open && !details.open) {
    details.open = true;
  }
  if (open) {
    fillIncident(details.lastElementChild, one, now, view);
  }
}

// Those that are open on the page, with all data that comes.
function loadIncidents({incidents}, view) {
  for (const {id} of incidents || []) {
    if (view.openIncidents.has(id)) {
      loadIncident(id, view);
    }
  }
}

// Keeps {events, over, problem, loading}. One that is over gets no more events.
async function loadIncident(id, view) {
  const had = view.incidentEvents.get(id) || {};
  if (had.loading || (had.over && !had.problem)) {
    return;
  }
  view.incidentEvents.set(id, {...had, loading: true});
  let got;
  try {
    const {events, incidents} = JSON.parse(await askIncident(id, 'json'));
    got = {events, over: incidents.every(({state}) => state === 'over')};
  } catch (error) {
    got = {...had, problem: whyNot(error)};
  }
  if (view.openIncidents.has(id)) {
    view.incidentEvents.set(id, got);
    renderAll();
  }
}

async function copyIncident(id, node) {
  try {
    await navigator.clipboard.writeText(await askIncident(id, 'text'));
    node.textContent = 'Copied';
  } catch {  // not a secure context: shown, so that it can be selected
    window.open(`${location.pathname}?incident=${id}&format=text`, '_blank',
                'noopener');
  }
  setTimeout(() => {
    node.textContent = 'Copy as text';
  }, 1500);
}

function renderIncidents(data, now, view) {
  const incidents = data.incidents || [];
  const [, , span] = kWindows[view.window];
  // One that is open stays, whatever the window.
  const shown = incidents.filter((one) =>
      one.end >= now - span || view.openIncidents.has(one.id));
  renderStrip(incidents, now, view);
  keyed($('incidents'), shown, (one) => one.id,
        (one) => makeIncident(one, view),
        (node, one) => updateIncident(node, one, now, view));
  setText($('incident-count'), `${count(shown.length)} of ${
      count(incidents.length)} on record`);
  $('no-incidents').hidden = shown.length > 0;
  setText($('no-incidents'),
          `No incident in the last ${kWindows[view.window][1]}.`);
}
