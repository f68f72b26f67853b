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
    const plain = Object.values(event)
        .filter((value) => ['string', 'number'].includes(typeof value));
    const found = event.findings.flatMap(
        ({name, text}) => [name, words(name), text]);
    event.haystack =
        [...plain, words(event.cause), ...found, evidenceOf(event)]
            .join('\n').toLowerCase();
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

// The raw values, as JSON names them.
function evidenceOf(event) {
  const known = Object.entries(event.evidence || {})
      .map(([name, value]) => `${words(name)} ${
          typeof value === 'boolean' ? yes(value) : value}`);
  return known.length ? known.join(', ') : undefined;
}

function fillEvent(body, event) {
  if (body.firstElementChild) {
    return;
  }
  const link = el('a', {href: `#event=${event.id}`}, `#${event.id}`);
  const facts = el('dl', {class: 'facts'});
  const findings = el('ul', {class: 'findings', 'aria-label': 'Why'});
  fillFindings(findings, event.findings);
  body.append(el('p', {class: 'message'},
                 event.message || '(nginx logged nothing)'),
              findings, el('p', {class: 'hint'}, sentence(event.hint)), facts);
  const or = (value) => value === null ? '–' : value;
  definitions(facts, [
    ['Event', link],
    ['Time', new Date(event.time).toISOString()],
    ['Incident', event.incident ?
        el('a', {href: `#incident-${event.incident}`}, `#${event.incident}`) :
        undefined],
    ['Upstream', event.upstream],
    ['Target', event.target === null ? undefined : event.target],
    ['Peer', or(event.peer)],
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
    ['Evidence', evidenceOf(event)],
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

// What the server is asked for.
const isChosen = ({cause, only}) => cause !== '' || only !== '';

// The newest of all, or of the chosen cause and upstream once they are there.
function loadedFor({events, chosen}, {cause, only}) {
  return chosen && chosen.cause === cause && chosen.only === only ?
      chosen.events : events;
}

// Newest first. An event that is open stays, even if newer ones have pushed it
// out.
function withPinned(events, pinned) {
  const byId = new Map(
      [...pinned, ...events].map((event) => [event.id, event]));
  return [...byId.values()].sort((a, b) => b.id - a.id);
}

function renderEvents(data, now, view) {
  const {filter} = view;
  options($('filter-cause'), 'any', Object.keys(data.totals.causes),
          filter.cause);
  options($('filter-upstream'), 'any', data.upstreams
      .filter((u) => u.failures > 0).map((u) => u.name), filter.only);
  const loaded = loadedFor(data, filter);
  const events = withPinned([...data.events, ...loaded],
                            [...view.pinned.values()]);
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
  const all = loaded.length < view.limit || view.limit >= data.zone.events_max;
  setText($('no-events'), !filtered ? 'No failed attempt is on record.' :
      all ? 'No event fits.' : 'None of those loaded fits.');
  const more = $('more-events');
  more.hidden = all || view.limit >= kLimitMax;
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
